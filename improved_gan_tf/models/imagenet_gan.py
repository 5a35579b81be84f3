"""The ImageNet GAN: virtual and cross batch normalization, both players in one update."""

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, random
from improved_gan_tf.keras_compat import BuiltInInit
from improved_gan_tf.layers import freeze_reference
from improved_gan_tf.models.gan import GAN, full, watch

# First word of the seeds of sampling and testing; training has the model's own, not below 0.
_SAMPLING, _TESTING = -1, -2
_LOSSES = ("real_loss", "fake_loss", "class_loss", "generator_loss")


@keras.saving.register_keras_serializable("improved_gan_tf")
class ImageNetGAN(BuiltInInit, GAN):
    """Trains a generator and a classifier with a class "generated", by `fit` on (images, labels).

    One training step on B labelled images x, y, with fresh latent vectors z and with l the K + 1
    logits of the joint batch [x, G(z)] + N(0, noise^2) and u = `losses.gan_logits(l)`:

        discriminator: `losses.one_sided_discriminator(u(x), u(G(z)), smoothing)`
                       + `losses.supervised(y, l(x))`
        generator:     `losses.smoothed_generator(u(G(z)), generator_target)`

    Both gradients are taken at the same parameters, from the same forward pass and the same draws
    of z and noise; then both players move. z is U[-1, 1).

    Under a `tf.distribute` strategy every replica has its own z, noise, statistics and minibatch
    features; the gradients are averaged over the replicas. Draws are a function of (seed, step,
    replica), so there is no random state, and a reloaded model trains on exactly as the saved one
    would have.

    `call` is the generator; `sample` draws images without the cost of the reference batch.

    Args:
        generator: model of one or more latent inputs (N, ...) -> images.
        discriminator: model of a joint batch, real images first -> logits (2B, K + 1).
        seed: of latent vectors and noise, from 0; None draws it from Keras' global seed.
        noise: standard deviation of the noise on all images in training.

    Raises:
        ValueError: networks that do not fit together, a negative seed or noise.

    Source: imagenet/build_model.py and train.py.
    """

    latent_range = (-1.0, 1.0)
    REPORTED = (
        *_LOSSES,
        "error",
        "running_error",
        *(f"val_{name}" for name in _LOSSES),
        "val_error",
    )

    def __init__(self, generator, discriminator, seed=None, noise=0.1, **kwargs):
        if seed is None:
            seed = int(keras.ops.convert_to_numpy(keras.random.SeedGenerator().state)[0])
        super().__init__(generator, discriminator, seed, **kwargs)
        if seed < 0 or noise < 0:
            raise ValueError(f"seed and noise must be at least 0, not {seed!r} and {noise!r}.")
        self.noise = noise
        self.running_error = self.add_weight(
            name="running_error",
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )
        self.built = True

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        smoothing=0.25,
        generator_target=0.375,
        **kwargs,
    ):
        """Sets the targets and both optimizers.

        Args:
            generator_optimizer: default Keras' Adam(4e-4, beta_1=0.5, epsilon=1e-8).
            discriminator_optimizer: likewise, another object.
            smoothing: the target of real images is 1 - smoothing, of generated ones 0; in [0, 1).
            generator_target: what the generator makes the discriminator say of its images; in
                (0, 1].
            **kwargs: of `keras.Model.compile` (`jit_compile`, `run_eagerly`, ...).

        Raises:
            ValueError: a target out of its range, one optimizer given for both networks, or
                `jit_compile` or `steps_per_execution` with several replicas on CPU devices, where
                TensorFlow can do neither.
        """
        if not 0 <= smoothing < 1 or not 0 < generator_target <= 1:
            raise ValueError(
                "smoothing must be in [0, 1) and generator_target in (0, 1], not "
                f"{smoothing!r} and {generator_target!r}."
            )
        kwargs.setdefault("jit_compile", False)
        strategy = tf.distribute.get_strategy()
        if strategy.num_replicas_in_sync > 1 and "CPU" in strategy.extended.worker_devices[0]:
            if kwargs["jit_compile"] is True or kwargs.get("steps_per_execution", 1) > 1:
                raise ValueError(
                    "Several replicas on CPU devices train without jit_compile and with "
                    "steps_per_execution=1 only."
                )
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        self.smoothing = smoothing
        self.generator_target = generator_target
        self._means = [keras.metrics.Mean(name=name) for name in (*_LOSSES, "error")]

    @staticmethod
    def default_optimizer():
        return keras.optimizers.Adam(4e-4, beta_1=0.5, epsilon=1e-8)

    @property
    def metrics(self):
        return self._means if self.compiled else []

    def call(self, inputs, training=False):
        return self.generator(inputs, training=training)

    def latents(self, n, *words):
        """n of each of the generator's inputs, U[-1, 1), a function of the integers `words`."""
        return [
            2.0 * random.uniform((n, *x.shape[1:]), (*words, level), x.dtype) - 1.0
            for level, x in enumerate(self.generator.inputs)
        ]

    def train_step(self, data):
        images, labels = data
        step = tf.identity(self.discriminator_optimizer.iterations)  # before it is counted up
        context = tf.distribute.get_replica_context()
        words = (self.seed, step, context.replica_id_in_sync_group)
        report, gradients = self.gradients(
            images, labels, self.latents(images.shape[0], *words), words
        )
        self.discriminator_optimizer.apply(
            gradients["discriminator"], self.discriminator.trainable_variables
        )
        self.generator_optimizer.apply(gradients["generator"], self.generator.trainable_variables)
        self._update_running_error(report["error"], step)
        logs = self._results(report)
        logs["running_error"] = self._log(self.running_error)
        return logs

    def gradients(self, images, labels, latents, noise_words=None):
        """Losses and both players' gradients at the present parameters, which stay as they are.

        Args:
            images: x, float (B, H, W, C) in [-1, 1].
            labels: y, integers (B,) in 0 .. K-1.
            latents: the generator's inputs for B images.
            noise_words: integers that the noise is a function of; None: no noise.

        Returns:
            (report, gradients): scalars by name, among them "discriminator_loss"; lists of
            gradients, "discriminator" and "generator", in the order of their trainable variables,
            divided by the number of replicas and multiplied by the optimizer's loss scale.
        """
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            values = {
                name: watch(tape, getattr(self, name).trainable_variables)
                for name in ("discriminator", "generator")
            }
            report = self._report(images, labels, latents, noise_words)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled = {
                name: getattr(self, f"{name}_optimizer").scale_loss(
                    report[f"{name}_loss"] / replicas
                )
                for name in values
            }
        return report, {name: tape.gradient(scaled[name], values[name]) for name in values}

    def _report(self, images, labels, latents, noise_words=None, training=True):
        """The losses and the error by name."""
        fake = full(self.generator(latents, training=training))
        joint = tf.concat([tf.cast(images, fake.dtype), fake], axis=0)
        if noise_words is not None and self.noise:
            words = (*noise_words, len(latents))
            joint += self.noise * random.normal(joint.shape, words, joint.dtype)
        logits, logits_fake = tf.split(full(self.discriminator(joint, training=training)), 2)
        real, generated = losses.gan_logits(logits), losses.gan_logits(logits_fake)
        report = {
            "real_loss": tf.reduce_mean(losses.sigmoid_kl(real, 1.0 - self.smoothing)),
            "fake_loss": tf.reduce_mean(losses.sigmoid_kl(generated, 0.0)),
            "class_loss": losses.supervised(labels, logits),
            "generator_loss": losses.smoothed_generator(generated, self.generator_target),
            "error": losses.error_rate(labels, logits),
        }
        report["discriminator_loss"] = (
            report["real_loss"] + report["fake_loss"] + report["class_loss"]
        )
        return report

    def _update_running_error(self, error, step):
        """The mean of the first 100 steps' errors, then a running average of rate .01."""
        rate = tf.maximum(1.0 / tf.cast(step + 1, self.running_error.dtype), 0.01)
        error = tf.cast(error, self.running_error.dtype)
        self.running_error.assign((1.0 - rate) * self.running_error + rate * error)

    def test_step(self, data):
        images, labels = data
        # The batches of several replicas' tests may be of different, unknown sizes.
        latents = self.latents(keras.ops.shape(images)[0], _TESTING, self.seed)
        return self._results(self._report(images, labels, latents, training=False))

    def _results(self, report):
        for metric in self.metrics:
            metric.update_state(report[metric.name])
        return {metric.name: self._log(metric.result()) for metric in self.metrics}

    @staticmethod
    def _log(value):
        """The scalar as `fit` wants it: across several workers Keras averages over an axis."""
        value = tf.convert_to_tensor(value)
        strategy = tf.distribute.get_strategy()
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        return value[None] if several else value

    def sample(self, n, seed=0):
        """Draws n images, the same for the same seed.

        Args:
            n: how many, at least 1.
            seed: integer.

        Returns:
            float array (n, H, W, C) in (-1, 1).

        Raises:
            ValueError: n below 1.
        """
        return self.images(self.latent_vectors(n, seed))

    def latent_vectors(self, n, seed=0):
        """The latents of `sample`: a list of one array (n, ...) for each input of the generator."""
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n!r}.")
        return [np.asarray(z) for z in self.latents(n, _SAMPLING, seed)]

    def images(self, latents):
        """The generator's images of the latents, as an array; 16 of them at a time."""
        generator = self.serving_generator()
        pieces = ([z[i : i + 16] for z in latents] for i in range(0, len(latents[0]), 16))
        return np.concatenate([np.asarray(generator(piece)) for piece in pieces])

    def serving_generator(self):
        """The generator without its reference batch."""
        return freeze_reference(self.generator)

    def get_config(self):
        return {**super().get_config(), "noise": self.noise}

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {
            **config,
            "smoothing": self.smoothing,
            "generator_target": self.generator_target,
        }
