"""The K+1-class semi-supervised GAN of section 5 as a `keras.Model`."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, random
from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.layers import couples_examples
from improved_gan_tf.models import many_steps, objectives, streams
from improved_gan_tf.models.gan import GAN, full, watch
from improved_gan_tf.networks import players
from improved_gan_tf.optimizers import InnerEpsilonAdam, debiased, update_average

AVERAGES = ("debiased", "original", "none")
_LOSSES = ("supervised_loss", "unsupervised_loss", "generator_loss")
_VALUES = ("objective", "feature_distance", "generator_steps", "unlabeled_weight")


@keras.saving.register_keras_serializable("improved_gan_tf")
class SemiSupervisedGAN(GAN):
    """Trains a classifier on labelled, unlabelled and generated images, by plain `fit`.

    `fit` takes arrays of images and labels, -1 where there is none, or a data set of batches.
    `evaluate` takes images and labels, `predict` images, both as arrays or data sets. One training
    step, on a batch {"labeled": (x, y), "unlabeled": u, "unlabeled_generator": v} (v is u where it
    is absent):

    1. the discriminator descends `losses.supervised(y, D(x))` +
       unlabeled_weight * `losses.unsupervised(D(u), D(G(z)))`, and the running average of its
       parameters takes in the values from before this update;
    2. `generator_steps` times the generator, with fresh z and the updated discriminator, descends
       `losses.feature_matching(f(v), f(G(z)))` or `losses.minibatch_generator(D(G(z)))`, or what
       `compile` is given as objective.

    Reported losses are from before the step. z is U[0, 1). All networks run in training mode: noise
    and dropout on, batch statistics in the generator. `call` and `predict` return the logits of the
    K classes by the averaged parameters (see `average`); `sample` draws images. Saving keeps both
    optimizers, the averages and the states of all random generators, so that a reloaded model
    trains on exactly as the saved one would have.

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
    >>> y[20:] = -1  # not labelled
    >>> history = gan.fit(x, y, batch_size=20, verbose=0)
    >>> sorted(gan.evaluate(x[:20], y[:20], verbose=0, return_dict=True))
    ['error', 'error_current']
    >>> gan.predict(x, verbose=0).shape, gan.sample(4, seed=1).shape
    ((40, 10), (4, 8, 8, 1))

    Source: train_mnist_feature_matching.py, train_cifar_*.py, train_svhn_*.py (their
    train_batch_disc, train_batch_gen, test_batch).
    """

    compile_values = (*GAN.compile_values, *_VALUES)
    reported = (*_LOSSES, "error", "val_error", "val_error_current")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        image_range: tuple[float, float] = (0.0, 1.0),
        average: str = "debiased",
        average_rate: float = 1e-4,
        features: str = "features",
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, seed, image_range, **kwargs)
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, not {average!r}")
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
        self.average = average
        self.average_rate = average_rate
        self.seed_generator = keras.random.SeedGenerator(seed)
        fixed = {"initializer": "zeros", "trainable": False}
        self.average_steps = self.add_weight((), dtype="int32", name="average_steps", **fixed)
        self.averages = [
            self.add_weight(v.shape, dtype=v.dtype, name="average", **fixed)
            for v in discriminator.trainable_variables
        ]
        self.couples_examples = couples_examples(discriminator)
        self.built = True

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        objective: Any = "feature_matching",
        feature_distance: str = "squared",
        generator_steps: int = 1,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        """Sets the objective and both optimizers.

        Args:
            generator_optimizer, discriminator_optimizer: See `GAN`; None (the default) for the
                MNIST recipe's `InnerEpsilonAdam(3e-3, beta_1=0.5)`.
            objective: The generator's objective, "feature_matching" (the default) or
                "minibatch_discrimination"; or "supervised": the discriminator alone is trained, on
                the labelled examples alone (the supervised-only baseline). Or a function of some of
                (features_real, features_fake, logits_real, logits_fake), an `Objective`, or a list
                of these, whose sum is the loss.
            feature_distance: "squared" (the default) or "absolute", see `losses.feature_matching`.
            generator_steps: Generator updates per discriminator update, an integer; 1 by default.
            unlabeled_weight: The weight of the unsupervised loss, a float, 1.0 by default.
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
        if generator_steps < 1:
            raise ValueError(f"generator_steps must be at least 1, not {generator_steps!r}")
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        self.objective = objective
        self.objective_terms = terms
        self.objective_needs = tuple(sorted(needs))
        self.feature_distance = feature_distance
        self.generator_steps = generator_steps
        self.unlabeled_weight = unlabeled_weight
        self.many_steps: many_steps.ManySteps | None = None
        names = _LOSSES if self.trains_generator else _LOSSES[:1]
        self._train_metrics = [keras.metrics.Mean(name=name) for name in names]
        self._error = keras.metrics.Mean(name="error")
        self._error_current = keras.metrics.Mean(name="error_current")

    @staticmethod
    def default_optimizer() -> keras.optimizers.Optimizer:
        return InnerEpsilonAdam(learning_rate=3e-3, beta_1=0.5)

    @property
    def trains_generator(self) -> bool:
        return self.objective != "supervised"

    def own_metrics(self) -> list[keras.metrics.Metric]:
        return [*self._train_metrics, self._error, self._error_current] if self.compiled else []

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Trains, on a data set of batches or on arrays; see `GAN.fit`.

        Args:
            x: A data set of batches as the class describes; or all images, a float array
                (N, H, W, C) in `image_range`; or data in memory, such as `data.load` returns: where
                XLA compiles the steps (`jit_compile`), many of them are then one call, and
                `validation_data=x.test` is another. `steps_per_execution` is then not looked at,
                and callbacks see a call as Keras has them see a batch.
            y: With arrays, the classes of the images, N integers, -1 where there is none.
            **kwargs: Arguments of `keras.Model.fit`, with arrays also `batch_size`, 32 by default
                (see `streams.from_arrays`).

        Raises:
            ValueError: Arrays without labels, or with an argument that they cannot have.
        """
        if isinstance(x, InMemory):
            if many_steps.possible(self):
                return many_steps.fit(self, super().fit, x, y, **kwargs)
            x = x.train
        if streams.is_array(x):
            refused = {"validation_split", "sample_weight", "class_weight"} & set(kwargs)
            if y is None or refused:
                what = " and ".join(sorted(refused)) or "x without y"
                raise ValueError(
                    f"fit of arrays takes no {what}: give images x, labels y with -1 for an image "
                    "without one, and validation_data=(images, labels)"
                )
            x = streams.from_arrays(x, y, kwargs.pop("batch_size", None) or 32, self.seed)
            y = None
        return super().fit(x, y, **kwargs)

    def step_not_finite(self, step: int) -> int:
        steps = self.many_steps
        broken = int(steps.broken) if steps and steps is self.train_function else -1
        return step if broken < 0 else broken

    def latent(self, n: int) -> Any:
        """Returns n fresh latent vectors z, U[0, 1), a float tensor (n, Z)."""
        shape = (n, *self.latent_shape)
        return random.uniform(shape, self.seed_generator, self.generator.input_dtype)

    def classifier_values(self, average: str | None = None) -> list[Any]:
        """Returns the values of the classifier's parameters by `average`, or by `self.average`."""
        average, variables = average or self.average, self.discriminator.trainable_variables
        if average == "debiased":
            return debiased(self.averages, variables, self.average_rate, self.average_steps)
        return self.averages if average == "original" else variables

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self._classified(inputs, training=training)

    def _classified(self, inputs, average=None, training=False):
        variables = self.discriminator.trainable_variables
        values = [keras.ops.convert_to_tensor(v) for v in self.classifier_values(average)]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return self.discriminator(inputs, training=training)

    def train_step(self, data: dict[str, Any]) -> dict[str, Any]:
        data = streams.checked(data, self.trains_generator)
        report, logits = self._discriminator_step(data)
        if self.trains_generator:
            steps = [self._generator_step(data) for _ in range(self.generator_steps)]
            report["generator_loss"] = tf.add_n(steps) / len(steps)
        for metric in (*self._train_metrics, self._error):
            metric.update_state(report[metric.name])
        self.labelled(data["labeled"][1], logits)
        return self.logs(training=True)

    def logs(self, training: bool) -> dict[str, Any]:
        """Returns the means since the last `reset_metrics` by name.

        Args:
            training: Whether of `train_step`'s losses and error, or of `test_step`'s errors.
        """
        means = [*self._train_metrics, self._error] if training else [self._error]
        means += [] if training else [self._error_current]
        return {mean.name: mean.result() for mean in means} | self.labelled_results()

    def _discriminator_step(self, data):
        """Step 1; returns losses, error and logits of the labelled examples."""
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
                fake = self._fake(u.shape[0])
                logits, logits_unlabeled, logits_fake = self._logits(x, u, fake)
                report["supervised_loss"] = losses.supervised(y, logits)
                report["unsupervised_loss"] = losses.unsupervised(logits_unlabeled, logits_fake)
                weighted = self.unlabeled_weight * report["unsupervised_loss"]
                loss = report["supervised_loss"] + weighted
            loss = self.discriminator_optimizer.scale_loss(self.penalized("discriminator", loss))
        update_average(self.averages, variables, self.average_rate)
        self.average_steps.assign_add(1)
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
        sizes = [batch.shape[0] for batch in batches]
        logits = self.discriminator(tf.concat(batches, axis=0), training=True)
        return tf.split(full(logits), sizes)

    def _fake(self, n):
        """n generated images, as training sees them."""
        return full(self.generator(self.latent(n), training=True))

    def _generator_step(self, data):
        """Step 2, once; returns the generator's loss."""
        v = data["unlabeled_generator"]
        found = self._quantities("real", v)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = watch(tape, self.generator.trainable_variables)
            fake = self._fake(v.shape[0])
            found.update(self._quantities("fake", fake))
            parts = [term(found) for term in self.objective_terms]
            loss = parts[0] if len(parts) == 1 else tf.add_n(parts)
            scaled = self.generator_optimizer.scale_loss(self.penalized("generator", loss))
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
        x, y = data
        y = tf.reshape(y, [-1])
        logits = full(self(x, training=False))
        report = {
            self._error: losses.error_rate(y, logits),
            self._error_current: losses.error_rate(y, full(self.discriminator(x, training=False))),
        }
        for metric, value in report.items():
            # Every image counts once, also in a smaller last batch (D11).
            metric.update_state(value, sample_weight=tf.shape(y)[0])
        self.labelled(y, logits)
        return self.logs(training=False)

    def error_rates(self, dataset: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        """Returns the error rates with each of the three sets of parameters, in one pass.

        They are whole counts divided by the number of images; the means of `evaluate` are rounded.

        Args:
            dataset: An iterable of batches (images, labels); every image counts once (D11).

        Returns:
            {"images": N, "error": with the debiased average, "error_current": with the current
            parameters, "error_original_average": with the original's (D10)}, errors in 0..1.
        """
        sets = {"error": "debiased", "error_current": "none", "error_original_average": "original"}

        @tf.function(jit_compile=self.jit_compile, reduce_retracing=True)
        def wrong(x, y):
            logits = [full(self._classified(x, average)) for average in sets.values()]
            return tf.stack([tf.math.count_nonzero(losses.errors(y, each)) for each in logits])

        images, counts = 0, np.zeros(len(sets), "int64")
        for x, y in dataset:
            images += len(y)
            counts += wrong(x, y).numpy()
        return {"images": images, **{k: int(c) / images for k, c in zip(sets, counts, strict=True)}}

    def draw_latents(self, n: int, seed: int | None) -> np.ndarray:
        source = self.seed_generator if seed is None else keras.random.SeedGenerator(seed)
        return np.asarray(random.uniform((n, *self.latent_shape), source))

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for i, variable in enumerate(self._random_states()):
            store[f"random_state_{i}"] = variable

    def load_own_variables(self, store: Any) -> None:
        states = self._random_states()
        for i, variable in enumerate(states):
            variable.assign(store[f"random_state_{i}"])
        own = {key: store[key] for key in store.keys() if not key.startswith("random_state_")}
        super().load_own_variables(own)

    def _random_states(self):
        """The states of all seed generators: variables that Keras does not count as weights."""
        weights = {id(v) for v in self.weights}
        return [v for v in self.variables if id(v) not in weights and "seed" in v.path]

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "average_rate": self.average_rate}
        return {**super().get_config(), **own, "features": self.features_layer}
