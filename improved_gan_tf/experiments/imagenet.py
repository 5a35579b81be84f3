"""The ImageNet experiment: all images labeled, on one device, several or several machines."""

import os
from typing import Any

from improved_gan_tf import data as data_sets
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.experiment import Experiment


class ImageNetExperiment(Experiment):
    """Carries out an `ImageNetRecipe`, by a `models.ImageNetGAN`; see `Experiment`."""

    def load_data(self, data_dir: str | os.PathLike | None = None, data: Any = None) -> Any:
        names = ("image_size", "resize", "skip_unreadable")
        values = {name: getattr(self.recipe, name) for name in names}
        source, options = self.source(data_dir, data, **values)
        if isinstance(source, data_sets.ImageStream):
            return source
        batch_size, seed = self.recipe.batch_size, self.recipe.seed
        return data_sets.load_stream(source, batch_size=batch_size, seed=seed, **options)

    def networks(
        self, image_shape: tuple[int, ...] | None = None, num_classes: int | None = None
    ) -> tuple[Any, Any]:
        """Makes the networks, see `Experiment`; without labels there are 0 classes."""
        return super().networks(image_shape, num_classes if self.recipe.labels else 0)

    def logits(self, num_classes: int) -> int:
        return num_classes + 1 if self.recipe.labels else 1

    def model(self, generator: Any, discriminator: Any, seed: int) -> Any:
        from improved_gan_tf.models import ImageNetGAN

        gan = ImageNetGAN(generator, discriminator, seed=seed, noise=self.recipe.noise)
        if gan.labels != self.recipe.labels:
            expected = "as many logits as classes and one" if self.recipe.labels else "one logit"
            raise UserError(f"{self.recipe.name}: the discriminator must have {expected}")
        return gan

    def optimizers(self, steps_per_epoch: int | None) -> tuple[Any, Any]:
        import keras

        def adam():
            rate, beta_1 = self.recipe.learning_rate, self.recipe.beta_1
            return keras.optimizers.Adam(rate, beta_1=beta_1, epsilon=1e-8)

        return adam(), adam()

    def objective(self) -> dict[str, Any]:
        names = ("smoothing", "generator_target")
        return {name: getattr(self.recipe, name) for name in names}

    def batches(self, data: Any, first_epoch: int = 0) -> Any:
        import tensorflow as tf

        from improved_gan_tf.models import distributed

        epoch, step = divmod(first_epoch * self.recipe.steps_per_epoch, data.steps_per_epoch)
        return distributed.batches(
            tf.distribute.get_strategy(),
            lambda replicas, workers, worker: data.train(epoch, workers, worker, replicas, step),
        )

    def fit(self, gan: Any, data: Any, first_epoch: int, callbacks: list) -> None:
        """Trains the model, see `Experiment.fit`.

        Raises:
            WorkerLost: Another worker of the cluster has gone.
            UserError: An image cannot be read; its file is named.
        """
        import tensorflow as tf

        try:
            super().fit(gan, data, first_epoch, callbacks)
        except tf.errors.OpError as error:
            if isinstance(error, tf.errors.DataLossError | tf.errors.InvalidArgumentError):
                data.check()  # TensorFlow's error names no file, this one does
            raise

    @property
    def steps_per_epoch(self) -> int | None:
        return self.recipe.steps_per_epoch

    def evaluate(self, gan: Any, data: Any) -> dict[str, Any]:
        """Losses and top-1 error (with labels) on the test set and generated images, without noise.

        Raises:
            UserError: The data have no test set, or less than a batch of it.
        """
        if data.test is None:
            raise UserError(
                f"{data.name} has no test set (or less than a batch): expected a test or "
                "validation split, DIR/test or DIR/val"
            )
        logs = gan.evaluate(data.test, verbose=0, return_dict=True)
        images = data.num_test // data.batch_size * data.batch_size
        errors = {"test_error": logs.pop("error")} if self.recipe.labels else {}
        return {"test_images": images, **errors, **logs}

    def results(self, gan: Any, data: Any, folder: Any) -> dict[str, Any]:
        last = self.last_row(folder)
        return {
            **super().results(gan, data, folder),
            "train_images": data.num_train,
            **{name: last[name] for name in gan.reported if name in last},
        }
