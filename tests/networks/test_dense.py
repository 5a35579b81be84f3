"""The networks of the MNIST and digits recipes."""

import keras
import numpy as np
import pytest

from improved_gan_tf import experiments, layers, networks


def _units(gan):
    """Units of the dense layers: the generator's, the discriminator's."""
    weight_norm = [
        [layer.layer.units for layer in network.layers if isinstance(layer, layers.WeightNorm)]
        for network in (gan.generator, gan.discriminator)
    ]
    dense = [layer.units for layer in gan.generator.layers if isinstance(layer, keras.layers.Dense)]
    return dense + weight_norm[0], weight_norm[1]


@pytest.mark.parametrize(
    ("name", "generator", "discriminator", "noise"),
    [
        ("digits", [50, 128, 128, 64], [256, 128, 64, 64, 64, 10], 0.15),
        ("mnist-feature-matching", [100, 500, 500, 784], [1000, 500, 250, 250, 250, 10], 0.3),
        ("mnist-custom-labels", [100, 500, 500, 784], [1000, 500, 250, 250, 250, 10], 0.3),
        (
            "mnist-minibatch-discrimination",
            [100, 500, 500, 784],
            [1000, 500, 250, 250, 250, 10],
            0.3,
        ),
    ],
)
def test_networks(name, generator, discriminator, noise):
    """The sizes of the original's script, and the digits' smaller ones."""
    gan = experiments.build(name)
    latent_dim = gan.generator.input_shape[-1]
    assert ([latent_dim, *_units(gan)[0]], _units(gan)[1]) == (generator, discriminator)
    stddevs = [
        layer.stddev
        for layer in gan.discriminator.layers
        if isinstance(layer, layers.HashedGaussianNoise)
    ]
    assert stddevs == [noise] + [0.5] * 5
    names = [type(layer).__name__ for layer in gan.discriminator.layers]
    after = names[gan.discriminator.layers.index(gan.discriminator.get_layer("features")) + 1]
    coupled = "minibatch" in name
    assert after == ("MinibatchDiscrimination" if coupled else "HashedGaussianNoise")
    assert gan.couples_examples == coupled
    for layer in gan.discriminator.layers:
        if isinstance(layer, layers.WeightNorm):
            assert layer.epsilon == 0.0 and layer.train_scale == (layer.name == "logits")
    kernel = np.asarray(gan.discriminator.get_layer("features").layer.kernel)
    assert kernel.std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("value", ["abc", "2", None, float("nan"), 0])
def test_sizes_and_widths_that_are_no_numbers(value):
    with pytest.raises(ValueError, match="width must be a finite number above 0, not "):
        networks.dense.generator(width=value)
    with pytest.raises(ValueError, match="numbers of channels and units must be above 0, not "):
        networks.dense.generator(units=[value])


def test_width():
    recipe = experiments.override(
        experiments.get("digits"), generator={"width": 0.25}, discriminator={"width": 0.25}
    )
    assert _units(experiments.build(recipe)) == ([32, 32, 64], [64, 32, 16, 16, 16, 10])
