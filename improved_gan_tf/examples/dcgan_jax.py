"""A DCGAN of the paper's layers under JAX, with a training loop of its own.

    python -m improved_gan_tf.examples.dcgan_jax

needs `pip install "improved_gan_tf[jax]"`, and draws digits.png in about a minute. The layers and
losses are the same under every backend of Keras; the models and commands need TensorFlow's.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import jax
import keras
import numpy as np
from keras import layers

import improved_gan_tf as ig

_LATENTS, _REFERENCE, _BATCH = 50, 32, 50


def generator() -> keras.Model:
    """Latent vectors in -1..1 to images (8, 8, 1), by virtual batch normalization (section 3.5)."""
    z = keras.Input((_LATENTS,))
    x = ig.layers.ReferenceBatch(_REFERENCE)(z)
    x = layers.Reshape((2, 2, 64))(layers.Dense(2 * 2 * 64)(x))
    x = layers.ReLU()(ig.layers.VirtualBatchNorm(_REFERENCE)(x))
    x = layers.Conv2DTranspose(32, 5, 2, "same")(x)
    x = layers.ReLU()(ig.layers.VirtualBatchNorm(_REFERENCE)(x))
    x = layers.Conv2DTranspose(1, 5, 2, "same", activation="tanh")(x)
    return keras.Model(z, ig.layers.DropReference(_REFERENCE)(x))


def discriminator() -> keras.Model:
    """Images to a logit, with minibatch discrimination (section 3.2)."""
    x = images = keras.Input((8, 8, 1))
    for channels, strides in ((32, 1), (64, 2)):
        convolution = layers.Conv2D(channels, 3, strides, "same", activation="leaky_relu")
        x = ig.layers.WeightNorm(convolution)(x)
    x = ig.layers.MinibatchDiscrimination(20, 5)(layers.Flatten()(x))
    return keras.Model(images, layers.Dense(1)(x))


def train(g: keras.Model, d: keras.Model, images: np.ndarray, epochs: int) -> list[float]:
    """Trains both players in turn; returns the generator's loss after each epoch."""
    optimizers = keras.optimizers.Adam(2e-4, beta_1=0.5), keras.optimizers.Adam(2e-4, beta_1=0.5)
    for optimizer, network in zip(optimizers, (g, d), strict=True):
        optimizer.build(network.trainable_variables)

    def logits(d_values, images):
        return d.stateless_call(*d_values, images, training=True)[0][:, 0]

    @jax.jit
    def step(g_values, d_values, states, real, z):
        fake = g.stateless_call(*g_values, z, training=True)[0]

        def d_loss(trained):
            values = trained, d_values[1]  # real and generated images in batches of their own
            return ig.losses.one_sided_discriminator(logits(values, real), logits(values, fake))

        slopes = jax.grad(d_loss)(d_values[0])
        trained, d_state = optimizers[1].stateless_apply(states[1], slopes, d_values[0])
        d_values = trained, d_values[1]

        def g_loss(trained):
            fake = g.stateless_call(trained, g_values[1], z, training=True)[0]
            return ig.losses.smoothed_generator(logits(d_values, fake), target=0.75)

        loss, slopes = jax.value_and_grad(g_loss)(g_values[0])
        trained, g_state = optimizers[0].stateless_apply(states[0], slopes, g_values[0])
        return (trained, g_values[1]), d_values, (g_state, d_state), loss

    def values(variables: Any) -> list[Any]:
        return [variable.value for variable in variables]

    random = np.random.default_rng(1)
    players = [(values(x.trainable_variables), values(x.non_trainable_variables)) for x in (g, d)]
    states = tuple(values(optimizer.variables) for optimizer in optimizers)
    found = []
    for epoch in range(epochs):
        order = random.permutation(len(images) // _BATCH * _BATCH).reshape(-1, _BATCH)
        for places in order:
            z = random.uniform(-1, 1, (_BATCH, _LATENTS)).astype("float32")
            *players, states, loss = step(*players, states, images[places], z)
        found.append(float(loss))
        print(f"epoch {epoch + 1}: generator's loss {found[-1]:.3f}", flush=True)
    for network, (trained, _) in zip((g, d), players, strict=True):
        for variable, value in zip(network.trainable_variables, trained, strict=True):
            variable.assign(value)
    return found


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Runs the example; returns the generator's losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", default="digits.png", help="where the drawn digits go")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    source = ig.data.open("digits")
    images = ig.data.Scaling("symmetric", source.maximum).scale(source.arrays("train")[0])
    g, d = generator(), discriminator()
    ig.layers.initialize_from_data(d, images[:500])
    losses = train(g, d, *((images[:200], 1) if options.quick else (images, options.epochs)))
    z = np.random.default_rng(2).uniform(-1, 1, (100, _LATENTS)).astype("float32")
    drawn = keras.ops.convert_to_numpy(g(z))
    print(ig.images.save_png(options.out, ig.images.grid(ig.images.to_uint8(drawn, -1, 1))))
    return losses


if __name__ == "__main__":
    main()
