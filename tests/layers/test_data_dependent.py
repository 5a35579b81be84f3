"""Initialization from data, the walk over nested layers, and which layers couple examples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from tests.helpers.layer_cases import INITIALIZED, LAYERS, batch, model_of


@pytest.mark.parametrize("which", INITIALIZED)
def test_initialization_in_float16(which):
    """The statistics are computed in float32 under mixed precision, and variables stay float32."""
    make, shape = LAYERS[which]
    layer = make(dtype="mixed_float16")
    model = model_of(layer, shape)
    ours.initialize_from_data(model, batch(shape, 50))
    assert all(v.dtype == "float32" and np.all(np.isfinite(v)) for v in layer.weights)


def test_initialization_through_a_network():
    """Each layer is normalized on the initialized outputs of those before it, nested ones too."""
    first = ours.WeightNorm(keras.layers.Dense(6, activation="relu"), epsilon=0.0)
    inner = keras.Sequential([keras.Input((6,)), ours.WeightNorm(keras.layers.Dense(5))])
    last = ours.WeightNorm(keras.layers.Dense(4), initial_stddev=0.1)
    model = keras.Sequential([keras.Input((3,)), first, inner, last])
    x = batch((3,), 200)
    model.layers[0].layer.bias.assign(np.ones(6))  # must not matter
    output = ours.initialize_from_data(model, x)
    np.testing.assert_allclose(output, model(x), rtol=1e-4, atol=1e-6)
    hidden = inner(first(x))
    for values, stddev in ((hidden, 1.0), (output, 0.1)):
        # Exact in the initialization's own arithmetic; float32 sums over 200 examples round.
        np.testing.assert_allclose(np.mean(values, 0), 0, atol=1e-5)
        np.testing.assert_allclose(np.std(values, 0), stddev, rtol=1e-4)
    again = ours.initialize_from_data(model, x)  # already normalized: nothing moves
    np.testing.assert_allclose(again, output, rtol=1e-3, atol=1e-5)


def test_initialization_has_noise_on():
    model = keras.Sequential(
        [keras.Input((2,)), ours.HashedGaussianNoise(1.0), ours.WeightNorm(keras.layers.Dense(3))]
    )
    output = ours.initialize_from_data(model, np.zeros((400, 2), "float32"))
    np.testing.assert_allclose(np.std(output, 0), 1, rtol=1e-4)


def test_initialization_refuses():
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="no layer that is initialized from data"):
        ours.initialize_from_data(plain, batch((2,)))
    model = model_of(ours.WeightNorm(keras.layers.Dense(3)), (2,))
    with pytest.raises(ValueError, match="at least 2 examples, not 1"):
        ours.initialize_from_data(model, batch((2,), 1))
    with pytest.raises(ValueError, match="takes an array .*, not a _BatchDataset; of a data set"):
        ours.initialize_from_data(
            model, tf.data.Dataset.from_tensor_slices(batch((2,), 8)).batch(4)
        )


class _Holder(keras.layers.Layer):
    """Holds layers in an attribute, a list and a dictionary."""

    def __init__(self, *inner, **kwargs):
        super().__init__(**kwargs)
        self.one, self.several, self.named = inner[0], [inner[1]], {"last": inner[2]}

    def call(self, inputs):
        return self.named["last"](self.several[0](self.one(inputs)))


def test_walk_finds_layers_wherever_they_are_held():
    dense = [keras.layers.Dense(2, name=f"dense_{i}") for i in range(4)]
    holder = _Holder(*dense[:3], name="holder")
    spread = keras.layers.TimeDistributed(dense[3], name="spread")
    inner = keras.Sequential([spread, keras.layers.Flatten(name="flat"), holder], name="inner")
    model = keras.Sequential([inner, dense[0]], name="model")  # dense_0 is shared
    names = [layer.name for layer in ours.walk(model)]
    expected = ["model", "inner", "spread", "flat", "holder", *(x.name for x in dense)]
    assert sorted(names) == sorted(expected)
    assert list(ours.walk(dense[0])) == [dense[0]]


def test_initialization_of_layers_held_by_others():
    inner = [ours.WeightNorm(keras.layers.Dense(3)) for _ in range(3)]
    model = model_of(_Holder(*inner), (4,))
    output = ours.initialize_from_data(model, batch((4,), 100))
    np.testing.assert_allclose(np.std(output, 0), 1, rtol=1e-4)
    assert all(np.abs(np.array(layer.g) - 1).max() > 1e-3 for layer in inner)


def test_a_layer_of_the_users_own():
    """The mixin's switch is on for the one pass of the initialization, and off after an error."""

    class Centered(ours.DataDependent, keras.layers.Layer):
        def build(self, shape):
            self.shift = self.add_weight(shape=shape[1:], initializer="zeros")

        def call(self, inputs):
            if self.initializing:
                self.set_from_data(inputs)
            return inputs - self.shift

        def set_from_data(self, inputs):
            self.shift.assign(np.mean(inputs, axis=0))

    layer = Centered()
    model, x = model_of(layer, (3,)), batch((3,), 20)
    np.testing.assert_array_equal(model(x), x)
    np.testing.assert_allclose(np.mean(ours.initialize_from_data(model, x), 0), 0, atol=1e-6)
    assert not layer.initializing and not ours.DataDependent.initializing
    shift = np.array(layer.shift)
    model(x + 1)
    np.testing.assert_array_equal(layer.shift, shift)
    with pytest.raises(Exception, match="shape"):
        ours.initialize_from_data(model, batch((4,), 20))
    assert not layer.initializing


@pytest.mark.parametrize(
    "make, coupled",
    [
        (lambda: keras.layers.Dense(2), False),
        (lambda: ours.HashedGaussianNoise(1.0), False),
        (lambda: ours.VirtualBatchNorm(2), False),  # no live example sees another
        (lambda: ours.WeightNorm(keras.layers.Dense(2)), False),
        (keras.layers.BatchNormalization, True),
        (ours.UnbiasedBatchNormalization, True),
        (ours.CrossBatchNorm, True),
        (ours.SplitBatchNorm, True),
        (lambda: ours.MinibatchDiscrimination(2), True),
        (lambda: ours.JointMinibatchDiscrimination(2, 2), True),
    ],
)
def test_couples_examples(make, coupled):
    assert ours.couples_examples(keras.Sequential([make()])) == coupled
    held = _Holder(keras.layers.Dense(2), make(), keras.layers.Dense(2))
    assert ours.couples_examples(held) == coupled


def test_a_layer_says_itself_that_it_couples_examples():
    class Ranked(keras.layers.Layer):
        couples_examples = True

    assert ours.couples_examples(keras.Sequential([Ranked()]))


@pytest.mark.parametrize("which", ["the same", "NaN"])
@pytest.mark.parametrize(
    "make",
    [lambda: ours.WeightNorm(keras.layers.Dense(3)), lambda: ours.MinibatchDiscrimination(4)],
)
def test_a_batch_that_cannot_initialize(make, which):
    x = np.ones((8, 5), "float32") if which == "the same" else batch((5,), 8)
    x[0, 0] = np.nan if which == "NaN" else 1.0
    model = keras.Sequential([keras.Input((5,)), make()])
    before = [np.asarray(v) for v in model.weights]
    with pytest.raises(ValueError, match="cannot be initialized from this batch: its inputs hold"):
        ours.initialize_from_data(model, x)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)
