"""`ImageNetGAN` without labels, and its networks with ordinary batch normalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, losses, models, networks
from tests.helpers.model_cases import BATCH, SHAPE, batches, imagenet_gan, labeled, plain_gan


def test_losses_by_the_formulas():
    """-log D(x) - log(1 - D(G(z))) and -log D(G(z)), on the logits of the same joint batch."""
    gan = plain_gan()
    images, _ = labeled(BATCH)
    latents = gan.latents(BATCH, 1, 2)
    report, gradients = gan.gradients(images, None, latents)
    joint = np.concatenate([images, gan.generator(latents, training=True)])
    d = 1 / (1 + np.exp(-np.asarray(gan.discriminator(joint), "float64")))
    expected = {
        "real_loss": -np.mean(np.log(d[:BATCH])),
        "fake_loss": -np.mean(np.log(1 - d[BATCH:])),
        "generator_loss": -np.mean(np.log(d[BATCH:])),
    }
    assert set(report) == {*expected, "discriminator_loss"}
    for name, value in expected.items():
        np.testing.assert_allclose(report[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    whole = expected["real_loss"] + expected["fake_loss"]
    np.testing.assert_allclose(report["discriminator_loss"], whole, rtol=1e-4)
    assert all(np.isfinite(g).all() for player in gradients.values() for g in player)


def test_images_alone_or_with_labels():
    """Labels that are there are not looked at."""
    images, labels = map(tf.constant, labeled(BATCH))
    logs = []
    for data in (images, (images, labels), (images, labels - 7)):
        gan = plain_gan()
        logs.append([{k: float(v) for k, v in gan.train_step(data).items()} for _ in range(2)])
    assert logs[0] == logs[1] == logs[2] and logs[0][0] != logs[0][1]
    assert set(logs[0][0]) == {"real_loss", "fake_loss", "generator_loss"}
    assert set(plain_gan().test_step(images)) == set(logs[0][0])
    with pytest.raises(ValueError, match=r"needs batches \(images, labels\); without labels give"):
        imagenet_gan().train_step(images)
    with pytest.raises(
        ValueError, match="metrics need classes, but the discriminator has a single logit"
    ):
        plain_gan(metrics=["accuracy"])


def test_gan_logits_of_one_logit():
    np.testing.assert_array_equal(losses.gan_logits(tf.constant([[2.0], [-1.0]])), [2, -1])


def names(network):
    return {type(layer).__name__ for layer in network.layers}


def test_switches_of_the_networks():
    """Each takes away what it says, and nothing else."""
    size = {"image_shape": SHAPE, "width": 0.0625}
    generator, discriminator = networks.imagenet.generator, networks.imagenet.discriminator
    virtual = {"VirtualBatchNorm", "ReferenceBatch", "DropReference"}
    whole, batch = generator(**size), generator(normalization="batch", **size)
    assert names(whole) - names(batch) == virtual
    assert names(batch) - names(whole) == {"BatchNormalization"}
    shapes = [sorted(tuple(v.shape) for v in g.trainable_variables) for g in (whole, batch)]
    assert shapes[0] == shapes[1] and len(batch.inputs) == 3
    plain = generator(noise_maps=False, **size)
    assert names(whole) - names(plain) == {"Concatenate"} and len(plain.inputs) == 1
    cross, none = discriminator(**size), discriminator(minibatch_kernels=0, **size)
    assert names(cross) - names(none) == {"JointMinibatchDiscrimination"}
    split = discriminator(normalization="batch", **size)
    assert names(cross) ^ names(split) == {"CrossBatchNorm", "SplitBatchNorm"}
    assert "d_bn_0" not in [layer.name for layer in split.layers]
    assert discriminator(num_classes=0, **size).output_shape == (None, 1)
    for make, own in ((generator, "virtual"), (discriminator, "cross")):
        with pytest.raises(ValueError, match=f"must be one of {own}, batch, not 'layer'"):
            make(normalization="layer", **size)


def test_running_averages_are_those_of_training():
    gan = plain_gan()
    gan.train_step(tf.constant(labeled(BATCH)[0]))
    bn = gan.generator.get_layer("g_bn_0")
    assert np.abs(np.asarray(bn.moving_mean)).max() > 0
    before = [np.array(v) for v in gan.variables]
    drawn, coupled = (gan.sample(5, 1, statistics) for statistics in (False, True))
    assert np.abs(drawn - coupled).max() > 1e-4
    np.testing.assert_allclose(drawn[:1], gan.images(gan.latent_vectors(5, 1)[:1]), atol=1e-5)
    for old, new in zip(before, gan.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    assert not any(isinstance(x, layers.VirtualBatchNorm) for x in layers.walk(gan))
    assert gan.serving_generator() is gan.generator


def test_a_network_of_ones_own():
    """A user's discriminator with one logit trains by the smoothed loss, its labels left out."""
    discriminator = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten()])
    discriminator.add(keras.layers.Dense(1))
    gan = models.ImageNetGAN(plain_gan().generator, discriminator, seed=1)
    gan.compile(smoothing=0.1)
    images, _ = labeled()
    assert not gan.labels
    assert set(gan.fit(batches(images), verbose=0).history) == {
        "real_loss",
        "fake_loss",
        "generator_loss",
    }


@pytest.mark.long
def test_jit():
    """XLA takes the whole step, with running averages and historical averaging, as on a GPU."""
    images = tf.constant(labeled(BATCH)[0])
    gans = [plain_gan(historical_averaging=0.5) for _ in range(2)]
    steps = [
        tf.function(gan.train_step, jit_compile=jit)
        for gan, jit in zip(gans, (False, True), strict=True)
    ]
    for _ in range(2):
        logs = [step(images) for step in steps]
        for name, value in logs[0].items():
            np.testing.assert_allclose(logs[1][name], value, rtol=1e-3, err_msg=name)
    means = [np.asarray(gan.generator.get_layer("g_bn_0").moving_mean) for gan in gans]
    np.testing.assert_allclose(*means, rtol=1e-2, atol=1e-3)
    assert int(gans[1].histories["generator"].count) == 2
