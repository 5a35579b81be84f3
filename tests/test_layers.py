"""What every layer owes its user: configs, files, precisions, compilation, small batches, errors.

The numbers themselves are tested in tests/test_layers_golden.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from reference import minibatch_discrimination as oracle

LAYERS = {
    "weight_norm_dense": (
        lambda **k: ours.WeightNorm(keras.layers.Dense(3, activation="relu", **k), **k),
        (5,),
    ),
    "weight_norm_dense_no_bias": (
        lambda **k: ours.WeightNorm(
            keras.layers.Dense(3, use_bias=False, **k), train_scale=True, epsilon=0.0, **k
        ),
        (5,),
    ),
    "weight_norm_conv": (
        lambda **k: ours.WeightNorm(
            keras.layers.Conv2D(4, 3, strides=2, padding="same", **k), initial_stddev=0.1, **k
        ),
        (6, 5, 2),
    ),
    "weight_norm_keras_transpose": (
        lambda **k: ours.WeightNorm(
            keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same", **k), **k
        ),
        (3, 4, 2),
    ),
    "weight_norm_transpose": (
        lambda **k: ours.WeightNorm(
            ours.Conv2DTranspose(3, 5, 2, activation="tanh", **k), train_scale=True, **k
        ),
        (3, 4, 2),
    ),
    "conv_transpose": (lambda **k: ours.Conv2DTranspose(3, 5, 2, **k), (3, 4, 2)),
    "minibatch_discrimination": (lambda **k: ours.MinibatchDiscrimination(4, 3, **k), (5,)),
    "minibatch_discrimination_of_images": (
        lambda **k: ours.MinibatchDiscrimination(4, 3, **k),
        (2, 3, 2),
    ),
    "gaussian_noise": (lambda **k: ours.GaussianNoise(0.3, seed=1, **k), (5,)),
    "batch_normalization": (lambda **k: ours.BatchNormalization(**k), (5,)),
    "batch_normalization_of_images": (lambda **k: ours.BatchNormalization(**k), (3, 4, 2)),
    "virtual_batch_norm": (lambda **k: ours.VirtualBatchNorm(2, **k), (5,)),
    "virtual_batch_norm_of_numbers": (lambda **k: ours.VirtualBatchNorm(2, **k), ()),
    "virtual_batch_norm_of_images": (
        lambda **k: ours.VirtualBatchNorm(2, gain="exp", half=2, **k),
        (3, 4, 2),
    ),
    "virtual_batch_norm_per_pixel": (
        lambda **k: ours.VirtualBatchNorm(2, per_pixel=True, **k),
        (3, 4, 2),
    ),
    "virtual_batch_norm_frozen": (lambda **k: ours.VirtualBatchNorm(2, frozen=True, **k), (5,)),
    "reference_batch": (lambda **k: ours.ReferenceBatch(2, minval=0, **k), (3, 4, 2)),
    "drop_reference": (lambda **k: ours.DropReference(2, **k), (5,)),
    "cross_batch_norm": (lambda **k: ours.CrossBatchNorm(**k), (6,)),
    "cross_batch_norm_of_images": (lambda **k: ours.CrossBatchNorm(epsilon=0.1, **k), (3, 4, 2)),
    "joint_minibatch_discrimination": (
        lambda **k: ours.JointMinibatchDiscrimination(4, 3, **k),
        (5,),
    ),
}
INITIALISED = [k for k in LAYERS if k.startswith(("weight_norm", "minibatch"))]


def sizes(which):
    """Sizes of batches that a layer takes, the least one first.

    Two reference rows need a live one after them, and a joint batch has as many generated rows as
    real ones.
    """
    if which == "drop_reference" or (which.startswith("virtual") and "frozen" not in which):
        return 3, 4, 6
    if which.startswith(("cross", "joint")):
        return 2, 4, 6
    return 1, 2, 5


every_layer = pytest.mark.parametrize("which", LAYERS)


def batch(shape, rows=4, seed=0):
    return np.random.RandomState(seed).randn(rows, *shape).astype("float32")


def model_of(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def scrambled(layer, seed=1):
    """The layer with all its (float) variables away from their defaults."""
    rng = np.random.RandomState(seed)
    for v in layer.weights:
        v.assign(rng.uniform(0.5, 1.5, v.shape))
    return layer


@every_layer
def test_config(which):
    make, shape = LAYERS[which]
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
    for rows in sizes(which):
        x = batch(shape, rows)
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
    # bfloat16 has 8 bits of mantissa, so .4 % a rounding; a handful of them in outputs of order 1.
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
    return isinstance(layer, ours.GaussianNoise | ours.BatchNormalization)


@every_layer
def test_any_batch_size(which):
    """One traced function serves every batch size, and agrees with the eager layer."""
    make, shape = LAYERS[which]
    layer = make()
    layer(batch(shape))
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, *shape))])
    for rows in sizes(which):
        x = batch(shape, rows)
        np.testing.assert_allclose(traced(x), layer(x), rtol=1e-5, atol=1e-6)


@every_layer
@pytest.mark.parametrize("training", [False, True])
def test_least_batch(which, training):
    """One row; where a layer needs others beside it, one live row or one pair."""
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
    if which == "reference_batch":  # the number of rows must be the labels'
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
        (lambda: ours.MinibatchDiscrimination(0), (4, 2), "at least 1, not 0 and 5"),
        (lambda: ours.MinibatchDiscrimination(3, -1), (4, 2), "at least 1, not 3 and -1"),
        (lambda: ours.GaussianNoise(-0.1), (4, 2), "not -0.1"),
        (lambda: ours.GaussianNoise(float("nan")), (4, 2), "not nan"),
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
        (lambda: ours.Conv2DTranspose(3, 4, 2), (4, 5, 5, 2), "odd kernel_size"),
        (lambda: ours.Conv2DTranspose(3, 3, 3), (4, 5, 5, 2), "strides smaller"),
        (lambda: ours.Conv2DTranspose(3, 5, 2, padding="same"), (4, 5, 5, 2), "own padding"),
        (lambda: ours.Conv2DTranspose(3, 5, 1, dilation_rate=2), (4, 5, 5, 2), "own padding"),
        (lambda: ours.Conv2DTranspose(3, 5, 2), (4, 5), r"found ndim=2.*\(4, 5\)"),
        (lambda: ours.Conv2DTranspose(3, 5, 2), (4, 5, 5, 5, 2), r"channels\) .*\(4, 5"),
        (lambda: ours.Conv2DTranspose(3, 5, 2), (4, 5, 5, None), "5, None"),
        (lambda: ours.BatchNormalization(), (4, 5, 5, None), "None"),
        (lambda: ours.VirtualBatchNorm(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.VirtualBatchNorm(1, half=2), (4, 5), "at least 2, not 1"),
        (lambda: ours.VirtualBatchNorm(2, half=3), (4, 5), "half must be None, 1 or 2, not 3"),
        (lambda: ours.VirtualBatchNorm(2, gain="log"), (4, 5), "not 'log'"),
        (lambda: ours.VirtualBatchNorm(2), (4, 5, 5), r"channels\), not shape \(4, 5, 5\)"),
        (lambda: ours.VirtualBatchNorm(2), (4, 5, 5, None), "known channels .*5, None"),
        (lambda: ours.VirtualBatchNorm(2, per_pixel=True), (4, None, 5, 2), "known dimensions"),
        (lambda: ours.VirtualBatchNorm(4), (4, 5), "one live row after its 4 .* batch of 4"),
        (lambda: ours.ReferenceBatch(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.ReferenceBatch(2), (4, None, 2), r"known dimensions .*\(4, None, 2\)"),
        (lambda: ours.DropReference(0), (4, 5), "at least 1, not 0"),
        (lambda: ours.DropReference(4), (4, 5), "more than its 4 reference rows, .* of 4"),
        (lambda: ours.CrossBatchNorm(), (4, 5, 6), r"channels\), not shape \(4, 5, 6\)"),
        (lambda: ours.CrossBatchNorm(), (4, 5), r"even number of channels, .*\(4, 5\)"),
        (lambda: ours.CrossBatchNorm(), (4, None), r"even number of channels, .*None"),
        (lambda: ours.CrossBatchNorm(), (5, 6), "CrossBatchNorm needs a joint batch, .*5 rows"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (4, 5, 2), r"not shape \(4, 5, 2\)"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (4, None), r"not shape \(4, None\)"),
        (lambda: ours.JointMinibatchDiscrimination(3, 2), (3, 5), "joint batch, .*3 rows"),
        (lambda: ours.JointMinibatchDiscrimination(0, 2), (4, 5), "at least 1, not 0 and 2"),
    ],
)
def test_clear_errors(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make()(keras.Input(batch_shape=shape))


# ---- what is particular to one layer ------------------------------------------------------------


def test_weight_norm_ignores_the_length_of_v():
    layer = ours.WeightNorm(keras.layers.Dense(3), epsilon=0.0)
    x = batch((5,))
    before = np.array(layer(x))
    layer.layer.kernel.assign(7.0 * layer.layer.kernel)
    np.testing.assert_allclose(layer(x), before, rtol=1e-5)


def test_weight_norm_of_a_zero_kernel():
    """The epsilon keeps a unit whose v is 0 finite, backward too."""
    layer = ours.WeightNorm(keras.layers.Dense(3, kernel_initializer="zeros"))
    x = tf.constant(batch((5,)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert np.all(np.isfinite(gradient))


def test_weight_norm_called_twice():
    """Two calls of one layer share its variables, as a discriminator's on real and fake do."""
    layer = ours.WeightNorm(keras.layers.Dense(2, activation="relu"))
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], [layer(a), layer(b)])
    assert len(model.weights) == 3
    x = batch((3,))
    one, two = model([x, x])
    np.testing.assert_array_equal(one, two)


def test_frozen_scale():
    layer = ours.WeightNorm(keras.layers.Dense(2))
    layer.build((None, 3))
    assert [v.name for v in layer.non_trainable_variables] == ["g"]
    layer = ours.WeightNorm(keras.layers.Dense(2), train_scale=True)
    layer.build((None, 3))
    assert sorted(v.name for v in layer.trainable_variables) == ["bias", "g", "kernel"]
    layer.trainable = False
    assert not layer.trainable_variables


@pytest.mark.parametrize("which", INITIALISED)
def test_initialisation_in_float16(which):
    """The statistics are computed in float32 under mixed precision, and variables stay float32."""
    make, shape = LAYERS[which]
    layer = make(dtype="mixed_float16")
    model = model_of(layer, shape)
    ours.initialize_from_data(model, batch(shape, 50))
    assert all(v.dtype == "float32" and np.all(np.isfinite(v)) for v in layer.weights)


def test_initialisation_through_a_network():
    """Each layer is normalised on the initialised outputs of those before it, nested ones too."""
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
        # Exact in the initialisation's own arithmetic; float32 sums over 200 rows round.
        np.testing.assert_allclose(np.mean(values, 0), 0, atol=1e-5)
        np.testing.assert_allclose(np.std(values, 0), stddev, rtol=1e-4)
    again = ours.initialize_from_data(model, x)  # already normalised: nothing moves
    np.testing.assert_allclose(again, output, rtol=1e-3, atol=1e-5)


def test_initialisation_has_noise_on():
    model = keras.Sequential(
        [keras.Input((2,)), ours.GaussianNoise(1.0), ours.WeightNorm(keras.layers.Dense(3))]
    )
    output = ours.initialize_from_data(model, np.zeros((400, 2), "float32"))
    np.testing.assert_allclose(np.std(output, 0), 1, rtol=1e-4)


def test_initialisation_refuses():
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="no WeightNorm or MinibatchDiscrimination"):
        ours.initialize_from_data(plain, batch((2,)))
    model = model_of(ours.WeightNorm(keras.layers.Dense(3)), (2,))
    with pytest.raises(ValueError, match="at least 2 rows, not 1"):
        ours.initialize_from_data(model, batch((2,), 1))


def test_initialisation_of_minibatch_discrimination():
    """Afterwards the mean nearest-neighbour distance is 2 for every kernel, the mean feature 0."""
    layer = ours.MinibatchDiscrimination(4, 3)
    model = model_of(layer, (5,))
    x = batch((5,), 40)
    output = ours.initialize_from_data(model, x)
    np.testing.assert_allclose(np.mean(output[:, 5:], 0), 0, atol=1e-5)
    _, scale, _ = oracle.initialize(x, np.array(layer.theta), np.array(layer.log_weight_scale))
    np.testing.assert_allclose(scale, layer.log_weight_scale, atol=1e-5)  # log(2 / 2) more


@pytest.mark.parametrize("known_batch", [True, False])
@pytest.mark.parametrize("joint", [False, True])
def test_minibatch_discrimination_tiles(monkeypatch, known_batch, joint):
    """However kernels and rows are cut into tiles, outputs and gradients are the same."""
    from improved_gan_tf.layers import minibatch_discrimination as module

    x = tf.constant(batch((5,), 8))
    layer = (ours.JointMinibatchDiscrimination if joint else ours.MinibatchDiscrimination)(6, 2)
    layer.build(x.shape)
    weights = layer.trainable_variables[0].value  # theta or the kernel

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, [x, weights])]

    shape = (8, 5) if known_batch else (None, 5)
    signature = [tf.TensorSpec(shape)]
    expected = gradients(x)
    sizes = []
    # All kernels; three and two at once; one kernel's rows all, four and one at once.
    for elements in (2**24, 3 * 2 * 64, 2 * 2 * 64, 2 * 64, 4 * 2 * 8, 1):
        monkeypatch.setattr(module, "_ONE_TILE", elements)
        monkeypatch.setattr(module, "_TILE", elements)
        sizes.append(module._tile_sizes(6, 2, shape[0]))
        found = tf.function(gradients, input_signature=signature)(x)
        for one, two in zip(expected, found, strict=True):
            # float32: only the order of summation may differ.
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    if known_batch:
        assert sizes == [(6, 8), (3, 8), (2, 8), (1, 8), (1, 4), (1, 1)]
    else:
        assert set(sizes) == {(1, None)}


def test_minibatch_discrimination_of_equal_rows():
    """A collapsed batch has the largest feature, N - 1, and a finite (zero) pull apart."""
    layer = ours.MinibatchDiscrimination(3, 2)
    x = tf.constant(np.repeat(batch((5,), 1), 4, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        features = layer(x)[:, 5:]
    np.testing.assert_allclose(features, 3 - 1.0, rtol=1e-5)  # 3 neighbours, bias -1
    np.testing.assert_array_equal(tape.gradient(features, x), np.zeros((4, 5)))


def test_gaussian_noise():
    noise = ours.GaussianNoise(2.0, seed=3)  # Keras' own refuses a stddev above 1
    x = np.full((100, 300), 5.0, "float32")
    np.testing.assert_array_equal(noise(x), x)
    first, second = (np.array(noise(x, training=True)) - 5 for _ in range(2))
    for drawn in (first, second):
        # 30,000 draws: the mean's standard error is .0115, the standard deviation's .0082.
        np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 2], atol=0.06)
        kurtosis = np.mean((drawn / 2) ** 4)
        np.testing.assert_allclose(kurtosis, 3, atol=0.15)  # standard error .057
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03  # five standard errors
    assert abs(np.corrcoef(first[:, 1:].ravel(), first[:, :-1].ravel())[0, 1]) < 0.03
    again = ours.GaussianNoise(2.0, seed=3)
    np.testing.assert_array_equal(again(x, training=True) - 5, first)
    other = ours.GaussianNoise(2.0, seed=4)
    assert not np.array_equal(other(x, training=True) - 5, first)
    np.testing.assert_array_equal(ours.GaussianNoise(0.0)(x, training=True), x)


def test_batch_normalization_of_one_image():
    """In inference an image does not depend on the others of its batch; a single one is fine."""
    layer = ours.BatchNormalization()
    x = batch((3, 3, 2), 6)
    for _ in range(3):
        layer(x, training=True)
    together = np.array(layer(x))
    np.testing.assert_allclose(layer(x[:1]), together[:1], rtol=1e-6, atol=1e-6)
    layer(x[:1], training=True)
    assert all(np.all(np.isfinite(v)) for v in layer.weights)


def test_frozen_batch_normalization():
    """As in Keras, a frozen layer normalises by its running values and keeps them."""
    layer = ours.BatchNormalization()
    x = batch((5,))
    layer(x, training=True)
    before = [np.array(v) for v in layer.weights]
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), layer(x))
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_conv_transpose_of_unknown_size():
    layer = ours.Conv2DTranspose(3, 5, 2)
    model = model_of(layer, (None, None, 2))
    assert model.output_shape == (None, None, None, 3)
    for size in ((3, 4), (5, 2)):
        x = batch((*size, 2))
        assert model(x).shape == (4, 2 * size[0], 2 * size[1], 3)


def test_conv_transpose_is_centred():
    """A single pixel with a symmetric kernel gives an image symmetric about twice its position."""
    layer = ours.Conv2DTranspose(1, 5, 2, kernel_initializer="ones", use_bias=False)
    x = np.zeros((1, 7, 7, 1), "float32")
    x[0, 3, 3] = 1
    expected = np.zeros((14, 14))
    expected[4:9, 4:9] = 1
    np.testing.assert_array_equal(layer(x)[0, :, :, 0], expected)


def test_virtual_batch_norm_of_one_row():
    """A live row is normalised by itself and the reference rows, whatever other rows there are."""
    layer = ours.VirtualBatchNorm(4)
    x = batch((3, 3, 2), 9)
    together = np.array(layer(x))
    for i in (4, 6, 8):
        alone = layer(np.concatenate([x[:4], x[i : i + 1]]))
        np.testing.assert_allclose(alone[4:], together[i : i + 1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(alone[:4], together[:4], rtol=1e-5, atol=1e-6)


def test_virtual_batch_norm_of_a_large_mean():
    """E[x^2] - E[x]^2 in float32 may come out negative; that must not give NaN."""
    layer = ours.VirtualBatchNorm(4)
    x = tf.constant(1e3 + 1e-2 * batch((5,), 40))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(tape.gradient(y, x)))


def test_reference_batch():
    """The rows are drawn once, within their range, and are kept; the batch follows them."""
    layer = ours.ReferenceBatch(500, minval=-1, maxval=3)
    x = batch((2, 2))
    first, again = layer(x), layer(0 * x)
    np.testing.assert_array_equal(first[:500], again[:500])
    np.testing.assert_array_equal(first[500:], x)
    np.testing.assert_array_equal(ours.DropReference(500)(first), x)
    rows = first[:500].numpy()
    # 2,000 draws: standard errors of .026 and of .012.
    np.testing.assert_allclose([rows.mean(), rows.std()], [1, 4 / np.sqrt(12)], atol=0.13)
    assert -1 <= rows.min() < -0.9 and 2.9 < rows.max() < 3
    assert not layer.trainable_variables


def test_cross_batch_norm_of_rows_of_one_kind():
    """Real rows alone have mean 0 in the first half of the channels, generated in the second."""
    layer = ours.CrossBatchNorm()
    x = batch((6,), 40) + np.where(np.arange(40) < 20, 0.0, 3.0)[:, None].astype("float32")
    y = np.array(layer(x))
    gamma0, gamma1 = np.array(layer.gamma0), np.array(layer.gamma1)
    for rows, channels, gamma in (
        (slice(20), slice(3), gamma0),
        (slice(20, 40), slice(3, 6), gamma1),
    ):
        np.testing.assert_allclose(y[rows, channels].mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(y[rows, channels].std(0), gamma, rtol=1e-4)
    assert np.all(y[20:, :3].mean(0) > 1) and np.all(y[:20, 3:].mean(0) < -1)


def test_joint_minibatch_discrimination_of_a_collapsed_generator():
    """Equal generated rows: all similarities among them are 1, over B (2B - 1)."""
    layer = ours.JointMinibatchDiscrimination(3, 2)
    generated = np.repeat(batch((5,), 1), 4, axis=0)
    real = 1e4 * batch((5,), 4, seed=1)  # far from each other
    features = layer(np.concatenate([real, generated]))[:, 5:]
    expected = np.zeros((8, 6))
    expected[4:, 3:] = 3 / (4 * 7)
    np.testing.assert_allclose(features, expected, atol=1e-6)
