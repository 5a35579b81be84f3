"""`layers.freeze_reference`: the same images without the reference batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours

REFERENCE = 6
# Equal but for the order of float32 sums; the images are of order 1.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def small_generator(**options):
    """z and two noise maps in, as in the ImageNet generator: multi-input, every kind of gain."""
    z = keras.Input((7,), name="z")
    maps = [keras.Input((size, size, 2), name=f"h{i}z") for i, size in enumerate((2, 4))]
    norms = [
        ours.VirtualBatchNorm(REFERENCE, name="vbn_0", **options),
        ours.VirtualBatchNorm(REFERENCE, name="vbn_1", gain="exp", half=1, **options),
        ours.VirtualBatchNorm(REFERENCE, name="vbn_2", gain="exp", per_pixel=True, **options),
    ]
    x = keras.layers.Dense(12, name="dense")(ours.ReferenceBatch(REFERENCE)(z))
    x = keras.layers.ReLU()(norms[0](x))
    x = keras.layers.Reshape((2, 2, 3))(x)
    for noise, norm in zip(maps, norms[1:], strict=True):
        x = keras.layers.Concatenate()([x, ours.ReferenceBatch(REFERENCE)(noise)])
        x = keras.layers.Conv2DTranspose(5, 5, 2, padding="same")(x)
        x = keras.ops.relu(norm(x))  # an operation that is no layer
    x = keras.layers.Conv2DTranspose(3, 5, padding="same", activation="tanh")(x)
    model = keras.Model([z, *maps], ours.DropReference(REFERENCE)(x), name="small_generator")
    rng = np.random.RandomState(1)
    for v in model.weights:  # away from their defaults
        v.assign(v + 0.3 * rng.randn(*v.shape))
    return model


def noise(model, examples=5, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.uniform(-1, 1, (examples, *x.shape[1:])).astype("float32") for x in model.inputs]


@pytest.fixture(scope="module")
def generator():
    return small_generator()


@pytest.fixture(scope="module")
def frozen(generator):
    return ours.freeze_reference(generator)


@pytest.mark.parametrize("examples", [1, 2, 9])
def test_equal_images(generator, frozen, examples):
    x = noise(generator, examples)
    images = np.array(generator(x))
    assert images.std() > 0.1  # neither constant nor saturated
    np.testing.assert_allclose(frozen(x), images, **CLOSE)
    np.testing.assert_allclose(frozen.predict(x, verbose=0), images, **CLOSE)


def test_the_model_it_gives(generator, frozen):
    assert frozen.name == generator.name
    assert [(x.name, x.shape, x.dtype) for x in frozen.inputs] == [
        (x.name, x.shape, x.dtype) for x in generator.inputs
    ]
    assert frozen.output_shape == generator.output_shape
    removed = ours.ReferenceBatch, ours.DropReference
    assert {layer.name for layer in frozen.layers} == {
        layer.name for layer in generator.layers if not isinstance(layer, removed)
    }
    assert sorted(v.path for v in frozen.trainable_variables) == sorted(
        v.path for v in generator.trainable_variables
    )


def test_the_reference_is_not_computed(generator, frozen):
    """No layer of the frozen model sees another number of examples than the batch has."""
    x, sizes = noise(generator, 3), []
    for model in (generator, frozen):
        middle = keras.Model(model.inputs, model.get_layer("vbn_2").output)
        sizes.append(len(middle(x)))
    assert sizes == [3 + REFERENCE, 3]
    assert "reference" in {v.name for v in generator.weights}
    assert "reference" not in {v.name for v in frozen.weights}


def test_weights_are_copies(generator):
    x = noise(generator)
    frozen = ours.freeze_reference(generator)
    before = np.array(generator(x))
    for v in frozen.weights:
        v.assign(2 * v)
    np.testing.assert_array_equal(generator(x), before)


def test_the_model_is_not_changed(generator, tmp_path):
    x, names = noise(generator), [v.path for v in generator.weights]
    before = np.array(generator(x))
    ours.freeze_reference(generator)
    ours.freeze_reference(generator)
    assert [v.path for v in generator.weights] == names
    np.testing.assert_array_equal(generator(x), before)
    generator.save(tmp_path / "generator.keras")
    again = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(again(x), before)


def test_later_training_needs_another_freeze(generator):
    """The statistics are those of the weights at that time."""
    model = keras.models.clone_model(generator)
    model.set_weights(generator.get_weights())
    x = noise(model)
    early = ours.freeze_reference(model)
    kernel = model.get_layer("dense").kernel
    kernel.assign(kernel + 0.2)
    late = ours.freeze_reference(model)
    np.testing.assert_allclose(late(x), model(x), **CLOSE)
    assert np.abs(early(x) - model(x)).max() > 0.01


def test_files(generator, frozen, tmp_path):
    x = noise(generator)
    expected = np.array(generator(x))
    frozen.save(tmp_path / "frozen.keras")
    loaded = keras.models.load_model(tmp_path / "frozen.keras")
    np.testing.assert_array_equal(loaded(x), frozen(x))
    frozen.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(saved.serve(x), expected, **CLOSE)


def test_a_shared_layer_stays_shared():
    z = keras.Input((4,), name="z")
    dense = keras.layers.Dense(4)
    x = dense(dense(ours.ReferenceBatch(3)(z)))
    x = ours.DropReference(3)(ours.VirtualBatchNorm(3)(x))
    model = keras.Model(z, {"images": x})
    frozen = ours.freeze_reference(model)
    assert len(frozen.weights) == len(model.weights) + 1  # two statistics for one reference batch
    x = np.ones((2, 4), "float32")
    np.testing.assert_allclose(frozen(x)["images"], model(x)["images"], **CLOSE)


def test_a_layer_used_elsewhere_before():
    """The statistics are those of this model, not of whatever called the layer first."""
    norm = ours.VirtualBatchNorm(3)
    other = keras.Input((4,))
    norm(keras.layers.Dense(4)(other))
    z = keras.Input((4,), name="z")
    x = norm(keras.layers.Dense(4)(ours.ReferenceBatch(3)(z)))
    model = keras.Model(z, ours.DropReference(3)(x))
    x = np.ones((2, 4), "float32")
    np.testing.assert_allclose(ours.freeze_reference(model)(x), model(x), **CLOSE)


def test_mixed_precision():
    """The statistics keep their float32."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small_generator()
        frozen = ours.freeze_reference(model)
    finally:
        keras.config.set_dtype_policy("float32")
    norm = frozen.get_layer("vbn_0")
    assert norm.reference_mean.dtype == norm.reference_mean_square.dtype == "float32"
    x = noise(model)
    assert frozen(x).dtype == model(x).dtype == tf.float16
    # A float16 in (-1, 1) has steps of up to 5e-4; other fusions round otherwise.
    np.testing.assert_allclose(tf.cast(frozen(x), "float32"), model(x), atol=2e-3)


def test_frozen_layers_settings(generator, frozen):
    for name in ("vbn_0", "vbn_1", "vbn_2"):
        before, after = generator.get_layer(name), frozen.get_layer(name)
        assert after.get_config() == {**before.get_config(), "frozen": True}
        assert len(after.non_trainable_variables) == 2


def test_seven_inputs():
    """The ImageNet generator itself, at a small width."""
    from improved_gan_tf import networks

    model = networks.imagenet.generator(width=1 / 16, reference_size=3)
    assert len(model.inputs) == 7
    x = noise(model, 2)
    np.testing.assert_allclose(ours.freeze_reference(model)(x), model(x), **CLOSE)


def model_of(*stack, shape=(4,)):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x, name="model")


def stack():
    return ours.ReferenceBatch(2), ours.VirtualBatchNorm(2), ours.DropReference(2)


def twice():
    norm, z = ours.VirtualBatchNorm(2), keras.Input((4,))
    x = norm(norm(ours.ReferenceBatch(2)(z)))
    return keras.Model(z, ours.DropReference(2)(x), name="model")


def nested():
    return model_of(model_of(*stack()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.layers.Dense(2), "a functional model, not a Dense"),
        (
            lambda: keras.Sequential([ours.ReferenceBatch(2), ours.VirtualBatchNorm(2)]),
            "a functional model, not a Sequential",
        ),
        (lambda: model_of(keras.layers.Dense(2)), "found no VirtualBatchNorm layer .* in model"),
        (lambda: ours.freeze_reference(model_of(*stack())), "layer to freeze in model"),
        (
            lambda: model_of(keras.layers.TimeDistributed(ours.VirtualBatchNorm(2)), shape=(3, 4)),
            "not in a model or layer inside model",
        ),
        (nested, "not in a model or layer inside model"),
        (twice, "called once, on its 2 reference examples .* it got 3 and 3 examples"),
        (
            lambda: model_of(ours.ReferenceBatch(3), ours.VirtualBatchNorm(2)),
            "2 reference examples .* it got 4 examples",
        ),
    ],
)
def test_refused(make, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        ours.freeze_reference(model)


def test_a_layer_refuses():
    layer = ours.VirtualBatchNorm(3, name="vbn")
    with pytest.raises(ValueError, match="vbn cannot be frozen: it is not built"):
        layer.freeze_reference(np.ones((3, 4)))
    layer(np.ones((5, 4)))
    with pytest.raises(ValueError, match="vbn has 3 reference examples, not 5"):
        layer.freeze_reference(np.ones((5, 4)))
    frozen = layer.freeze_reference(np.ones((3, 4)))
    with pytest.raises(ValueError, match="it is frozen already"):
        frozen.freeze_reference(np.ones((3, 4)))
