"""The interface between a recipe and what is done with it."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.distribution import WorkerLost
from improved_gan_tf.experiments.recipe import Recipe, unknown
from improved_gan_tf.quantities import BASELINE, labels, quantity

_OF_IMAGES = ("score", "deviation")  # kinds of quantities: of generated images, from the log


class Experiment:
    """Carries out the recipes of one kind.

    `build`, `train` and the commands call its methods in this order:

        experiment.refuse_unused()
        data = experiment.load_data(data_dir)
        generator, discriminator = experiment.networks(data.image_shape, data.num_classes)
        gan = experiment.model(generator, discriminator, seed)
        experiment.compile(gan, data.steps_per_epoch)
        experiment.initialize(gan, data)
        experiment.fit(gan, data, first_epoch, callbacks)
        results = experiment.results(gan, data, folder)

    The generator of a run is loaded without its data, by `networks`, `model` and `compile`. To do
    something else, extend `SemiSupervisedExperiment` or `ImageNetExperiment` and override what
    differs. Errors that the user can correct are raised as `UserError`.

    Args:
        recipe: A recipe that has the values which the experiment reads.

    Attributes:
        recipe: The recipe.
        classifies: Whether its models classify single images, see `classify`.

    Example:

    >>> class Narrow(ig.experiments.SemiSupervisedExperiment):
    ...     def networks(self, image_shape=None, num_classes=None):
    ...         generator, _ = super().networks(image_shape, num_classes)
    ...         return generator, ig.networks.dense.discriminator(image_shape, num_classes, [9])
    """

    classifies: bool = False

    def __init__(self, recipe: Any):
        self.recipe: Any = recipe

    @property
    def generates(self) -> bool:
        """Whether its runs train a generator."""
        return True

    @property
    def title(self) -> str:
        """What the progress bar calls it."""
        return self.recipe.name

    def refuse_unused(self) -> None:
        """Refuses values that would change nothing, where a run begins; older runs may have them.

        Raises:
            UserError: There is one.
        """

    def load_data(self, data_dir: str | os.PathLike | None = None, data: Any = None) -> Any:
        """Opens the recipe's data, as `data.load` or `data.load_stream` returns them.

        Args:
            data_dir: TFDS' data folder, see `data.open`.
            data: Other data in their place: a name, or what these functions take or return.
        """
        raise NotImplementedError

    def source(
        self, data_dir: str | os.PathLike | None = None, data: Any = None, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns what `load_data` loads: what the recipe file's data() returns, or a name.

        Args:
            data_dir: TFDS' data folder.
            data: Other data in their place.
            **options: Arguments of `data.open`.

        Returns:
            It, and those of the arguments that apply: all for a name, none for what is open.

        Raises:
            UserError: There is neither.
        """
        found, code = self.recipe.data if data is None else data, self.recipe.code
        if data is None and code and "data" in code.functions:
            found = code.functions["data"](self.recipe, data_dir)
        if found is None:
            raise UserError(
                f"{self.recipe.name} has no data; name them by --data (digits, npz:FILE, "
                "folder:DIR, ...), or let data() in the recipe's file return them"
            )
        named = isinstance(found, str | os.PathLike)
        return found, {"data_dir": data_dir, **options} if named else {}

    def networks(
        self, image_shape: tuple[int, ...] | None = None, num_classes: int | None = None
    ) -> tuple[Any, Any]:
        """Makes the generator and the discriminator, two `keras.Model`s.

        Args:
            image_shape: (height, width, channels) of the images. None (default): as the recipe
                says, or as the networks have it by default.
            num_classes: Number of classes; None likewise.

        Raises:
            UserError: There are no such networks, or they cannot be made with these values.
        """
        import keras

        generator, discriminator = dict(self.recipe.generator), dict(self.recipe.discriminator)
        _check_sizes(generator, "generator")
        _check_sizes(discriminator, "discriminator")
        if image_shape is not None:
            generator["image_shape"] = discriminator["image_shape"] = tuple(image_shape)
        if num_classes is not None:
            discriminator["num_classes"] = num_classes
        made = []
        for part, given in (("generator", generator), ("discriminator", discriminator)):
            name, function = self.network_function(part)
            network = self.called(name, function, given)
            if not isinstance(network, keras.Model):
                raise UserError(f"the {name} is a {type(network).__name__}; expected a keras.Model")
            made.append(network)
        return made[0], made[1]

    @staticmethod
    def called(name: str, function: Callable, given: Mapping[str, Any]) -> Any:
        """Returns what a function makes of a recipe's values.

        Args:
            name: What messages call it.
            function: The function, which takes the values by keyword.
            given: The values.

        Raises:
            UserError: It takes no such value, or makes nothing of them.
        """
        known = inspect.signature(function).parameters
        for key in given:
            if key not in known and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
                raise unknown(f"the {name} has no value", key, known)
        try:
            return function(**given)
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            raise UserError(f"the {name} cannot be made: {error}") from error

    def network_function(self, part: str) -> tuple[str, Callable]:
        """What makes a network, and what messages call that: the recipe file's, or one of ours."""
        from improved_gan_tf.networks import NETWORKS

        code, name = self.recipe.code, self.recipe.network
        if code and part in code.functions:
            return f"{part} of {code.path}", code.functions[part]
        known = {
            key: vars(module)[part] for key, module in NETWORKS.items() if part in vars(module)
        }
        if name is None:
            raise UserError(
                f"{self.recipe.name} has no {part}; name a network ({', '.join(known)}), or "
                f"define {part}() in the recipe's file"
            )
        if name not in known:
            raise unknown(
                f"no network with {part}()" if name in NETWORKS else "no network", name, known
            )
        return f"{name} {part}", known[name]

    def logits(self, num_classes: int) -> int | None:
        """Returns how many logits the discriminator must have for the classes; None: any number."""
        return None

    def model(self, generator: Any, discriminator: Any, seed: int) -> Any:
        """Makes the model of both networks, not compiled, a `models.GAN`.

        Args:
            generator, discriminator: What `networks` returned.
            seed: Seed of the latent vectors and the noise.
        """
        raise NotImplementedError

    def optimizers(self, steps_per_epoch: int | None) -> tuple[Any, Any]:
        """Makes the optimizers of the generator and of the discriminator, see `compile`."""
        raise NotImplementedError

    def objective(self) -> dict[str, Any]:
        """Returns what the model's `compile` takes for this kind of recipe alone."""
        return {}

    def compile(self, gan: Any, steps_per_epoch: int | None = None) -> None:
        """Compiles the model.

        Args:
            gan: What `model` returned.
            steps_per_epoch: For learning rates that depend on the epoch. None (default): not
                known, they stay constant.

        Raises:
            UserError: TensorFlow cannot do what the recipe asks for.
        """
        import keras

        pair = self.optimizers(steps_per_epoch)
        if self.recipe.mixed_precision == "float16":
            pair = tuple(keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in pair)
        try:
            historical = {"historical_averaging": self.recipe.historical_averaging}
            compiled = {"jit_compile": self.recipe.jit_compile, **historical}
            gan.compile(*pair, **compiled, **self.objective())
        except ValueError as error:
            raise UserError(f"{self.recipe.name}: {error}") from error

    def initialize(self, gan: Any, data: Any) -> None:
        """Initializes the compiled model from data, where its networks need that."""

    def batches(self, data: Any, first_epoch: int = 0) -> Any:
        """Returns what `fit` goes through from an epoch on, a data set or data in memory."""
        raise NotImplementedError

    def fit(self, gan: Any, data: Any, first_epoch: int, callbacks: list) -> None:
        """Trains the model to the recipe's last epoch.

        Args:
            gan: The model, compiled and initialized or restored.
            data: What `load_data` returned.
            first_epoch: Epochs that are done already.
            callbacks: Keras callbacks.

        Raises:
            WorkerLost: Another worker of the cluster has gone.
        """
        import tensorflow as tf

        with gan.distribute_strategy.scope():
            batches = self.batches(data, first_epoch)
        try:
            gan.fit(
                batches,
                epochs=self.recipe.epochs,
                initial_epoch=first_epoch,
                steps_per_epoch=self.steps_per_epoch,
                validation_data=data.test,
                callbacks=callbacks,
                verbose=0,
                shuffle=False,
            )
        except tf.errors.OpError as error:
            # The error type varies if the other worker restarted before its loss was noticed.
            gone = isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError)
            gone = gone or "Collective ops is aborted" in error.message
            workers = tf.distribute.MultiWorkerMirroredStrategy
            if gone and isinstance(gan.distribute_strategy, workers):
                raise WorkerLost(
                    "another worker is gone; start every worker again with --resume"
                ) from error
            raise

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps per epoch where `batches` has no end, else None."""
        return None

    def baseline(self) -> Recipe | None:
        """Returns the recipe of a baseline that is to be trained as well, or None."""
        return None

    def evaluate(self, gan: Any, data: Any) -> dict[str, Any]:
        """Returns `test_images`, the errors and the losses, if any, of the test set by name."""
        raise NotImplementedError

    def classify(
        self, gan: Any, images: np.ndarray, averaged: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the probabilities of the classes, float (N, K), and of being real, float (N,).

        Args:
            gan: The model.
            images: float (N, H, W, C) in `gan.image_range`.
            averaged: Whether by the averaged parameters, the default, or by the current ones.

        Raises:
            UserError: The model is no classifier of single images.
        """
        raise UserError(f"{self.recipe.name} trains no classifier of single images")

    def confusion(self, gan: Any, data: Any) -> np.ndarray | None:
        """Returns the numbers of test images by class and class found, int (K, K), or None."""
        return None

    def results(self, gan: Any, data: Any, folder: Any) -> dict[str, Any]:
        """Returns what results.json holds of a finished run.

        Args:
            gan, data: The trained model and its data.
            folder: The `runs.RunFolder`, which has the log.
        """
        import keras

        last = self.last_row(folder)
        return {
            "recipe": self.recipe.name,
            "epochs": self.recipe.epochs,
            "steps": int(keras.ops.convert_to_numpy(gan.discriminator_optimizer.iterations)),
            "seconds": round(folder.seconds(), 1),
            **{k: v for k, v in last.items() if quantity(k).kind in _OF_IMAGES},
        }

    def last_row(self, folder: Any) -> dict[str, float]:
        """Returns the figures of the recipe's last epoch in the log, none where that is not there.

        Args:
            folder: The `runs.RunFolder`.
        """
        rows = [row for row in folder.rows() if float(row["epoch"]) == self.recipe.epochs]
        return {key: float(text) for row in rows for key, text in row.items() if text.strip()}

    @staticmethod
    def result_lines(results: Mapping[str, Any]) -> Iterator[str]:
        """Yields a line for each error, loss and score in what `results` or `evaluate` returned."""
        for whose, found in (("", results), (f"{BASELINE}: ", results.get("baseline") or {})):
            reported = [key for key in found if quantity(key).kind in ("error", "loss", "score")]
            for key, label in labels(reported).items():
                errors = ""
                if "test_error" in key:
                    errors = f"  ({round(found[key] * found['test_images'])} errors)"
                yield f"  {whose + label:60s}{quantity(key).text(found[key]):>9s}{errors}"


def _check_sizes(given: Mapping[str, Any], part: str) -> None:
    """Refuses sizes that no data have; those of the data take the place of others."""
    for name in set(given) & {"image_shape", "num_classes"}:
        sizes = [given[name]] if name == "num_classes" else given[name]
        whole = isinstance(sizes, list | tuple) and all(type(n) is int and n >= 1 for n in sizes)
        if not whole or (name == "image_shape" and len(sizes) != 3):
            three = "three whole numbers" if name == "image_shape" else "a whole number"
            raise UserError(f"{part}.{name} must be {three} from 1 up, not {given[name]!r}")
