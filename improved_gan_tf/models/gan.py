"""What the paper's GANs have in common: two networks, an optimizer each, sampling, files."""

import inspect
import math
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.export import export
from improved_gan_tf.keras_compat import require_tensorflow
from improved_gan_tf.layers import walk
from improved_gan_tf.layers.checks import check_at_least, check_weights
from improved_gan_tf.models import compilation, distributed
from improved_gan_tf.models.optimizers import BothOptimizers
from improved_gan_tf.networks import players
from improved_gan_tf.regularizers import HistoricalAveraging

require_tensorflow("improved_gan_tf's models")

PLAYERS = ("generator", "discriminator")

# Arguments of Keras' `compile` that would have no effect.
_NOT_OURS = ("optimizer", "loss", "loss_weights", "weighted_metrics", "auto_scale_loss")

# Callbacks that ask whether a quantity should fall; every loss and error of ours should.
_MONITORS = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)


class GAN(keras.Model):
    """A generator and a discriminator with an optimizer each; the base of the models here.

    Weight regularizers of layers count: each player minimizes its loss plus their penalties, which
    are not part of the reported losses. Losses that layers add in `call` are not taken.

    A subclass sets `built`, implements `train_step`, `default_optimizer` and `draw_latents`, and
    extends `compile` and `get_config` by what it adds.

    Args:
        generator: A `keras.Model` from one or more latent inputs (N, ...) to images (N, H, W, C):
            functional, `Sequential` or subclassed. One without a `keras.Input` must have been
            called once, so that its shapes are known.
        discriminator: A `keras.Model` from images to logits, likewise; one that was never called is
            built for the generator's images.
        seed: The seed of the latent vectors, an integer; None (the default): from Keras' own.
        image_range: The values (low, high) of the images, real and generated, that are black and
            full brightness; (0.0, 1.0) by default. It is saved with the model and exported.

    Attributes:
        image_shape: (height, width, channels) of the images.
        num_classes: The number of classes that `call` predicts; None if it is not a classifier.
        latent_range: The ends of the uniform distribution of the latent vectors.
        reported: The names of the losses and errors in the logs of `fit`, in the log's order.
        compile_values: The names of the arguments of `compile` that are saved with the model.
        histories: The historical averaging of "generator" and "discriminator"; empty without it.
        images_at_once: The number of images that the generator makes in one call of `images`.
        networks: The names of the attributes that are networks and saved with the model.

    Raises:
        ValueError: The networks do not fit together, or `image_range` is empty.
    """

    num_classes: int | None = None
    latent_range: tuple[float, float] = (0.0, 1.0)
    reported: tuple[str, ...] = ()
    compile_values: tuple[str, ...] = ("historical_averaging",)
    images_at_once: int = 500
    networks: tuple[str, ...] = PLAYERS

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        image_range: tuple[float, float] = (0.0, 1.0),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        drawn = players.output_shape(players.checked(generator, "generator"))
        takes = players.inputs(players.checked(discriminator, "discriminator", drawn))
        if len(takes) != 1 or not players.fits(drawn, takes[0].shape):
            taken = " and ".join(str(tuple(x.shape[1:])) for x in takes)
            raise ValueError(
                f"the generator draws images of shape {drawn[1:]}, but the discriminator takes "
                f"{taken}"
            )
        try:
            low, high = map(float, image_range)
        except (TypeError, ValueError):
            low = high = math.nan
        if not -math.inf < low < high < math.inf:
            raise ValueError(
                f"image_range must be (low, high) with low < high, not {image_range!r}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.seed = seed
        self.image_range = (low, high)
        self.image_shape = tuple(drawn[1:])
        self.histories: dict[str, HistoricalAveraging] = {}

    @staticmethod
    def default_optimizer() -> keras.optimizers.Optimizer:
        """Returns a new optimizer, for a player that `compile` is given none for."""
        raise NotImplementedError

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        *,
        historical_averaging: float = 0.0,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Sets both optimizers.

        Args:
            generator_optimizer: A Keras optimizer, or a name or configuration of one; None (the
                default) for `default_optimizer`.
            discriminator_optimizer: Likewise, another object; a `ValueError` if it is the same.
            historical_averaging: The weight of each player's `HistoricalAveraging` penalty (section
                3.3), a float of at least 0. With 0.0, the default, there is no penalty and no
                state. The penalty is added to the loss that is minimized, but not to the reported
                losses.
            metrics: Keras metrics, as `keras.Model.compile` takes them, or None (the default). They
                receive the labels and the logits of the K classes: of the labeled images in
                training, and of the evaluated images, with the parameters that `call` uses, in
                `evaluate` and validation.
            **kwargs: Arguments of `keras.Model.compile`. `jit_compile` is "auto" by default, with
                which `compilation.pays` decides whether XLA compiles the steps. After compiling,
                `gan.optimizer` is a `BothOptimizers`, for callbacks that set the learning rate.
        """
        if refused := [name for name in _NOT_OURS if name in kwargs]:
            own = [*list(inspect.signature(self.compile).parameters)[:-1], "historical_averaging"]
            known = ", ".join(dict.fromkeys([*own, "metrics", "jit_compile"]))
            raise ValueError(
                f"compile takes no {' and no '.join(f'{name}=' for name in refused)}: a GAN has "
                "two optimizers, and its losses are determined by its objective; valid arguments: "
                f"{known}"
            )
        active = [x.name for k in PLAYERS for x in walk(getattr(self, k)) if x.activity_regularizer]
        if active:
            raise ValueError(
                f"activity regularizers are not supported ({', '.join(active)} has one); "
                "regularize weights, or add a term to the losses"
            )
        both = [
            self.default_optimizer() if given is None else keras.optimizers.get(given)
            for given in (generator_optimizer, discriminator_optimizer)
        ]
        if both[0] is both[1]:
            raise ValueError("the generator and the discriminator need separate optimizers")
        check_weights(historical_averaging=historical_averaging)
        steps = kwargs.get("steps_per_execution", 1)
        distributed.check_compile(self.distribute_strategy, kwargs.get("jit_compile"), steps)
        self.given_jit_compile = kwargs.setdefault("jit_compile", "auto")
        if self.given_jit_compile == "auto":
            kwargs["jit_compile"] = not kwargs.get("run_eagerly") and compilation.pays(self)
        super().compile(optimizer=None, metrics=metrics, **kwargs)
        self.has_metrics = bool(metrics)
        self.metrics_config = keras.saving.serialize_keras_object(metrics)
        self.generator_optimizer, self.discriminator_optimizer = both
        self.optimizer = BothOptimizers(*both)
        self.historical_averaging = historical_averaging
        # Built now: a state that does not exist when weights are loaded would be left out.
        for player in PLAYERS:
            self.player(player)[1].build(self.trained(player))
        self.histories.clear()
        for player in PLAYERS if historical_averaging else ():
            history = HistoricalAveraging(historical_averaging, name=f"{player}_history")
            history.build(self.trained(player))
            self.histories[player] = history
        if metrics and distributed.possible(self):
            # A step of several replicas cannot make their variables.
            shape = (1, players.output_shape(self.discriminator)[-1])
            for each in super().metrics:
                if each.name == "compile_metrics":
                    each.build(tf.zeros(1, "int32"), tf.zeros(shape))

    def player(self, name: str) -> tuple[keras.Model, Any]:
        """Returns the network and the optimizer of "generator" or "discriminator"."""
        return getattr(self, name), getattr(self, f"{name}_optimizer")

    def trained(self, name: str) -> list[Any]:
        """Returns the variables that a player's optimizer moves."""
        return self.player(name)[0].trainable_variables

    def penalized(self, name: str, loss: Any) -> Any:
        """Returns what a player minimizes: its loss, the penalties of weight regularizers and,
        where it is compiled, that of historical averaging."""
        penalties = [v.regularizer(v) for v in self.trained(name) if v.regularizer]
        if name in self.histories:
            penalties.append(self.histories[name].penalty(self.trained(name)))
        for penalty in penalties:
            loss = loss + tf.cast(penalty, loss.dtype)
        return loss

    def scaled(self, name: str, loss: Any) -> Any:
        """Returns what is differentiated: the penalized loss, divided among the replicas, times the
        optimizer's loss scale."""
        return self.player(name)[1].scale_loss(distributed.share(self.penalized(name, loss)))

    def descend(self, name: str, gradients: list[Any]) -> None:
        """Moves a player by its optimizer; its parameters from before become part of the past."""
        variables = self.trained(name)
        if name in self.histories:
            self.histories[name].update(variables)
        self.player(name)[1].apply(gradients, variables)

    def own_metrics(self) -> list[keras.metrics.Metric]:
        """Returns the means of the losses and errors; a subclass implements it."""
        return []

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        given = [x for x in super().metrics if x.name == "compile_metrics"]
        return [*self.own_metrics(), *(given if self.compiled and self.has_metrics else [])]

    def labeled(self, labels: Any, logits: Any) -> dict[str, Any]:
        """Updates the metrics of `compile`; returns their results by name."""
        if self.has_metrics:
            self.compute_metrics(None, labels, logits)
        return self.labeled_results()

    def labeled_results(self) -> dict[str, Any]:
        """Returns the results of the metrics of `compile` by name."""
        own = {metric.name for metric in self.own_metrics()}
        return {name: x for name, x in self.get_metrics_result().items() if name not in own}

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit`.

        Callbacks that monitor a quantity in `reported` use `mode="min"` unless another is set.

        Args:
            x, y: The training data, see the class.
            **kwargs: Arguments of `keras.Model.fit`.
        """
        given = kwargs.get("callbacks") or []
        for callback in given if isinstance(given, list | tuple) else [given]:
            if isinstance(callback, _MONITORS) and callback.mode == "auto":
                if callback.monitor in self.reported:
                    callback.mode = "min"
        distributed.check_batches(x, self.distribute_strategy)
        history = super().fit(x, y, **kwargs)
        for name in PLAYERS:  # as Keras' fit does for its one optimizer, see use_ema
            self.player(name)[1].finalize_variable_values(self.trained(name))
        return history

    def step_not_finite(self, step: int) -> int:
        """Returns the step of an epoch after which the logs were no longer finite.

        Args:
            step: The last step, counted from 0, that the logs are of.
        """
        return step

    def save(self, filepath: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """Saves the model to a .keras file, like `keras.Model.save`. HDF5 is not supported."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                f"a GAN is saved as a .keras file, not {filepath}; its weights alone by "
                'save_weights("NAME.weights.h5")'
            )
        super().save(filepath, *args, **kwargs)

    def export(self, filepath: str | os.PathLike, format: str = "savedmodel") -> Path:
        """Writes the generator for serving, see `export.export`; returns the path.

        Args:
            filepath: A folder, or the file of another format.
            format: "savedmodel" (the default; Keras' "tf_saved_model" is the same), "onnx" or
                "litert".
        """
        return export(self, filepath, "savedmodel" if format == "tf_saved_model" else format)

    @property
    def trains_generator(self) -> bool:
        """Whether training, as compiled, changes the generator."""
        return True

    def serving_generator(self) -> keras.Model:
        """Returns the generator as it is sampled and exported: no image depends on another."""
        return self.generator

    def draw_latents(self, n: int, seed: int | None) -> Any:
        """Draws the latents of `latent_vectors`; a subclass implements it."""
        raise NotImplementedError

    def latent_vectors(self, n: int, seed: int | None = None) -> Any:
        """Draws the latent vectors of `sample`.

        Args:
            n: The number of images, an integer from 1.
            seed: An integer, which always gives the same vectors, or None (the default), with which
                every call draws new ones from the random state of the model or of Keras.

        Returns:
            A float array (n, ...); where the generator has several inputs, a list of them.
        """
        check_at_least(1, n=n)
        return self.draw_latents(n, seed)

    def images(self, latents: Any, batch_statistics: bool = False) -> np.ndarray:
        """Returns the generator's images of latent vectors.

        Args:
            latents: What `latent_vectors` returns, or as many vectors of your own.
            batch_statistics: Whether these images are normalized by their own statistics, as the
                original's samples are (D7), rather than by the running averages, the default.

        Returns:
            A float array (n, H, W, C) in `image_range`.
        """
        if batch_statistics:
            # In a scope of its own: drawing samples must not move the running averages.
            states = self.generator.non_trainable_variables
            values = [(v, keras.ops.convert_to_tensor(v)) for v in states]
            with keras.StatelessScope(state_mapping=values):
                return np.asarray(self.generator(latents, training=True))
        generator, at_once = self.serving_generator(), self.images_at_once

        def piece(start):
            return keras.tree.map_structure(lambda z: z[start : start + at_once], latents)

        # Called, not `predict`: that costs a tenth of a second before its first image.
        starts = range(0, len(keras.tree.flatten(latents)[0]), at_once)
        return np.concatenate([np.asarray(generator(piece(start))) for start in starts])

    def sample(self, n: int, seed: int | None = None, batch_statistics: bool = False) -> np.ndarray:
        """Draws images; see `latent_vectors` and `images` for arguments and result."""
        return self.images(self.latent_vectors(n, seed), batch_statistics)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **{name: serialize(getattr(self, name)) for name in self.networks},
            "seed": self.seed,
            "image_range": list(self.image_range),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "GAN":
        networks = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in cls.networks
            if config.get(name) is not None
        }
        return cls(**{**config, **networks})

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self.compiled:
            return None
        optimizers = ("generator_optimizer", "discriminator_optimizer")
        serialize = keras.saving.serialize_keras_object
        return {
            **{k: serialize(getattr(self, k)) for k in optimizers},
            **{k: serialize(getattr(self, k)) for k in self.compile_values},
            "jit_compile": self.given_jit_compile,  # "auto" may be another choice elsewhere
            **({"metrics": self.metrics_config} if self.has_metrics else {}),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))


def full(x: Any) -> Any:
    """x in float32 at least: losses and means are not for the low type of mixed precision."""
    return tf.cast(x, keras.backend.result_type(x.dtype, "float32"))


def watch(tape: tf.GradientTape, variables: list[Any]) -> list[Any]:
    """Has the tape record what is done with `variables`; returns their tensors."""
    values = [v.value for v in variables]
    tape.watch(values)
    return values
