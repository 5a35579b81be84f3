"""The K+1-class semi-supervised GAN of section 5 as a `keras.Model`."""

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, random
from improved_gan_tf.layers import couples_examples
from improved_gan_tf.models.gan import GAN, full, watch
from improved_gan_tf.optimizers import InnerEpsilonAdam, debiased, update_average

OBJECTIVES = ("feature_matching", "minibatch_discrimination", "supervised")
AVERAGES = ("debiased", "original", "none")


@keras.saving.register_keras_serializable("improved_gan_tf")
class SemiSupervisedGAN(GAN):
    """Trains a classifier on labelled, unlabelled and generated images, by plain `fit`.

    One training step, on a batch {"labeled": (x, y), "unlabeled": u, "unlabeled_generator": v}:

    1. the discriminator descends `losses.supervised(y, D(x))` +
       unlabeled_weight * `losses.unsupervised(D(u), D(G(z)))`, and the running average of its
       parameters takes in the values from before this update;
    2. `generator_steps` times the generator, with fresh z and the updated discriminator, descends
       `losses.feature_matching(f(v), f(G(z)))` or `losses.minibatch_generator(D(G(z)))`.

    Reported losses are from before the step. z is U[0, 1). All networks run in training mode:
    noise and dropout on, batch statistics in the generator.

    `call` and `predict` give the logits of the K classes by the averaged parameters (see
    `average`); `sample` draws images. Saving (`.keras`, `.weights.h5`) keeps both optimizers, the
    averages and the states of all random generators, so that a reloaded model trains on exactly
    as the saved one would have.

    Args:
        generator: model (N, Z) -> images.
        discriminator: model images -> logits (N, K), with a layer named "features".
        seed: of the latent vectors; None draws it from Keras' global seed.
        average: which parameters `call` uses: "debiased" (a / (1 - (1 - rate)^t)), "original" (the
            running average a, which starts at 0) or "none" (the current ones).
        average_rate: rate of the running average.

    Raises:
        ValueError: networks that do not fit together, an unknown `average`.

    Source: train_mnist_feature_matching.py, train_cifar_*.py, train_svhn_*.py (their
    train_batch_disc, train_batch_gen, test_batch).
    """

    REPORTED = (
        "supervised_loss",
        "unsupervised_loss",
        "generator_loss",
        "error",
        "val_error",
        "val_error_current",
    )

    def __init__(
        self, generator, discriminator, seed=None, average="debiased", average_rate=1e-4, **kwargs
    ):
        super().__init__(generator, discriminator, seed, **kwargs)
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, not {average!r}.")
        self.features = keras.Model(
            discriminator.input, discriminator.get_layer("features").output, name="features"
        )
        self.average = average
        self.average_rate = average_rate
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.average_steps = self.add_weight(
            name="average_steps", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        self.averages = [
            self.add_weight(
                name="average", shape=v.shape, dtype=v.dtype, initializer="zeros", trainable=False
            )
            for v in discriminator.trainable_variables
        ]
        self.couples_examples = couples_examples(discriminator)
        self.built = True

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        objective="feature_matching",
        feature_distance="squared",
        generator_steps=1,
        unlabeled_weight=1.0,
        **kwargs,
    ):
        """Sets the objective and both optimizers.

        Args:
            generator_optimizer: default the recipes' `InnerEpsilonAdam(3e-3, beta_1=0.5)`.
            discriminator_optimizer: likewise, another object.
            objective: the generator's, "feature_matching" or "minibatch_discrimination"; or
                "supervised": the discriminator alone, on the labelled rows alone (the baseline).
            feature_distance: "squared" or "absolute", see `losses.feature_matching`.
            generator_steps: generator updates a discriminator update, at least 1.
            unlabeled_weight: weight of the unsupervised loss.
            **kwargs: of `keras.Model.compile` (`jit_compile`, `run_eagerly`, ...).

        Raises:
            ValueError: an unknown objective or distance, fewer than one generator step, or one
                optimizer given for both networks.
        """
        if objective not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise ValueError(f"objective must be one of {known}, not {objective!r}.")
        if feature_distance not in ("squared", "absolute"):
            raise ValueError(
                f'feature_distance must be "squared" or "absolute", not {feature_distance!r}.'
            )
        if generator_steps < 1:
            raise ValueError(f"generator_steps must be at least 1, not {generator_steps!r}.")
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        self.objective = objective
        self.feature_distance = feature_distance
        self.generator_steps = generator_steps
        self.unlabeled_weight = unlabeled_weight
        self._train_metrics = [keras.metrics.Mean(name="supervised_loss")]
        if objective != "supervised":
            self._train_metrics += [
                keras.metrics.Mean(name="unsupervised_loss"),
                keras.metrics.Mean(name="generator_loss"),
            ]
        self._error = keras.metrics.Mean(name="error")
        self._error_current = keras.metrics.Mean(name="error_current")

    @staticmethod
    def default_optimizer():
        return InnerEpsilonAdam(learning_rate=3e-3, beta_1=0.5)

    @property
    def trains_generator(self):
        return self.objective != "supervised"

    @property
    def metrics(self):
        return [*self._train_metrics, self._error, self._error_current] if self.compiled else []

    def latent(self, n):
        """n fresh latent vectors z, U[0, 1), float (n, Z)."""
        shape = (n, self.generator.input_shape[-1])
        return random.uniform(shape, self.seed_generator, self.generator.input_dtype)

    def classifier_values(self):
        """The values of the discriminator's trainable parameters that `call` uses."""
        variables = self.discriminator.trainable_variables
        if self.average == "debiased":
            return debiased(self.averages, variables, self.average_rate, self.average_steps)
        return self.averages if self.average == "original" else variables

    def call(self, inputs, training=False):
        variables = self.discriminator.trainable_variables
        values = [keras.ops.convert_to_tensor(v) for v in self.classifier_values()]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return self.discriminator(inputs, training=training)

    def train_step(self, data):
        report = self._discriminator_step(data)
        if self.objective != "supervised":
            steps = [self._generator_step(data) for _ in range(self.generator_steps)]
            report["generator_loss"] = tf.add_n(steps) / len(steps)
        for metric in (*self._train_metrics, self._error):
            metric.update_state(report[metric.name])
        return {m.name: m.result() for m in (*self._train_metrics, self._error)}

    def _discriminator_step(self, data):
        """Step 1; returns the losses and the error on the labelled rows."""
        x, y = data["labeled"]
        variables = self.discriminator.trainable_variables
        report = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            values = watch(tape, variables)
            if self.objective == "supervised":
                (logits,) = self._logits(x)
                loss = report["supervised_loss"] = losses.supervised(y, logits)
            else:
                u = data["unlabeled"]
                fake = self._fake(u.shape[0])
                logits, logits_unlabeled, logits_fake = self._logits(x, u, fake)
                report["supervised_loss"] = losses.supervised(y, logits)
                report["unsupervised_loss"] = losses.unsupervised(logits_unlabeled, logits_fake)
                loss = (
                    report["supervised_loss"] + self.unlabeled_weight * report["unsupervised_loss"]
                )
            loss = self.discriminator_optimizer.scale_loss(loss)
        update_average(self.averages, variables, self.average_rate)
        self.average_steps.assign_add(1)
        self.discriminator_optimizer.apply(tape.gradient(loss, values), variables)
        report["error"] = losses.error_rate(y, logits)
        return report

    def _logits(self, *batches):
        """The discriminator's logits on several batches.

        Where no layer couples examples, a row's logits depend on that row alone: one pass over
        the concatenated batches then computes the same, with larger matrix products and fewer of
        them, and is the faster. Minibatch discrimination and batch normalization relate a row to
        the others of its batch, and are to see real rows among real ones and generated among
        generated: there each batch has a pass of its own, as in the original.
        `couples_examples` says which; set it to True for such a layer of another kind.
        """
        if self.couples_examples:
            return [full(self.discriminator(batch, training=True)) for batch in batches]
        sizes = [batch.shape[0] for batch in batches]
        logits = self.discriminator(tf.concat(batches, axis=0), training=True)
        return tf.split(full(logits), sizes)

    def _fake(self, n):
        """n generated images, as training sees them."""
        return full(self.generator(self.latent(n), training=True))

    def _generator_step(self, data):
        """Step 2, once; returns the generator's loss."""
        variables = self.generator.trainable_variables
        v = data["unlabeled_generator"]
        if self.objective == "feature_matching":
            features_real = full(self.features(v, training=True))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            values = watch(tape, variables)
            fake = self._fake(v.shape[0])
            if self.objective == "feature_matching":
                features_fake = full(self.features(fake, training=True))
                loss = losses.feature_matching(features_real, features_fake, self.feature_distance)
            else:
                loss = losses.minibatch_generator(*self._logits(fake))
            scaled = self.generator_optimizer.scale_loss(loss)
        self.generator_optimizer.apply(tape.gradient(scaled, values), variables)
        return loss

    def test_step(self, data):
        x, y = data
        report = {
            self._error: losses.error_rate(y, full(self(x, training=False))),
            self._error_current: losses.error_rate(y, full(self.discriminator(x, training=False))),
        }
        for metric, value in report.items():
            metric.update_state(value, sample_weight=tf.shape(y)[0])
        return {metric.name: metric.result() for metric in report}

    def sample(self, n, seed=None, batch_statistics=False):
        """Draws n images.

        Args:
            n: how many, at least 1.
            seed: integer: the same images each time, whatever was drawn before; None continues
                the model's own random stream.
            batch_statistics: normalise by the statistics of these n images, as the original does,
                rather than by the running averages.

        Returns:
            float array (n, H, W, C) in the generator's range.

        Raises:
            ValueError: n below 1.
        """
        return self.images(self.latent_vectors(n, seed), batch_statistics)

    def latent_vectors(self, n, seed=None):
        """The latent vectors (n, Z) of `sample`, as an array."""
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n!r}.")
        source = self.seed_generator if seed is None else keras.random.SeedGenerator(seed)
        return np.asarray(random.uniform((n, self.generator.input_shape[-1]), source))

    def images(self, z, batch_statistics=False):
        """The generator's images of the latent vectors z (n, Z), as an array; see `sample`."""
        if not batch_statistics:
            # Called, not `predict`: that costs a tenth of a second before its first image.
            pieces = (z[i : i + 500] for i in range(0, len(z), 500))
            return np.concatenate([np.asarray(self.generator(piece)) for piece in pieces])
        # In a scope of its own: drawing samples must not move the running averages.
        states = self.generator.non_trainable_variables
        values = [(v, keras.ops.convert_to_tensor(v)) for v in states]
        with keras.StatelessScope(state_mapping=values):
            return np.asarray(self.generator(z, training=True))

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, variable in enumerate(self._random_states()):
            store[f"random_state_{i}"] = variable

    def load_own_variables(self, store):
        states = self._random_states()
        for i, variable in enumerate(states):
            variable.assign(store[f"random_state_{i}"])
        own = {key: store[key] for key in store.keys() if not key.startswith("random_state_")}
        super().load_own_variables(own)

    def _random_states(self):
        """The states of all seed generators: variables that Keras does not count as weights."""
        weights = {id(v) for v in self.weights}
        return [v for v in self.variables if id(v) not in weights and "seed" in v.path]

    def get_config(self):
        return {
            **super().get_config(),
            "average": self.average,
            "average_rate": self.average_rate,
        }

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {
            **config,
            "objective": self.objective,
            "feature_distance": self.feature_distance,
            "generator_steps": self.generator_steps,
            "unlabeled_weight": self.unlabeled_weight,
        }
