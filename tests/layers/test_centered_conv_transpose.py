"""`CenteredConv2DTranspose`: its geometry; test_weight_norm.py tests its numbers."""

import numpy as np

from improved_gan_tf import layers as ours
from tests.helpers.layer_cases import batch, model_of


def test_unknown_size():
    layer = ours.CenteredConv2DTranspose(3, 5, 2)
    model = model_of(layer, (None, None, 2))
    assert model.output_shape == (None, None, None, 3)
    for size in ((3, 4), (5, 2)):
        x = batch((*size, 2))
        assert model(x).shape == (4, 2 * size[0], 2 * size[1], 3)


def test_is_centered():
    """A single pixel with a symmetric kernel gives an image symmetric about twice its position."""
    layer = ours.CenteredConv2DTranspose(1, 5, 2, kernel_initializer="ones", use_bias=False)
    x = np.zeros((1, 7, 7, 1), "float32")
    x[0, 3, 3] = 1
    expected = np.zeros((14, 14))
    expected[4:9, 4:9] = 1
    np.testing.assert_array_equal(layer(x)[0, :, :, 0], expected)
