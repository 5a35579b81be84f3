"""Stored pixels to the floats that networks see, and back."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.errors import UserError


@pytest.mark.parametrize(
    ("name", "formula", "ends"),
    [
        ("unit", lambda p: p / 255, (0, 1)),
        ("cifar10", lambda p: (p - 127.5) / 128, (-127.5 / 128, 127.5 / 128)),
        ("symmetric", lambda p: (p - 127.5) / 127.5, (-1, 1)),
        ("svhn", lambda p: (p - 127.5) / 127.5, (-1, 1)),
    ],
)
def test_scaling_and_back(name, formula, ends):
    pixels = np.arange(256, dtype=np.uint8)
    scaling = data.Scaling(name)
    scaled = scaling.scale(pixels)
    assert scaled.dtype == np.float32 and scaling.range == ends
    # One rounding in float32 of numbers up to 1: 6e-8.
    np.testing.assert_allclose(scaled, formula(pixels.astype(np.float64)), rtol=0, atol=6e-8)
    back = scaling.unscale(scaled)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, pixels)
    np.testing.assert_array_equal(scaling.unscale([-9.0, 9.0]), [0, 255])


def test_scaling_of_other_pixel_ranges():
    np.testing.assert_array_equal(
        data.Scaling("unit", 16).scale(np.arange(17)), np.arange(17, dtype=np.float32) / 16
    )
    halves = np.array([0, 0.5, 1], np.float32)
    np.testing.assert_array_equal(data.Scaling("unit", 1).scale(halves), halves)
    np.testing.assert_array_equal(data.Scaling("symmetric", 1).scale(halves), [-1, 0, 1])
    np.testing.assert_array_equal(data.Scaling("unit", 16).unscale([0, 0.5, 1]), [0, 128, 255])
    with pytest.raises(UserError, match="unknown scaling 'tanh'; choose one of unit, cifar10"):
        data.Scaling("tanh")
