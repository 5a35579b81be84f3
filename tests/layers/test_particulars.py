"""What is particular to one layer, beside its numbers (tests/layers/test_theano_golden.py)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from reference import minibatch_discrimination as oracle
from tests.helpers.layer_cases import INITIALISED, LAYERS, batch, model_of


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
        [keras.Input((2,)), ours.HashedGaussianNoise(1.0), ours.WeightNorm(keras.layers.Dense(3))]
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
    noise = ours.HashedGaussianNoise(2.0, seed=3)  # Keras' own refuses a stddev above 1
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
    again = ours.HashedGaussianNoise(2.0, seed=3)
    np.testing.assert_array_equal(again(x, training=True) - 5, first)
    other = ours.HashedGaussianNoise(2.0, seed=4)
    assert not np.array_equal(other(x, training=True) - 5, first)
    np.testing.assert_array_equal(ours.HashedGaussianNoise(0.0)(x, training=True), x)


def test_batch_normalization_of_one_image():
    """In inference an image does not depend on the others of its batch; a single one is fine."""
    layer = ours.UnbiasedBatchNormalization()
    x = batch((3, 3, 2), 6)
    for _ in range(3):
        layer(x, training=True)
    together = np.array(layer(x))
    np.testing.assert_allclose(layer(x[:1]), together[:1], rtol=1e-6, atol=1e-6)
    layer(x[:1], training=True)
    assert all(np.all(np.isfinite(v)) for v in layer.weights)


def test_frozen_batch_normalization():
    """As in Keras, a frozen layer normalises by its running values and keeps them."""
    layer = ours.UnbiasedBatchNormalization()
    x = batch((5,))
    layer(x, training=True)
    before = [np.array(v) for v in layer.weights]
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), layer(x))
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_conv_transpose_of_unknown_size():
    layer = ours.CenteredConv2DTranspose(3, 5, 2)
    model = model_of(layer, (None, None, 2))
    assert model.output_shape == (None, None, None, 3)
    for size in ((3, 4), (5, 2)):
        x = batch((*size, 2))
        assert model(x).shape == (4, 2 * size[0], 2 * size[1], 3)


def test_conv_transpose_is_centred():
    """A single pixel with a symmetric kernel gives an image symmetric about twice its position."""
    layer = ours.CenteredConv2DTranspose(1, 5, 2, kernel_initializer="ones", use_bias=False)
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
