"""Random transformations of images: where each pixel comes from, and that draws are in range."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import random
from improved_gan_tf.transformations import random_affine
from reference.semi_supervised_terms import affine

SHAPE = (5, 9, 7, 2)
LARGEST = {"shift": 0.2, "zoom": 0.3, "shear": 0.4}


def _images(dtype="float64"):
    return np.random.RandomState(0).uniform(size=SHAPE).astype(dtype)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_as_scipy(jit_compile):
    """Every image by its own six numbers; rows and columns are not confused."""
    images, seed = _images(), (3, 1)
    found = tf.function(lambda x: random_affine(x, seed, **LARGEST), jit_compile=jit_compile)(
        images
    )
    draws = 2 * np.asarray(random.uniform((6, 5, 1, 1), seed, "float64"))[..., 0, 0] - 1
    for image, ours, (a, b, c, d, e, f) in zip(images, found.numpy(), draws.T, strict=True):
        matrix = np.array([[1 + 0.3 * a, 0.4 * b], [0.4 * d, 1 + 0.3 * e]])
        offset = np.array([0.2 * 9 * c, 0.2 * 7 * f])
        for channel in range(2):
            expected = affine(image[..., channel], matrix, offset)
            np.testing.assert_allclose(ours[..., channel], expected, atol=1e-12)


def test_a_whole_shift():
    """Three of eleven pixels at most, in both directions, each image by numbers of its own."""
    images = np.zeros((50, 11, 11, 1), "float32")
    images[:, 5, 5] = 1
    moved = np.asarray(random_affine(images, (1, 1), shift=3 / 11, zoom=0, shear=0))
    places = np.stack(np.meshgrid(range(11), range(11), indexing="ij"), -1) - 5.0
    centres = (moved * places).sum(axis=(1, 2)) / moved.sum(axis=(1, 2))
    assert 2.5 < np.abs(centres).max() < 3 and (centres.min(axis=0) < -2).all()
    assert np.unique(centres.round(3)).size > 50


def test_types_and_seeds():
    seeds = keras.random.SeedGenerator(1)
    first, second = (np.asarray(random_affine(_images("float32"), seeds)) for _ in range(2))
    assert first.dtype == "float32" and np.any(first != second)
    half = random_affine(tf.cast(_images(), "bfloat16"), (1, 1))
    assert half.dtype == tf.bfloat16 and half.shape == SHAPE
    exact = np.asarray(random_affine(_images("float32"), (1, 1)))
    np.testing.assert_allclose(tf.cast(half, "float32"), exact, atol=0.01)


def test_a_batch_of_unknown_size():
    batch = tf.function(
        random_affine, [tf.TensorSpec((None, *SHAPE[1:])), tf.TensorSpec(2, "int32")]
    )
    with pytest.raises(ValueError, match=r"known sizes, not \(None, 9.*drop_remainder=True"):
        batch(_images("float32"), (1, 2))
