"""Experiments on few labels: the recipes of MNIST, the digits, CIFAR-10 and SVHN."""

import dataclasses
import math
import os
from typing import Any

import numpy as np

from improved_gan_tf import data as data_sets
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.experiment import Experiment
from improved_gan_tf.experiments.precision import dtype_policy
from improved_gan_tf.experiments.recipe import Recipe
from improved_gan_tf.quantities import BASELINE

_OF_GENERATOR = ("pull_away", "encoder_weight")
_WEIGHTS = (
    *("conditional_entropy", "consistency", "virtual_adversarial", "transformed"),
    *_OF_GENERATOR,
)
_TRANSFORMATION = ("shift", "zoom", "shear", "threshold")
_NEEDS = {
    "encoder": "encoder_weight",
    "consistency_distance": "consistency",
    "virtual_adversarial_radius": "virtual_adversarial",
    **{f"transformed_{name}": "transformed" for name in _TRANSFORMATION},
}
"""Values of losses, and the weights without which they change nothing."""


class SemiSupervisedExperiment(Experiment):
    """Carries out a `SemiSupervisedRecipe`, by a `models.SemiSupervisedGAN`; see `Experiment`."""

    classifies = True

    @property
    def generates(self) -> bool:
        return self.recipe.objective != "supervised"

    @property
    def title(self) -> str:
        return self.recipe.name if self.generates else BASELINE

    def refuse_unused(self) -> None:
        recipe = self.recipe
        if not self.generates:  # a baseline carries the values of its run
            return
        unused = {k: f"{w} above 0" for k, w in _NEEDS.items() if not getattr(recipe, w)}
        if recipe.objective == "minibatch_discrimination" and not self._own_losses:
            unused["feature_distance"] = "the objective feature_matching"
        declared = recipes.as_declared(recipe)
        for name, needed in unused.items():
            default = getattr(type(recipe), name, {})  # a mapping's is no attribute of the class
            # What a recipe declares may stay where a weight of it is set to 0.
            if getattr(recipe, name) not in (default, getattr(declared, name, default)):
                raise UserError(
                    f"{recipe.name}: {name} needs {needed}; it changes nothing otherwise, so leave "
                    "it out"
                )

    def load_data(self, data_dir: str | os.PathLike | None = None, data: Any = None) -> Any:
        recipe = self.recipe
        if recipe.labels_part == "test" and recipe.labels_file is None:
            raise UserError(f"{recipe.name} needs a file of labels: --labels-file FILE")
        size = {"image_size": recipe.image_size, "resize": recipe.resize}
        source, options = self.source(data_dir, data, **size)
        if isinstance(source, data_sets.SemiSupervisedData):
            expected = data_sets.Scaling(recipe.scaling).range
            if source.image_range != expected:
                raise UserError(
                    f"{source.name}: the images are in {source.image_range}, but the recipe's "
                    f"scaling {recipe.scaling!r} is {expected}; scale both alike"
                )
            return source
        # Minibatch features grow with the examples of a batch: tested at the size of training.
        coupled = bool(recipe.discriminator.get("minibatch_kernels"))
        names = "seed seed_data batch_size scaling labels_file labels_part balance".split()
        names += ["exclude_labeled", "validation_per_class", "labeled_batch_size"]
        if recipe.initialization != "none":
            names += ["initialization", "initialization_size"]
        return data_sets.load(
            source,
            recipe.labels_per_class,
            test_batch_size=recipe.batch_size if coupled else 500,
            **{name: getattr(recipe, name) for name in names},
            **options,
        )

    def logits(self, num_classes: int) -> int:
        return num_classes

    def model(self, generator: Any, discriminator: Any, seed: int) -> Any:
        from improved_gan_tf.models import SemiSupervisedGAN

        values = {"seed": seed, "average_rate": self.recipe.average_rate}
        values["image_range"] = data_sets.Scaling(self.recipe.scaling).range
        values["encoder"] = self._encoder(generator) if self.recipe.encoder_weight else None
        return SemiSupervisedGAN(generator, discriminator, **values)

    def _encoder(self, generator: Any) -> Any:
        """The network that finds the latent vectors of generated images, of the types of theirs."""
        from improved_gan_tf.networks import players

        shape, latents = players.output_shape(generator)[1:], players.inputs(generator)[0].shape[1:]
        sizes = {"image_shape": tuple(shape), "latent_dim": math.prod(latents)}
        with dtype_policy(generator.dtype_policy):
            return self.called(*self.network_function("encoder"), {**self.recipe.encoder, **sizes})

    def optimizers(self, steps_per_epoch: int | None) -> tuple[Any, Any]:
        from improved_gan_tf.optimizers import InnerEpsilonAdam

        recipe = self.recipe

        def adam(updates, **own):
            """For a network that is updated `updates` times per training step."""
            names = ("learning_rate", "beta_1", "beta_2")
            values = [getattr(recipe, k) if own.get(k) is None else own[k] for k in names]
            steps = None if steps_per_epoch is None else updates * steps_per_epoch
            return InnerEpsilonAdam(self._scheduled(values[0], steps), *values[1:])

        return (
            adam(
                recipe.generator_steps,
                learning_rate=recipe.generator_learning_rate,
                beta_1=recipe.generator_beta_1,
                beta_2=recipe.generator_beta_2,
            ),
            adam(1),
        )

    def _scheduled(self, rate: float, steps: int | None) -> Any:
        """The learning rate of an optimizer that makes `steps` updates per epoch."""
        import keras

        from improved_gan_tf.optimizers import FinalDecay

        recipe, decay = self.recipe, self.recipe.learning_rate_decay
        if not decay:
            if recipe.learning_rate_schedule != "linear":
                raise UserError(
                    f"{recipe.name}: learning_rate_schedule {recipe.learning_rate_schedule} needs "
                    "learning_rate_decay, the last part of the epochs, where the rate falls; 1: all"
                )
            return rate
        if recipe.learning_rate_schedule == "linear" or steps is None:
            return FinalDecay(rate, steps, recipe.epochs, decay)
        falling = max(1, round(decay * recipe.epochs * steps))
        # Keras' warm-up, here from the rate to itself, is the constant part.
        constant = recipe.epochs * steps - falling
        before = {"warmup_target": rate, "warmup_steps": constant} if constant else {}
        return keras.optimizers.schedules.CosineDecay(rate, falling, **before)

    @property
    def _own_losses(self) -> bool:
        """Whether losses() of the recipe's file is the generator's objective."""
        recipe = self.recipe
        found = recipe.code is not None and "losses" in recipe.code.functions
        if recipe.losses and not found:
            raise UserError(f"{recipe.name} has values of losses(), which its file does not define")
        return found and recipe.objective != "supervised"

    def objective(self) -> dict[str, Any]:
        names = "objective feature_distance generator_steps unlabeled_weight average_start".split()
        found = {name: getattr(self.recipe, name) for name in names}
        if self._own_losses:
            code = self.recipe.code
            function = code.functions["losses"]
            found["objective"] = self.called(f"losses of {code.path}", function, self.recipe.losses)
        given = {name: weight for name in _WEIGHTS if (weight := getattr(self.recipe, name))}
        if not given:
            return found
        if not self.generates:
            raise UserError(
                f"{self.recipe.name}: the objective supervised uses labeled images alone, and "
                f"takes no {' and no '.join(given)}"
            )
        return found | self._additional(found["objective"], given)

    def _additional(self, objective: Any, weights: dict[str, float]) -> dict[str, Any]:
        """The terms of both players that have a weight, as `SemiSupervisedGAN.compile` has them."""
        from improved_gan_tf import losses
        from improved_gan_tf.models import DiscriminatorTerm, Objective, smoothness

        recipe = self.recipe
        functions: dict[str, tuple[Any, dict[str, float]]] = {
            "conditional_entropy": (losses.conditional_entropy, {}),
            "consistency": (
                smoothness.generated_consistency,
                {"distance": recipe.consistency_distance},
            ),
            "virtual_adversarial": (
                smoothness.virtual_adversarial,
                {"radius": recipe.virtual_adversarial_radius},
            ),
            "transformed": (
                smoothness.transformed,
                {name: getattr(recipe, f"transformed_{name}") for name in _TRANSFORMATION},
            ),
            "pull_away": (losses.pull_away, {}),
            "encoder_weight": (losses.latent_likelihood, {}),
        }
        own = [*objective] if isinstance(objective, list | tuple) else [objective]
        terms = []
        for name, weight in weights.items():
            function, values = functions[name]
            if name in _OF_GENERATOR:
                own.append(Objective(function, weight))
            else:
                terms.append(DiscriminatorTerm(function, weight, **values))
        return {"objective": own, "discriminator_terms": terms}

    def compile(self, gan: Any, steps_per_epoch: int | None = None) -> None:
        """Compiles the model, see `Experiment.compile`; losses of one's own are tried at once."""
        super().compile(gan, steps_per_epoch)
        if not self._own_losses:
            return

        import keras

        images = keras.ops.zeros((2, *gan.image_shape))
        of_images = {
            "features": gan.features,
            "logits": gan.discriminator,
            "encoded": gan.encoder,
        }
        found = {"images_fake": images, "latents": keras.ops.zeros((2, *gan.latent_shape))}
        for name in set(gan.objective_needs) - set(found):
            found[name] = of_images[name.split("_")[0]](images, training=False)
        with self.recipe.code.errors():
            for term in gan.objective_terms:
                shape = tuple(keras.ops.shape(term(found)))
                if shape:
                    name = getattr(term.loss, "__name__", "a loss")
                    raise UserError(f"{name} returns shape {shape}; expected a scalar")

    def initialize(self, gan: Any, data: Any) -> None:
        from improved_gan_tf.layers import initialize_from_data

        if self.recipe.initialization == "none":
            return
        initialize_from_data(gan.discriminator, data.initialization_images)
        if self.recipe.initialize_generator:
            initialize_from_data(gan.generator, gan.latent(self.recipe.batch_size))

    def batches(self, data: Any, first_epoch: int = 0) -> Any:
        data.start_epoch = first_epoch
        return data

    def baseline(self) -> Recipe | None:
        if not self.recipe.baseline:
            return None
        names = ("score_classifier", "score_reference", "score_metrics")
        unscored = {"score_every": 0, **dict.fromkeys(names)}
        values = {"objective": "supervised", "baseline": False, **unscored}
        values |= dict.fromkeys(_WEIGHTS, 0)
        return dataclasses.replace(self.recipe, **values, expected="")

    def evaluate(self, gan: Any, data: Any) -> dict[str, Any]:
        """Error rates on the test set, in 0..1, with each of three sets of parameters.

        Returns:
            {"test_images": N, "test_error": with the debiased average, "test_error_current": with
            the current parameters, "test_error_original_average": with the average as the original
            has it (D10)}.
        """
        found = gan.error_rates(data.test)
        return {"test_images": found.pop("images"), **{f"test_{k}": v for k, v in found.items()}}

    def classify(
        self, gan: Any, images: np.ndarray, averaged: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the classes and of being real, see `Experiment`.

        With Z the sum of the exponentials of an image's logits, p(real) is Z / (Z + 1). Where
        minibatch features couple the images of a batch, they are classified as they come, in
        batches of the size of training.
        """
        size = self.recipe.batch_size if gan.couples_examples else 500
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        network = gan if averaged else gan.discriminator
        found = [network(part, training=False) for part in parts]
        logits = np.concatenate(found).astype(np.float64)
        total = np.logaddexp.reduce(logits, axis=1)
        return np.exp(logits - total[:, None]), 1 / (1 + np.exp(-total))

    def confusion(self, gan: Any, data: Any) -> np.ndarray:
        counts = np.zeros((data.num_classes, data.num_classes), int)
        for images, labels in data.test:
            found = self.classify(gan, np.asarray(images))[0].argmax(axis=1)
            np.add.at(counts, (np.asarray(labels), found), 1)
        return counts

    def results(self, gan: Any, data: Any, folder: Any) -> dict[str, Any]:
        return {
            **super().results(gan, data, folder),
            "objective": "losses()" if self._own_losses else self.recipe.objective,
            "labels": len(data.labeled_indices),
            **self.evaluate(gan, data),
            "baseline": None,
        }
