"""Runs of models that were made in Python without a recipe, see `callbacks.standard`."""

import dataclasses
import os
from typing import Any, ClassVar

from improved_gan_tf import data as data_sets
from improved_gan_tf.data.scaling import NAMES as SCALINGS
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.recipe import Recipe
from improved_gan_tf.experiments.semi_supervised import SemiSupervisedExperiment
from improved_gan_tf.runs.folder import WITHOUT_RECIPE, RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelRecipe(Recipe):
    """What is known of a run without a recipe: its name and its epochs; see `Recipe`.

    Attributes:
        folder: The `RunFolder`, which has the model. The other values are not those of the run.
    """

    kind: ClassVar[str] = WITHOUT_RECIPE

    folder: Any = dataclasses.field(default=None, compare=False, repr=False)


def recipe_of(folder: RunFolder) -> ModelRecipe:
    """The recipe in place of the one that the run in `folder` has not."""
    known = folder.config().get("recipe", {})
    name, epochs = known.get("name", folder.path.name), max(1, known.get("epochs", 1))
    return ModelRecipe(name=name, epochs=epochs, folder=folder)


class ModelExperiment(SemiSupervisedExperiment):
    """Evaluates the model of a run without a recipe; see `Experiment`. It does not train it."""

    generates = True  # as far as is known: no recipe says what was trained

    def load_data(self, data_dir: str | os.PathLike | None = None, data: Any = None) -> Any:
        """Opens data of the model's form, of which the test set counts.

        Raises:
            UserError: None are named, or the model is no classifier of such images.
        """
        name, known = self.recipe.name, self._data
        shape, classes = tuple(known["image_shape"]), known["num_classes"]
        if classes is None:
            raise UserError(f"{name} is no classifier of single images; sample or score it")
        if data is None:
            raise UserError(
                f"{name} has no recipe that names its data; name them by --data, in Python data="
            )
        if not isinstance(data, data_sets.SemiSupervisedData):
            data = self._loaded(data, shape, data_dir)
        found = data.image_shape, data.num_classes, data.image_range
        expected = shape, classes, tuple(known["image_range"])
        if found != expected:
            form = "images {}, {} classes, values {}"
            raise UserError(
                f"{data.name} has {form.format(*found)}, but {name} takes {form.format(*expected)}"
            )
        return data

    def _loaded(self, data: Any, shape: tuple[int, ...], data_dir: Any) -> Any:
        options: dict[str, Any] = {}
        if isinstance(data, str | os.PathLike):
            square = shape[0] == shape[1]
            options = {"image_size": shape[:2], "resize": "square" if square else "stretch"}
            options |= {"data_dir": data_dir}
        scalings = [
            scaling
            for scaling in SCALINGS
            if data_sets.Scaling(scaling).range == tuple(self._data["image_range"])
        ]
        if not scalings:
            raise UserError(
                f"no scaling makes images in {self._data['image_range']}, which "
                f"{self.recipe.name} takes; evaluate it in Python, on data that are scaled alike"
            )
        batch = self.recipe.batch_size
        return data_sets.load(
            data, None, scaling=scalings[0], batch_size=1, test_batch_size=batch, **options
        )

    @property
    def _data(self) -> dict[str, Any]:
        found = self.recipe.folder.config().get("data", {})
        if not {"image_shape", "num_classes", "image_range"} <= set(found):
            raise UserError(
                f"{self.recipe.folder}: its configuration does not say what its data are"
            )
        return found

    def networks(
        self, image_shape: tuple[int, ...] | None = None, num_classes: int | None = None
    ) -> tuple[Any, Any]:
        """Loads the model, of which these are the networks.

        Raises:
            UserError: It was not kept, or has layers or functions that are not known here.
        """
        import keras

        path = self.recipe.folder.model
        if not path.is_file():
            raise UserError(
                f"{path} is absent; make the model in Python, and give it the run's weights by "
                "RunFolder(...).restore(gan)"
            )
        try:
            try:
                self._gan = keras.saving.load_model(path)
            except Exception:  # an objective or metric of one's own; training alone needs them
                self._gan = keras.saving.load_model(path, compile=False)
        except Exception as error:  # Keras raises many kinds on classes that it does not know
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                f"{path} cannot be loaded; what it is made of must be registered by "
                f"keras.saving.register_keras_serializable and imported ({reason})"
            ) from error
        return self._gan.generator, self._gan.discriminator

    def model(self, generator: Any, discriminator: Any, seed: int) -> Any:
        return self._gan

    def compile(self, gan: Any, steps_per_epoch: int | None = None) -> None:
        """Leaves the model as it was compiled."""

    def initialize(self, gan: Any, data: Any) -> None:
        """Leaves the model as it is."""

    def classify(self, gan: Any, images: Any, averaged: bool = True) -> tuple[Any, Any]:
        if gan.num_classes is None:
            raise UserError(f"{self.recipe.name} is no classifier of single images")
        return super().classify(gan, images, averaged)
