"""Keras' own layers where the ImageNet networks use them: equal to the original's operations."""

import keras
import pytest

from reference import convolution
from tests.helpers.golden import imagenet_index
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
@pytest.mark.parametrize("which", list(imagenet_index()["c_ops"]["hyper"]))
def test_convolutions(which, precision):
    """Keras' own layers with padding "same" are the original's conv2d and deconv2d."""
    case = ImageNetCase("c_ops", precision)
    settings = case.hyper[which]
    k, stride = settings["kernel"], settings["stride"]
    x, w, b = (case[f"{which}/{key}"] for key in ("x", "w", "biases"))
    common = {"strides": stride, "padding": "same", "dtype": precision}
    if which.startswith("conv2d"):
        layer = keras.layers.Conv2D(len(b), k, **common)
        expected = convolution.conv2d_same(x, w, stride)
    else:
        size = tuple(settings["output_shape"][1:3])
        if size != tuple(stride * n for n in x.shape[1:3]):
            # An odd size, which no network here has, must be asked for.
            common["output_padding"] = 0
        layer = keras.layers.Conv2DTranspose(len(b), k, **common)
        expected = convolution.conv2d_transpose_same(x, w, size, stride)
    layer.build(x.shape)
    layer.kernel.assign(w)
    layer.bias.assign(b)
    case.check(layer(case.tensor(x)), f"{which}/out", expected + b)


@both_precisions
def test_linear(precision):
    case = ImageNetCase("c_ops", precision)
    x, w, b = (case[f"linear/{key}"] for key in ("x", "Matrix", "bias"))
    layer = keras.layers.Dense(len(b), dtype=precision)
    layer.build(x.shape)
    layer.kernel.assign(w)
    layer.bias.assign(b)
    case.check(layer(case.tensor(x)), "linear/out", x @ w + b)
