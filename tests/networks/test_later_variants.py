"""Variants of the networks by later work: pooling by the maximum, trained scales, encoders of z."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import networks
from improved_gan_tf.layers import WeightNorm, walk

SMALL = {"image_shape": (8, 8, 1), "num_classes": 3}
DISCRIMINATORS = {
    "dense": (networks.dense.discriminator, {"units": (6, 5), **SMALL}),
    "convolutional": (
        networks.convolutional.discriminator,
        {"channels": (3, 4), "image_shape": (16, 16, 1), "num_classes": 3},
    ),
}


def _scales(model):
    return [layer.g.trainable for layer in walk(model) if isinstance(layer, WeightNorm)]


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_scales_are_trained_in_every_layer(kind):
    function, values = DISCRIMINATORS[kind]
    assert _scales(function(**values)) == [False] * (len(_scales(function(**values))) - 1) + [True]
    model = function(**values, train_scale=True)
    assert all(_scales(model))
    x = np.random.RandomState(0).uniform(size=(4, *model.input_shape[1:]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(x)))
    scales = [layer.g.value for layer in walk(model) if isinstance(layer, WeightNorm)]
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, scales))


def test_pooling_by_the_maximum(float64):
    """The features are each map's largest value, to which alone the gradient goes."""
    function, values = DISCRIMINATORS["convolutional"]
    model = function(**values, pooling="max")
    layer = model.get_layer("features")
    maps = np.random.RandomState(1).randn(2, 4, 5, 3)
    weights = np.random.RandomState(2).randn(2, 3)
    x = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(x)
        features = layer(x)
        loss = tf.reduce_sum(weights * features)
    np.testing.assert_allclose(features, maps.max(axis=(1, 2)), rtol=1e-9)
    largest = maps == maps.max(axis=(1, 2), keepdims=True)
    expected = largest * weights[:, None, None]
    np.testing.assert_allclose(tape.gradient(loss, x), expected, rtol=1e-9, atol=1e-12)
    images = np.random.RandomState(3).uniform(size=(2, 16, 16, 1))
    before = keras.Model(model.input, layer.input)(images)
    found = keras.Model(model.input, layer.output)(images)
    np.testing.assert_allclose(found, np.max(before, axis=(1, 2)), rtol=1e-9)


def test_unknown_pooling():
    with pytest.raises(ValueError, match="pooling must be one of mean, max, not 'sum'"):
        networks.convolutional.discriminator(pooling="sum")


@pytest.mark.parametrize(
    "function, sizes, hidden",
    [
        (networks.dense.encoder, {"units": (6, 4), "image_shape": (8, 8, 1)}, [(6,), (4,)]),
        (
            networks.convolutional.encoder,
            {"channels": (2, 4), "image_shape": (10, 8, 3)},
            [(5, 4, 2), (3, 2, 4)],
        ),
    ],
)
def test_encoders(function, sizes, hidden):
    with pytest.raises(ValueError, match="latent_dim must be an integer, not 7.5"):
        function(latent_dim=7.5, **sizes)
    encoder = function(latent_dim=7, **sizes)
    assert encoder.output_shape == (None, 14)
    found = [x.output.shape[1:] for x in encoder.layers if isinstance(x, keras.layers.Activation)]
    assert found == hidden
    wide = function(latent_dim=7, width=2.0, **sizes)
    assert wide.layers[-2].output.shape[-1] == 2 * encoder.layers[-2].output.shape[-1]
