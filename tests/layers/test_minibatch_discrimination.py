"""`MinibatchDiscrimination`: recorded arrays in one tile and in many, and its particulars."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from improved_gan_tf.layers import similarities
from reference import layouts
from reference import minibatch_discrimination as oracle
from tests.helpers.golden import entries, load, name
from tests.helpers.layer_cases import batch, model_of
from tests.helpers.layer_golden import TheanoCase, both_precisions


@both_precisions
@pytest.mark.parametrize("tiles", ["one tile", "one example per tile"])
@pytest.mark.parametrize("entry", entries("MinibatchLayer"), ids=name)
def test_recorded(entry, precision, tiles, monkeypatch):
    if tiles == "one example per tile":  # what a large batch would do
        monkeypatch.setattr(similarities, "_ONE_TILE", 1)
        monkeypatch.setattr(similarities, "_TILE", 1)
    hyper, a = entry["hyper"], load(entry["file"])
    layer = ours.MinibatchDiscrimination(
        hyper["num_kernels"], hyper["dim_per_kernel"], dtype=precision
    )
    rows = slice(None)
    if a["x"].ndim == 4:
        rows = layouts.channels_first_rows(a["x"].shape[1:])
    case = TheanoCase(layer, precision, a["x"])
    theta, scale, b = layer.theta, layer.log_weight_scale, layer.bias
    # Columns of the output: the inputs in our order, then the features.
    inputs = len(a["theta"])
    columns = np.concatenate([np.arange(inputs)[rows], np.arange(inputs, a["R"].shape[1])])

    def forward(recorded, x=None):
        case.close(case(x), recorded[:, columns])

    def backward(prefix):
        dx, dtheta, dscale, db = case.gradients(a["R"][:, columns], [theta, scale, b])
        case.close_images(dx, a[f"{prefix}grad_x"])
        case.close(dtheta, a[f"{prefix}grad_theta"][rows])
        case.close(dscale, a[f"{prefix}grad_log_weight_scale"])
        case.close(db, a[f"{prefix}grad_b"])

    assert len(layer.trainable_variables) == len(hyper["trainable_params"])
    np.testing.assert_array_equal(b, np.full(b.shape, -1.0))  # the defaults that initB starts from
    np.testing.assert_array_equal(scale, np.zeros(scale.shape))
    theta.assign(a["theta"][rows])
    for start in ("initB", "initA"):
        if start == "initA":
            scale.assign(a["log_weight_scale0"])
            b.assign(a["b0"])
            forward(a["out_plain"])
            backward("")
        output = case.initialize(a["x"])
        case.close(output, a[f"{start}_out"][:, columns])
        case.close(scale, a[f"{start}_log_weight_scale"])
        case.close(b, a[f"{start}_b"])
        forward(a[f"{start}_after_x"])
        forward(a[f"{start}_after_x2"], a["x2"])
        backward(f"{start}_after_")


def test_initialization():
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
def test_tiles(monkeypatch, known_batch, joint):
    """However kernels and examples are cut into tiles, outputs and gradients are the same."""
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
    # All kernels; three and two at once; of one kernel all, four, three and one example at once.
    for elements in (2**24, 3 * 2 * 64, 2 * 2 * 64, 2 * 64, 4 * 2 * 8, 3 * 2 * 8, 1):
        monkeypatch.setattr(similarities, "_ONE_TILE", elements)
        monkeypatch.setattr(similarities, "_TILE", elements)
        sizes.append(similarities._tile_sizes(6, 2, shape[0]))
        found = tf.function(gradients, input_signature=signature)(x)
        for one, two in zip(expected, found, strict=True):
            # float32: only the order of summation may differ.
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    if known_batch:
        assert sizes == [(6, 8), (3, 8), (2, 8), (1, 8), (1, 4), (1, 3), (1, 1)]
    else:
        assert set(sizes) == {(1, None)}


@pytest.mark.parametrize("examples, tile", [(1000, 500), (1009, 505), (1031, 516)])
def test_prime_batches_have_tiles_as_large_as_others(examples, tile):
    assert similarities._tile_sizes(100, 5, examples) == (1, tile)


@pytest.mark.parametrize("make", [ours.MinibatchDiscrimination, ours.JointMinibatchDiscrimination])
def test_integers(make):
    """They give the features of the same floats, of the type that a model of the layer states."""
    layer = make(3, 2)
    x = np.arange(8).reshape(4, 2)
    expected = layer(x.astype("float32"))
    found = layer(x)
    np.testing.assert_array_equal(found, expected)
    stated = layer.compute_output_spec(keras.KerasTensor((4, 2), "int64"))
    assert found.dtype == expected.dtype == stated.dtype == "float32"


def test_equal_examples():
    """A collapsed batch has the largest feature, N - 1, and a finite (zero) pull apart."""
    layer = ours.MinibatchDiscrimination(3, 2)
    x = tf.constant(np.repeat(batch((5,), 1), 4, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        features = layer(x)[:, 5:]
    np.testing.assert_allclose(features, 3 - 1.0, rtol=1e-5)  # 3 neighbours, bias -1
    np.testing.assert_array_equal(tape.gradient(features, x), np.zeros((4, 5)))
