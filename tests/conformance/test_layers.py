"""The contract of every layer: configs, files, precisions, compilation, small batches, errors.

The numbers themselves, and what is particular to one layer, are tested in tests/layers.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from tests.helpers.layer_cases import LAYERS, batch, model_of, scrambled, sizes

every_layer = pytest.mark.parametrize("which", LAYERS)


@every_layer
def test_config(which):
    make, _shape = LAYERS[which]
    layer = make(name="some_name")
    config = layer.get_config()
    again = type(layer).from_config(dict(config))  # Keras' wrappers empty it
    assert again.name == "some_name"
    assert again.get_config() == config
    through_json = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(through_json) is type(layer)
    assert through_json.get_config() == config


@every_layer
def test_keras_file(which, tmp_path):
    make, shape = LAYERS[which]
    model = model_of(make(), shape)
    scrambled(model.layers[-1])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = batch(shape)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert [v.name for v in loaded.trainable_variables] == [
        v.name for v in model.trainable_variables
    ]


@every_layer
def test_saved_model(which, tmp_path):
    make, shape = LAYERS[which]
    model = model_of(make(), shape)
    scrambled(model.layers[-1])
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for examples in sizes(which):
        x = batch(shape, examples)
        # The same operations in the same order, but fused differently: a few float32 roundings.
        np.testing.assert_allclose(loaded.serve(x), model(x), rtol=1e-5, atol=1e-6)


@every_layer
def test_output_shape(which):
    make, shape = LAYERS[which]
    layer = make()
    output = layer(batch(shape))
    assert tuple(layer.compute_output_shape((4, *shape))) == tuple(output.shape)
    symbolic = make()(keras.Input(shape))
    assert tuple(symbolic.shape) == (None, *output.shape[1:])


@every_layer
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(which, policy):
    make, shape = LAYERS[which]
    low, full = make(dtype=policy), make(dtype="float32")
    x = tf.constant(batch(shape))
    low(x), full(x)
    assert {v.dtype for v in low.trainable_variables} <= {"float32"}
    for one, other in zip(low.weights, full.weights, strict=True):
        one.assign(other)
    assert low(x).dtype == low.compute_dtype
    # bfloat16 has 8 bits of mantissa: 0.4 % per rounding, a few of them in outputs of order 1.
    np.testing.assert_allclose(
        tf.cast(low(x), "float32"), full(x), atol=0.05, rtol=0.05, err_msg=policy
    )
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_mean(tf.cast(low(x, training=True), "float32") ** 2)
    sources = [x, *(v.value for v in low.trainable_variables)]
    for gradient in tape.gradient(loss, sources):
        assert gradient.dtype == tf.float32
        assert np.all(np.isfinite(gradient))


@every_layer
@pytest.mark.parametrize("training", [False, True])
def test_jit(which, training):
    """XLA computes what eager execution does, forward and backward, noise included."""
    make, shape = LAYERS[which]
    x = tf.constant(batch(shape))

    def run(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training) if takes_training(layer) else layer(x)
            loss = tf.reduce_sum(y * tf.cos(y))
        return [y, tape.gradient(loss, x)]

    eager, compiled = make(), make()
    eager(x), compiled(x)
    for one, other in zip(compiled.weights, eager.weights, strict=True):
        one.assign(other)
    expected = run(eager)
    for actual, value in zip(
        tf.function(lambda: run(compiled), jit_compile=True)(), expected, strict=True
    ):
        # XLA fuses and approximates elementary functions: about 1e-6 of values of order 1.
        np.testing.assert_allclose(actual, value, rtol=1e-4, atol=1e-5)
    for one, other in zip(compiled.weights, eager.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def takes_training(layer):
    return isinstance(layer, ours.HashedGaussianNoise | ours.UnbiasedBatchNormalization)


@every_layer
def test_any_batch_size(which):
    """One traced function serves every batch size, and agrees with the eager layer."""
    make, shape = LAYERS[which]
    layer = make()
    layer(batch(shape))
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, *shape))])
    for examples in sizes(which):
        x = batch(shape, examples)
        np.testing.assert_allclose(traced(x), layer(x), rtol=1e-5, atol=1e-6)


@every_layer
@pytest.mark.parametrize("training", [False, True])
def test_least_batch(which, training):
    """One example; where a layer needs others with it, one live example or one pair."""
    make, shape = LAYERS[which]
    layer = make()
    x = tf.constant(batch(shape, sizes(which)[0]))
    layer(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training) if takes_training(layer) else layer(x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(tape.gradient(y, x)))
    for v in layer.weights:
        assert np.all(np.isfinite(v))


@every_layer
@pytest.mark.parametrize("jit", [False, True])
def test_trains_in_a_model(which, jit):
    make, shape = LAYERS[which]
    inputs = keras.Input(shape)
    x = make()(inputs)
    if which == "reference_batch":  # the number of outputs must be the labels'
        x = ours.DropReference(2)(x)
    elif which == "drop_reference":
        x = ours.ReferenceBatch(2)(x)
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", jit_compile=jit)
    before = [np.array(v) for v in model.trainable_variables]
    history = model.fit(batch(shape, 8), np.ones((8, 1)), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, model.trainable_variables, strict=True)
    ]
    assert all(moved)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: ours.MinibatchDiscrimination(3), (4,), "rank 2 or more"),
        (lambda: ours.MinibatchDiscrimination(3), (4, None), "known dimensions"),
        (lambda: ours.MinibatchDiscrimination(3), (4, 2, None, 3), "known dimensions"),
        (lambda: ours.MinibatchDiscrimination(0), (4, 2), "num_kernels must be at least 1, not 0"),
        (
            lambda: ours.MinibatchDiscrimination(3, -1),
            (4, 2),
            "dim_per_kernel must be at least 1, not -1",
        ),
        (lambda: ours.HashedGaussianNoise(-0.1), (4, 2), "not -0.1"),
        (lambda: ours.HashedGaussianNoise(float("nan")), (4, 2), "not nan"),
        (lambda: ours.WeightNorm(keras.layers.Flatten()), (4, 2), "not Flatten"),
        (lambda: ours.WeightNorm(keras.layers.DepthwiseConv2D(3)), (4, 5, 5, 2), "not Depthwise"),
        (
            lambda: ours.WeightNorm(keras.layers.Conv2D(3, 3, data_format="channels_first")),
            (4, 5, 5, 2),
            "channels_last",
        ),
        (lambda: ours.WeightNorm(keras.layers.Conv2D(3, 3)), (4, 5), r"channels\) .*\(4, 5\)"),
        (lambda: ours.WeightNorm(keras.layers.Conv2D(3, 3)), (4, 5, 5, None), "5, None"),
        (lambda: ours.WeightNorm(keras.layers.Dense(3)), (4,), r"features\) .*\(4,\)"),
        (lambda: ours.WeightNorm(keras.layers.Dense(3)), (4, None), r"\(4, None\)"),
        (lambda: ours.CenteredConv2DTranspose(3, 4, 2), (4, 5, 5, 2), "odd kernel_size"),
        (lambda: ours.CenteredConv2DTranspose(3, 3, 3), (4, 5, 5, 2), "strides smaller"),
        (
            lambda: ours.CenteredConv2DTranspose(3, 5, 2, padding="same"),
            (4, 5, 5, 2),
            "own padding",
        ),
        (
            lambda: ours.CenteredConv2DTranspose(3, 5, 1, dilation_rate=2),
            (4, 5, 5, 2),
            "own padding",
        ),
        (lambda: ours.CenteredConv2DTranspose(3, 5, 2), (4, 5), r"found ndim=2.*\(4, 5\)"),
        (lambda: ours.CenteredConv2DTranspose(3, 5, 2), (4, 5, 5, 5, 2), r"channels\) .*\(4, 5"),
        (lambda: ours.CenteredConv2DTranspose(3, 5, 2), (4, 5, 5, None), "5, None"),
        (lambda: ours.UnbiasedBatchNormalization(), (4, 5, 5, None), "None"),
        (lambda: ours.VirtualBatchNorm(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.VirtualBatchNorm(1, half=2), (4, 5), "at least 2, not 1"),
        (lambda: ours.VirtualBatchNorm(2, half=3), (4, 5), "half must be None, 1 or 2, not 3"),
        (lambda: ours.VirtualBatchNorm(2, gain="log"), (4, 5), "not 'log'"),
        (lambda: ours.VirtualBatchNorm(2), (4, 5, 5), r"channels\), not shape \(4, 5, 5\)"),
        (lambda: ours.VirtualBatchNorm(2), (4, 5, 5, None), "known channels .*5, None"),
        (lambda: ours.VirtualBatchNorm(2, per_pixel=True), (4, None, 5, 2), "known dimensions"),
        (
            lambda: ours.VirtualBatchNorm(4),
            (4, 5),
            r"one live example after its 4 .*shape \(4, 5\)",
        ),
        (lambda: ours.ReferenceBatch(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.ReferenceBatch(2), (4, None, 2), r"known dimensions .*\(4, None, 2\)"),
        (lambda: ours.DropReference(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.DropReference(4), (4, 5), r"more than its 4 reference examples, .*\(4, 5\)"),
        (lambda: ours.CrossBatchNorm(), (4, 5, 6), r"channels\), not shape \(4, 5, 6\)"),
        (lambda: ours.CrossBatchNorm(), (4, 5), r"even number of channels, .*\(4, 5\)"),
        (lambda: ours.CrossBatchNorm(), (4, None), r"even number of channels, .*None"),
        (lambda: ours.CrossBatchNorm(), (5, 6), r"CrossBatchNorm needs a joint batch, .*\(5, 6\)"),
        (lambda: ours.SplitBatchNorm(), (4, 5, 6), r"channels\), not shape \(4, 5, 6\)"),
        (lambda: ours.SplitBatchNorm(), (4, None), r"known number of channels, .*None"),
        (lambda: ours.SplitBatchNorm(), (5, 6), r"SplitBatchNorm needs a joint batch, .*\(5, 6\)"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (4, 5, 2), r"not shape \(4, 5, 2\)"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (4, None), r"not shape \(4, None\)"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (3, 5), r"joint batch, .*\(3, 5\)"),
        (lambda: ours.JointMinibatchDiscrimination(0, 2), (4, 5), "at least 1, not 0"),
    ],
)
def test_clear_errors(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make()(keras.Input(batch_shape=shape))
