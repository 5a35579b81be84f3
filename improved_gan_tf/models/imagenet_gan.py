"""The ImageNet GAN: virtual and cross batch normalization, both players in one update."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, random
from improved_gan_tf.keras_compat import BuiltInInit
from improved_gan_tf.layers import VirtualBatchNorm, couples_examples, freeze_reference, walk
from improved_gan_tf.layers.checks import check_at_least, check_weights
from improved_gan_tf.models import arrays, distributed, streams
from improved_gan_tf.models.gan import GAN, full, watch
from improved_gan_tf.models.random_states import SavedRandomStates
from improved_gan_tf.networks import players

# First word of the seeds of sampling and testing; training has the model's own, not below 0.
_SAMPLING, _TESTING = -1, -2
_LOSSES = ("real_loss", "fake_loss", "class_loss", "generator_loss")
_OF_LABELS = ("class_loss", "error")


@keras.saving.register_keras_serializable("improved_gan_tf")
class ImageNetGAN(BuiltInInit, SavedRandomStates, GAN):
    """Trains a generator and a classifier with a class "generated", by `fit` on (images, labels).

    One training step on B labeled images x, y, with fresh latent vectors z, with l the K + 1
    logits of the joint batch [x, G(z)] + N(0, noise^2) and u = `losses.gan_logits(l)`:

        discriminator: `losses.one_sided_discriminator(u(x), u(G(z)), smoothing)`
                       + `losses.supervised(y, l(x))`
        generator:     `losses.smoothed_generator(u(G(z)), generator_target)`

    Both gradients are taken at the same parameters, from the same forward pass and the same draws
    of z and noise; then both players move. z is U[-1, 1). `call` is the generator; `sample` draws
    images without the cost of the reference batch.

    With a discriminator that has a single logit the model is an ordinary GAN: u is that logit, no
    class loss and no error are computed, and labels are ignored. `fit` then also accepts a data set
    of images without labels.

    Under a `tf.distribute` strategy every replica has its own z, noise, statistics and minibatch
    features; the gradients and the reported figures are averaged over the replicas (D23). Draws are
    a function of (seed, step, replica) (D9), and the random states of layers are saved with the
    model, so that a reloaded model trains on exactly as the saved one would have. See `distributed`
    for the state of layers.

    Args:
        generator: A `keras.Model` from one or more latent inputs (N, ...) to images (N, H, W, C).
        discriminator: A `keras.Model` from a joint batch, real images first, to logits (2B, K + 1),
            that of "generated" last; or (2B, 1).
        seed: The seed of latent vectors and noise, an integer from 0; see `GAN`.
        image_range: See `GAN`; (-1.0, 1.0) by default.
        noise: The standard deviation of the noise on all images in training, 0.1 by default.

    Attributes:
        labels: Whether there are classes, from the number of logits.

    Raises:
        ValueError: The networks do not fit together, or `seed` or `noise` is negative.

    Example:
    >>> small = {"image_shape": (8, 8, 1), "width": 0.05}
    >>> discriminator = networks.imagenet.discriminator(num_classes=10, **small)
    >>> gan = ImageNetGAN(networks.imagenet.generator(**small), discriminator)
    >>> gan.sample(2, seed=1).shape
    (2, 8, 8, 1)

    Source: imagenet/build_model.py and train.py.
    """

    latent_range = (-1.0, 1.0)
    compile_values = (*GAN.compile_values, "smoothing", "generator_target")
    images_at_once = 16

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        image_range: tuple[float, float] = (-1.0, 1.0),
        noise: float = 0.1,
        **kwargs: Any,
    ):
        seed = _fresh_seed() if seed is None else seed
        super().__init__(generator, discriminator, seed, image_range, **kwargs)
        check_at_least(0, seed=seed)
        check_weights(noise=noise)
        self.noise = noise
        logits: Any = players.output_shape(discriminator)[-1]
        self.labels: bool = logits != 1
        self._classes = logits - 1 if self.labels else None  # K
        names = [k for k in (*_LOSSES, "error") if self.labels or k not in _OF_LABELS]
        self.mean_names = tuple(names)
        running = ("running_error",) if self.labels else ()
        self.reported = (*names, *running, *(f"val_{name}" for name in names))
        if self.labels:
            one = {"trainable": False, "aggregation": "mean", "name": "running_error"}
            self.running_error = self.add_weight((), "zeros", **one)
        self.built = True

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        smoothing: float = 0.25,
        generator_target: float = 0.375,
        **kwargs: Any,
    ) -> None:
        """Sets the targets and both optimizers.

        Args:
            generator_optimizer, discriminator_optimizer: See `GAN`; None (the default) for Keras'
                Adam(4e-4, beta_1=0.5, epsilon=1e-8).
            smoothing: The target of real images is 1 - smoothing, of generated ones 0; a float in
                [0, 1), 0.25 by default (section 3.4).
            generator_target: The target of the generator for its images; a float in (0, 1], 0.375
                by default.
            **kwargs: `historical_averaging` and `metrics`, see `GAN.compile`, and arguments of
                `keras.Model.compile`.

        Raises:
            ValueError: A target is out of its range, metrics are given without classes, or
                `jit_compile` or `steps_per_execution` is asked for with several replicas on CPU
                devices, where TensorFlow can do neither.
        """
        if not 0 <= smoothing < 1 or not 0 < generator_target <= 1:
            raise ValueError(
                "smoothing must be in [0, 1) and generator_target in (0, 1], not "
                f"{smoothing!r} and {generator_target!r}"
            )
        if kwargs.get("metrics") and not self.labels:
            raise ValueError("metrics need classes, but the discriminator has a single logit")
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        if self.discriminator_optimizer.gradient_accumulation_steps:
            raise ValueError(
                "ImageNetGAN takes no optimizer with gradient_accumulation_steps: its draws are a "
                "function of the number of updates"
            )
        self.smoothing = smoothing
        self.generator_target = generator_target
        self._means = [keras.metrics.Mean(name=name) for name in self.mean_names]

    @staticmethod
    def default_optimizer() -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(4e-4, beta_1=0.5, epsilon=1e-8)

    def own_metrics(self) -> list[keras.metrics.Metric]:
        return self._means if self.compiled else []

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.generator(inputs, training=training)

    def latents(self, n: Any, *words: Any) -> Any:
        """Returns n of each of the generator's inputs, U[-1, 1), as a function of integers."""
        found = [
            2.0 * random.uniform((n, *x.shape[1:]), (*words, level), x.dtype) - 1.0
            for level, x in enumerate(players.inputs(self.generator))
        ]
        return found if len(found) > 1 else found[0]

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Trains, on arrays or a data set of batches of images and labels; see `GAN.fit`.

        Raises:
            ValueError: Images or labels are not as the model needs them, or have weights.
        """
        arrays.check_call(self, x, y, self._classes, kwargs)
        return super().fit(x, y, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns losses and errors, as `keras.Model.evaluate`; arguments as in `fit`."""
        arrays.check_call(self, x, y, self._classes, kwargs)
        return super().evaluate(x, y, **kwargs)

    def train_step(self, data: Any) -> dict[str, Any]:
        images, labels = self._unpacked(data)
        step = tf.identity(self.discriminator_optimizer.iterations)  # before it is counted up
        context = tf.distribute.get_replica_context()
        words = (self.seed, step, context.replica_id_in_sync_group)
        with distributed.step(self):
            report, gradients = self.gradients(
                images, labels, self.latents(keras.ops.shape(images)[0], *words), words
            )
            for name in ("discriminator", "generator"):
                self.descend(name, gradients[name])
        logs = self._results(report, labels)
        if self.labels:
            self._update_running_error(report["error"], step)
            logs["running_error"] = distributed.log(self.running_error)
        return logs

    def _unpacked(self, data):
        """Images and labels of a batch; there need be no labels where there are no classes."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise ValueError("batches must be (images, labels): there are no weights of examples")
        if self.labels and labels is None:
            raise ValueError(
                "training needs batches (images, labels); without labels give a discriminator of "
                "one logit"
            )
        return images, streams.flat_labels(labels) if self.labels else None

    def gradients(
        self, images: Any, labels: Any, latents: Any, noise_words: tuple | None = None
    ) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        """Returns losses and both players' gradients at the present parameters.

        Args:
            images: x, a float tensor (B, H, W, C).
            labels: y, an integer tensor (B,) of classes in 0..K-1; None without classes.
            latents: The generator's inputs for B images.
            noise_words: The integers that the noise is a function of; None (the default): no noise.

        Returns:
            (report, gradients): scalars by name, among them "discriminator_loss", and with classes
            "logits", theirs of the images; lists of gradients, "discriminator" and "generator", in
            the order of their trainable variables, divided by the number of replicas and multiplied
            by the optimizer's loss scale.
        """
        pair = {name: self.player(name)[0] for name in ("discriminator", "generator")}
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            values = {k: watch(tape, net.trainable_variables) for k, net in pair.items()}
            report = self._report(images, labels, latents, noise_words)
            scaled = {k: self.scaled(k, report[f"{k}_loss"]) for k in pair}
        return report, {k: tape.gradient(scaled[k], values[k]) for k in pair}

    def _report(self, images, labels, latents, noise_words=None, training=True):
        """The losses and the error by name."""
        fake = full(self.generator(latents, training=training))
        joint = tf.concat([tf.cast(images, fake.dtype), fake], axis=0)
        if noise_words is not None and self.noise:
            words = (*noise_words, len(keras.tree.flatten(latents)))
            joint += self.noise * random.normal(keras.ops.shape(joint), words, joint.dtype)
        logits, logits_fake = tf.split(full(self.discriminator(joint, training=training)), 2)
        real, generated = losses.gan_logits(logits), losses.gan_logits(logits_fake)
        report = {
            "real_loss": tf.reduce_mean(losses.sigmoid_kl(real, 1.0 - self.smoothing)),
            "fake_loss": tf.reduce_mean(losses.sigmoid_kl(generated, 0.0)),
            "generator_loss": losses.smoothed_generator(generated, self.generator_target),
        }
        whole = report["real_loss"] + report["fake_loss"]
        if self.labels:
            # The last logit is no class: as a label it would call real images generated.
            classes = tf.where(labels < self._classes, labels, -1)
            report["class_loss"] = losses.supervised(classes, logits)
            report["error"] = losses.error_rate(labels, logits)
            report["logits"] = logits[:, :-1]
            whole += report["class_loss"]
        return {**report, "discriminator_loss": whole}

    def _update_running_error(self, error, step):
        """The mean of the first 100 steps' errors, then a running average of rate 0.01."""
        rate = tf.maximum(1.0 / tf.cast(step + 1, self.running_error.dtype), 0.01)
        error = tf.cast(error, self.running_error.dtype)
        self.running_error.assign((1.0 - rate) * self.running_error + rate * error)

    def test_step(self, data: Any) -> dict[str, Any]:
        images, labels = self._unpacked(data)
        # The test batches of several replicas may have different, unknown sizes.
        count = keras.ops.shape(images)[0]
        latents = self.latents(count, _TESTING, self.seed)
        report = self._report(images, labels, latents, training=False)
        return self._results(report, labels, count)

    def _results(self, report, labels, count=None):
        for metric in self.own_metrics():
            distributed.update(metric, report[metric.name], count)
        others = self.labeled(labels, report["logits"]) if self.labels else {}
        return distributed.logs(self._means, others)

    def draw_latents(self, n: int, seed: int | None) -> Any:
        seed = _fresh_seed() if seed is None else seed
        return keras.tree.map_structure(np.asarray, self.latents(n, _SAMPLING, seed))

    def images(self, latents: Any, batch_statistics: bool = False) -> np.ndarray:
        """Returns the generator's images of latent vectors, see `GAN.images`.

        Raises:
            ValueError: `batch_statistics` with a generator that never uses those of a batch.
        """
        if batch_statistics and not couples_examples(self.generator):
            raise ValueError(
                "virtual batch normalization never uses the other images of a draw: leave out "
                "batch_statistics"
            )
        return super().images(latents, batch_statistics)

    def serving_generator(self) -> keras.Model:
        """Returns the generator without its reference batch, where it has one.

        A generator that `layers.freeze_reference` cannot take, such as a subclassed one, keeps it.
        """
        layers = walk(self.generator)
        virtual = any(isinstance(x, VirtualBatchNorm) and not x.frozen for x in layers)
        if not virtual:
            return self.generator
        try:
            return freeze_reference(self.generator)
        except ValueError:
            return self.generator

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "noise": self.noise}


def _fresh_seed() -> int:
    """A seed drawn from Keras' global seed."""
    return int(keras.ops.convert_to_numpy(keras.random.SeedGenerator().state)[0])
