"""The K+1-class semi-supervised GAN of section 5 as a `keras.Model`."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, random, replicas
from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.keras_compat import BuiltInInit
from improved_gan_tf.layers import couples_examples
from improved_gan_tf.layers.checks import check_at_least, check_weights
from improved_gan_tf.models import arrays, distributed, many_steps, objectives, streams
from improved_gan_tf.models.averaged_classifier import AveragedClassifier
from improved_gan_tf.models.gan import GAN, full, watch
from improved_gan_tf.models.random_states import SavedRandomStates
from improved_gan_tf.networks import players
from improved_gan_tf.optimizers import InnerEpsilonAdam

_LOSSES = ("supervised_loss", "unsupervised_loss", "generator_loss")
_ADDITIONAL = "additional_loss"
_VALUES = ("objective", "feature_distance", "generator_steps", "unlabeled_weight")
_LATER = ("discriminator_terms", "average_start")


@keras.saving.register_keras_serializable("improved_gan_tf")
class SemiSupervisedGAN(BuiltInInit, SavedRandomStates, AveragedClassifier):
    """Trains a classifier on labeled, unlabeled and generated images, by plain `fit`.

    `fit` takes arrays of images and labels, -1 where there is none, or a data set of batches.
    `evaluate` takes images and labels, `predict` images, both as arrays or data sets. One training
    step, on a batch {"labeled": (x, y), "unlabeled": u, "unlabeled_generator": v} (images of any
    floating type; v is u where it is absent):

    1. the discriminator descends `losses.supervised(y, D(x))` +
       unlabeled_weight * `losses.unsupervised(D(u), D(G(z)))` (+ what `compile` is given as
       discriminator_terms), and the running average of its parameters takes in the values from
       before this update;
    2. `generator_steps` times the generator, with fresh z and the updated discriminator, descends
       `losses.feature_matching(f(v), f(G(z)))` or `losses.minibatch_generator(D(G(z)))`, or what
       `compile` is given as objective.

    Reported losses are from before the step. z is U[0, 1). All networks run in training mode: noise
    and dropout on, batch statistics in the generator. `call` and `predict` return the logits of the
    K classes by the averaged parameters (see `average`); `sample` draws images. Saving keeps both
    optimizers, the averages and the states of all random generators, so that a reloaded model
    trains on exactly as the saved one would have. Replicas of a `tf.distribute` strategy share each
    batch, with latent vectors and noise of their own, see `distributed` (D23).

    Args:
        generator: A `keras.Model` from latent vectors (N, Z) to images (N, H, W, C).
        discriminator: A `keras.Model` from images to logits (N, K), with a layer named "features"
            (see `features`).
        seed: See `GAN`.
        image_range: See `GAN`; (0.0, 1.0) by default.
        average: The parameters that `call` uses: "debiased" (the default, a / (1 - (1 - rate)^t)),
            "original" (the running average a, which starts at 0) or "none" (the current ones)
            (D10).
        average_rate: The rate of the running average, a float, 1e-4 by default.
        features: The name of the discriminator's layer whose output feature matching compares, at
            any depth, also in a subclassed model; "features" by default. Other objectives need no
            such layer.
        encoder: A `keras.Model` from images to (N, 2 Z), which terms of the objective get as
            "encoded" (see `losses.latent_likelihood`). With such a term the generator's optimizer
            moves it along with the generator. None (the default): there is none.

    Attributes:
        couples_examples: Whether the discriminator relates the examples of a batch to each other,
            see `layers.couples_examples`: if so, the three batches of a step pass through it one
            after the other, as in the original; if not, all at once, which computes the same and is
            faster.

    Raises:
        ValueError: The networks do not fit together, or `average` is unknown.

    Example:
    >>> generator = networks.dense.generator((8, 8, 1), units=(30,))
    >>> gan = SemiSupervisedGAN(generator, networks.dense.discriminator((8, 8, 1), units=(30, 20)))
    >>> gan.compile(objective="feature_matching")
    >>> x, y = np.random.rand(40, 8, 8, 1).astype("float32"), np.arange(40) % 10
    >>> y[20:] = -1  # not labeled
    >>> history = gan.fit(x, y, batch_size=20, verbose=0)
    >>> sorted(gan.evaluate(x[:20], y[:20], verbose=0, return_dict=True))
    ['error', 'error_current']
    >>> gan.predict(x, verbose=0).shape, gan.sample(4, seed=1).shape
    ((40, 10), (4, 8, 8, 1))

    Source: train_mnist_feature_matching.py, train_cifar_*.py, train_svhn_*.py (their
    train_batch_disc, train_batch_gen, test_batch).
    """

    compile_values = (*GAN.compile_values, *_VALUES, *_LATER)
    networks = (*GAN.networks, "encoder")
    objective_needs: tuple[str, ...] = ()
    reported: tuple[str, ...] = (*_LOSSES, "error", "val_error", "val_error_current")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        image_range: tuple[float, float] = (0.0, 1.0),
        average: str = "debiased",
        average_rate: float = 1e-4,
        features: str = "features",
        encoder: keras.Model | None = None,
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, seed, image_range, **kwargs)
        latents, logits = players.inputs(generator), players.output_shape(discriminator)
        if len(latents) != 1:
            raise ValueError(f"the generator must have one input, not {len(latents)}")
        if len(logits) != 2:
            raise ValueError(
                f"the discriminator must return logits of shape (N, K), not {logits}; end it with "
                "a Dense layer of as many units as there are classes"
            )
        self.num_classes = logits[1]
        self.latent_shape = tuple(latents[0].shape[1:])
        self.features_layer = features
        self.features: Any = players.features(discriminator, features)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.add_averages(average, average_rate)
        self.couples_examples = couples_examples(discriminator)
        self.encoder: Any = encoder
        if encoder is not None:
            images, size = players.output_shape(generator), 2 * math.prod(self.latent_shape)
            found = players.output_shape(players.checked(encoder, "encoder", images))
            if found[1:] != (size,):
                raise ValueError(
                    f"the encoder must return (N, {size}), a mean and a log standard deviation of "
                    f"each latent variable, not {found}"
                )
        self.built = True

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        objective: Any = "feature_matching",
        feature_distance: str = "squared",
        generator_steps: int = 1,
        unlabeled_weight: float = 1.0,
        discriminator_terms: Any = None,
        average_start: int = 0,
        **kwargs: Any,
    ) -> None:
        """Sets the objective and both optimizers.

        Args:
            generator_optimizer, discriminator_optimizer: See `GAN`; None (the default) for the
                MNIST recipe's `InnerEpsilonAdam(3e-3, beta_1=0.5)`.
            objective: The generator's objective, "feature_matching" (the default) or
                "minibatch_discrimination"; or "supervised", which trains only the discriminator, on
                only the labeled examples (the supervised-only baseline). Or a function of some of
                the quantities listed in `Objective`, an `Objective`, or a list of these, whose sum
                is the loss.
            feature_distance: "squared" (the default) or "absolute", see `losses.feature_matching`.
            generator_steps: Generator updates per discriminator update, an integer; 1 by default.
            unlabeled_weight: The weight of the unsupervised loss, a float, 1.0 by default.
            discriminator_terms: More terms of the discriminator's loss, a `DiscriminatorTerm`, a
                function of what these take, or a list of them; None (the default) for none. Their
                sum is reported as "additional_loss".
            average_start: The number of updates of the discriminator before the average of its
                parameters starts, an integer, 0 by default; until then `call` uses the current
                parameters. With a small `average_rate`, all later steps have nearly equal weight.
            **kwargs: `historical_averaging` and `metrics`, see `GAN.compile`, and arguments of
                `keras.Model.compile`, such as `jit_compile`.

        Raises:
            ValueError: A value is unknown or out of its range.
        """
        if feature_distance not in losses.DISTANCES:
            known = ", ".join(losses.DISTANCES)
            raise ValueError(f"feature_distance must be one of {known}, not {feature_distance!r}")
        terms = objectives.terms(objective, feature_distance)
        needs = {name for term in terms for name in term.needs}
        if needs & {"features_real", "features_fake"} and self.features is None:
            raise ValueError(players.no_features(self.discriminator, self.features_layer))
        if "encoded" in needs and self.encoder is None:
            raise ValueError(
                "a term of the objective takes encoded, which the model has no encoder for; make "
                "it with SemiSupervisedGAN(..., encoder=...)"
            )
        additional = objectives.discriminator_terms(discriminator_terms)
        if additional and objective == "supervised":
            raise ValueError("objective 'supervised' takes no discriminator_terms")
        check_at_least(0, average_start=average_start)
        check_at_least(1, generator_steps=generator_steps)
        check_weights(unlabeled_weight=unlabeled_weight)
        self.check_averages()
        self.objective_needs = tuple(sorted(needs))  # for `trained`
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        self.objective = objective
        self.objective_terms = terms
        self.feature_distance = feature_distance
        self.generator_steps = generator_steps
        self.unlabeled_weight = unlabeled_weight
        self.many_steps: many_steps.ManySteps | None = None
        self.discriminator_terms = discriminator_terms
        self.additional_terms = additional
        self.average_start = average_start
        own = (*_LOSSES[:2], *([_ADDITIONAL] if additional else []), *_LOSSES[2:])
        self.reported = (*own, *type(self).reported[len(_LOSSES) :])
        names = own if self.trains_generator else _LOSSES[:1]
        self._train_metrics = [keras.metrics.Mean(name=name) for name in names]
        self._error = keras.metrics.Mean(name="error")
        self._error_current = keras.metrics.Mean(name="error_current")

    @staticmethod
    def default_optimizer() -> keras.optimizers.Optimizer:
        return InnerEpsilonAdam(learning_rate=3e-3, beta_1=0.5)

    @property
    def trains_generator(self) -> bool:
        return self.objective != "supervised"

    def trained(self, name: str) -> list[Any]:
        found = super().trained(name)
        if name == "generator" and "encoded" in self.objective_needs:
            found = [*found, *self.encoder.trainable_variables]
        return found

    def own_metrics(self) -> list[keras.metrics.Metric]:
        return [*self._train_metrics, self._error, self._error_current] if self.compiled else []

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Trains, on a data set of batches or on arrays; see `GAN.fit`.

        Args:
            x: A data set of batches as the class describes; or all images, a float array
                (N, H, W, C) in `image_range`; or in-memory data as returned by `data.load`. If XLA
                compiles the steps (`jit_compile`), in-memory data are trained on in calls of up to
                25 steps, and `validation_data=x.test` is evaluated in one call. In that case
                `steps_per_execution` is ignored and batch callbacks run once per call.
            y: With arrays, the classes of the images, N integers, -1 where there is none.
            **kwargs: Arguments of `keras.Model.fit`, with arrays also `batch_size`, 32 by default
                (see `streams.from_arrays`).

        Raises:
            ValueError: Images or labels are not as the model needs them, or an argument is not for
                such data.
        """
        arrays.check_validation(self, self.num_classes, kwargs)
        if isinstance(x, InMemory):
            arrays.check_in_memory(x, self, kwargs.get("steps_per_epoch"))
            for way in (many_steps, distributed):
                if way.possible(self):
                    return way.fit(self, super().fit, x, y, **kwargs)
            x = x.train
        if arrays.is_array(x):
            x, y = streams.of_arrays(self, x, y, kwargs), None
        return super().fit(x, y, **kwargs)

    def step_not_finite(self, step: int) -> int:
        steps = self.many_steps
        broken = int(steps.broken) if steps and steps is self.train_function else -1
        return step if broken < 0 else broken

    def latent(self, n: Any) -> Any:
        """Returns n fresh latent vectors z, U[0, 1), a float tensor (n, Z)."""
        shape = (n, *self.latent_shape)
        return random.uniform(shape, self.seed_generator, self.generator.input_dtype)

    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        data = streams.checked(data, self)
        with distributed.step(self):
            report, logits = self._discriminator_step(data)
            if self.trains_generator:
                steps = [self._generator_step(data) for _ in range(self.generator_steps)]
                report["generator_loss"] = tf.add_n(steps) / len(steps)
        for metric in (*self._train_metrics, self._error):
            metric.update_state(report[metric.name])
        self.labeled(data["labeled"][1], logits)
        return self.logs(training=True)

    def logs(self, training: bool) -> dict[str, Any]:
        """Returns the means since the last `reset_metrics` by name.

        Args:
            training: Whether of `train_step`'s losses and error, or of `test_step`'s errors.
        """
        tested = [self._error, self._error_current]
        means = [*self._train_metrics, self._error] if training else tested
        return distributed.logs(means, self.labeled_results())

    def _discriminator_step(self, data):
        """Step 1; returns losses, error and logits of the labeled examples."""
        x, y = data["labeled"]
        variables = self.discriminator.trainable_variables
        report = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            values = watch(tape, variables)
            if not self.trains_generator:
                (logits,) = self._logits(x)
                loss = report["supervised_loss"] = losses.supervised(y, logits)
            else:
                u = data["unlabeled"]
                latents = self.latent(keras.ops.shape(u)[0])
                fake = self._drawn(latents)
                logits, logits_unlabeled, logits_fake = self._logits(x, u, fake)
                report["supervised_loss"] = losses.supervised(y, logits)
                report["unsupervised_loss"] = losses.unsupervised(logits_unlabeled, logits_fake)
                weighted = self.unlabeled_weight * report["unsupervised_loss"]
                loss = report["supervised_loss"] + weighted
                if self.additional_terms:
                    found = {
                        "labels": y,
                        "images_labeled": x,
                        "logits_labeled": logits,
                        "images_unlabeled": u,
                        "logits_unlabeled": logits_unlabeled,
                        "latents": full(latents),
                        "images_fake": fake,
                        "logits_fake": logits_fake,
                        "generator": self._drawn,
                        "discriminator": lambda images: self._logits(images)[0],
                        "averaged": lambda images: full(self(images, training=False)),
                        "seed_generator": self.seed_generator,
                    }
                    report[_ADDITIONAL] = objectives.total(self.additional_terms, found)
                    loss += report[_ADDITIONAL]
            loss = self.scaled("discriminator", loss)
        self.update_averages()
        self.descend("discriminator", tape.gradient(loss, values))
        report["error"] = losses.error_rate(y, logits)
        return report, logits

    def _logits(self, *batches):
        """The discriminator's logits on several batches, in one pass where that is the same.

        Where no layer couples examples, one pass over the concatenated batches has larger matrix
        products and fewer of them. Otherwise real examples must not see generated ones.
        """
        if self.couples_examples:
            return [full(self.discriminator(batch, training=True)) for batch in batches]
        sizes = [keras.ops.shape(batch)[0] for batch in batches]
        logits = self.discriminator(tf.concat(batches, axis=0), training=True)
        return tf.split(full(logits), sizes)

    def _drawn(self, latents):
        """Generated images, as training sees them."""
        return full(self.generator(latents, training=True))

    def _generator_step(self, data):
        """Step 2, once; returns the generator's loss."""
        v = data["unlabeled_generator"]
        found = self._quantities("real", v)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = watch(tape, self.trained("generator"))
            latents = self.latent(keras.ops.shape(v)[0])
            fake = self._drawn(latents)
            found.update(self._quantities("fake", fake), images_fake=fake, latents=full(latents))
            if "encoded" in self.objective_needs:
                found["encoded"] = full(self.encoder(fake, training=True))
            # Of the examples of all replicas: the loss of their means is not the mean of losses.
            found = {name: replicas.whole(found[name]) for name in self.objective_needs}
            loss = objectives.total(self.objective_terms, found)
            scaled = self.scaled("generator", loss)
        self.descend("generator", tape.gradient(scaled, watched))
        return loss

    def _quantities(self, which, images):
        """What the objective needs of real or fake images, by name."""
        found = {}
        if (name := f"features_{which}") in self.objective_needs:
            found[name] = full(self.features(images, training=True))
        if (name := f"logits_{which}") in self.objective_needs:
            (found[name],) = self._logits(images)
        return found

    def test_step(self, data: tuple[Any, Any]) -> dict[str, Any]:
        x, y = streams.checked_pair(data)
        logits = full(self(x, training=False))
        report = {
            self._error: losses.error_rate(y, logits),
            self._error_current: losses.error_rate(y, full(self.discriminator(x, training=False))),
        }
        count = tf.shape(y)[0]
        for metric, value in report.items():
            distributed.update(metric, value, count)
        self.labeled(y, logits)
        return self.logs(training=False)

    def draw_latents(self, n: int, seed: int | None) -> np.ndarray:
        source = self.seed_generator if seed is None else keras.random.SeedGenerator(seed)
        return np.asarray(random.uniform((n, *self.latent_shape), source))

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "average_rate": self.average_rate}
        return {**super().get_config(), **own, "features": self.features_layer}
