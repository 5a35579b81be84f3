"""The networks of the CIFAR-10 and SVHN recipes, layer by layer, against the original's scripts."""

import importlib

import keras
import numpy as np
import pytest

from improved_gan_tf import experiments, layers
from tests.helpers.paths import ROOT


def _summary(discriminator):
    """What the discriminator is made of, in order, as short words."""
    words = []
    for layer in discriminator.layers:
        inner = getattr(layer, "layer", layer)
        if isinstance(layer, keras.layers.Dropout):
            words.append(f"drop {layer.rate}")
        elif isinstance(layer, layers.HashedGaussianNoise):
            words.append(f"noise {layer.stddev}")
        elif isinstance(layer, layers.MinibatchDiscrimination):
            words.append(f"minibatch {layer.num_kernels}x{layer.dim_per_kernel}")
        elif isinstance(inner, keras.layers.Conv2D):
            size, stride = inner.kernel_size[0], inner.strides[0]
            words.append(f"{inner.filters}@{layer.output.shape[1]} {size}/{stride}")
            assert inner.activation is not None and not layer.train_scale
            assert layer.initial_stddev == 1.0
        elif isinstance(inner, keras.layers.Dense):
            words.append(f"dense {inner.units}")
            assert layer.train_scale and layer.initial_stddev == 0.1
        elif isinstance(layer, keras.layers.GlobalAveragePooling2D):
            words.append("mean")
    return words


def _expected(first, a, b, minibatch=()):
    return [
        first,
        *(f"{a}@32 3/1", f"{a}@32 3/1", f"{a}@16 3/2", "drop 0.5"),
        *(f"{b}@16 3/1", f"{b}@16 3/1", f"{b}@8 3/2", "drop 0.5"),
        *(f"{b}@6 3/1", f"{b}@6 1/1", f"{b}@6 1/1", "mean"),
        *minibatch,
        "dense 10",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cifar10-feature-matching", _expected("drop 0.2", 96, 192)),
        ("cifar10-minibatch-discrimination", _expected("noise 0.2", 96, 192, ["minibatch 100x5"])),
        ("svhn-feature-matching", _expected("drop 0.2", 64, 128)),
        ("svhn-minibatch-discrimination", _expected("noise 0.2", 96, 192, ["minibatch 100x5"])),
    ],
)
def test_networks(name, expected):
    gan = experiments.build(name)
    assert _summary(gan.discriminator) == expected
    assert gan.couples_examples == ("minibatch" in name)
    generator = [
        (type(layer).__name__, layer.output.shape[1:])
        for layer in gan.generator.layers
        if layer.name != "z" and not isinstance(layer, keras.layers.Activation)
    ]
    assert generator == [
        ("Dense", (8192,)),
        ("UnbiasedBatchNormalization", (8192,)),
        ("Reshape", (4, 4, 512)),
        ("CenteredConv2DTranspose", (8, 8, 256)),
        ("UnbiasedBatchNormalization", (8, 8, 256)),
        ("CenteredConv2DTranspose", (16, 16, 128)),
        ("UnbiasedBatchNormalization", (16, 16, 128)),
        ("WeightNorm", (32, 32, 3)),
    ]
    last = gan.generator.layers[-1]
    assert last.train_scale and last.initial_stddev == 0.1 and last.layer.kernel_size == (5, 5)
    for network in (gan.generator, gan.discriminator):
        kernels = [v for v in network.trainable_variables if v.path.endswith("kernel")]
        for kernel in (k for k in kernels if np.prod(k.shape) > 20_000):
            assert np.asarray(kernel).std() == pytest.approx(0.05, rel=0.05)


def test_operations_of_a_step(monkeypatch):
    """The benchmark's floor, counted by hand: 738 GFLOP for CIFAR-10 with feature matching."""
    tools = ROOT / "tools"
    monkeypatch.syspath_prepend(str(tools))
    step_operations = importlib.import_module("benchmarks.operations").step_operations
    first = 27 * 96 * 32**2
    pooled = first + 9 * 96 * 96 * (32**2 + 16**2)  # multiplications an image
    pooled += 9 * 96 * 192 * 16**2 + 9 * 192 * 192 * (16**2 + 8**2 + 6**2)
    pooled += 2 * 192 * 192 * 6**2
    logits, dense = 192 * 10, 100 * 8192
    generator = dense + 25 * (512 * 256 * 4**2 + 256 * 128 * 8**2 + 128 * 3 * 16**2)
    # Discriminator: forward, gradients of weights and inputs, on three batches, and the images.
    total = 3 * (3 * (pooled + logits) - first) + generator
    # Generator: features of real images, of generated ones with the gradient, all of its own.
    total += pooled + 2 * pooled + 3 * generator - dense
    assert 2 * 100 * total == 737_689_779_200
    assert step_operations(experiments.build("cifar10-feature-matching"), 100) == 2 * 100 * total
