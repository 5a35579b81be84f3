"""From a recipe to an experiment, to data and to a compiled model."""

import os
from contextlib import nullcontext
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.experiment import Experiment
from improved_gan_tf.experiments.imagenet import ImageNetExperiment
from improved_gan_tf.experiments.precision import dtype_policy
from improved_gan_tf.experiments.recipe import Recipe, override
from improved_gan_tf.experiments.semi_supervised import SemiSupervisedExperiment
from improved_gan_tf.experiments.without_recipe import ModelExperiment, recipe_of
from improved_gan_tf.runs.folder import WITHOUT_RECIPE, RunFolder

EXPERIMENTS: dict[str, type[Experiment]] = {
    "semi_supervised": SemiSupervisedExperiment,
    "imagenet": ImageNetExperiment,
    WITHOUT_RECIPE: ModelExperiment,
}
"""What carries out the recipes of each kind."""


def experiment(recipe: Recipe | str) -> Experiment:
    """What carries out a recipe, given itself or its name."""
    found = recipes.get(recipe)
    return (found.experiment or EXPERIMENTS[found.kind])(found)


def recipe_of_run(folder: RunFolder) -> Any:
    """The recipe of a run, or what stands in its place; raises `UserError` as `recipes.of_run`."""
    return recipe_of(folder) if folder.without_recipe else recipes.of_run(folder)


def load_data(recipe: Recipe | str, data_dir: str | os.PathLike | None = None) -> Any:
    """Loads the data of a recipe.

    Args:
        recipe: A recipe or what names one, see `get`.
        data_dir: The TFDS data folder. None (default): see `data.open`.

    Returns:
        What `data.load` returns, or `data.load_stream` for an ImageNet recipe.
    """
    return experiment(recipe).load_data(data_dir)


def build(recipe: Recipe | str, data: Any = None, seed: int | None = None, **values: Any) -> Any:
    """Builds the compiled and initialized model of a recipe.

    Args:
        recipe: A recipe or what names one, see `get`.
        data: What `load_data`, `data.load` or `data.load_stream` returned. None (default): the
            networks have the recipe's or their own default sizes and are not initialized (see
            `layers.initialize_from_data`), and the learning rate stays constant, since the steps
            per epoch are not known.
        seed: Seed of weights, noise and latent vectors; None (default) takes the recipe's. Keras,
            NumPy and Python's `random` are seeded with it.
        **values: Values to replace in the recipe, see `override`.

    Returns:
        A `models.SemiSupervisedGAN`, or for ImageNet a `models.ImageNetGAN`.

    Raises:
        UserError: There is no such recipe, or its values make no network.

    Example:

    >>> data = ig.data.load("digits", labels_per_class=10, batch_size=50)
    >>> gan = ig.experiments.build("digits", data, seed=1, learning_rate=0.001)
    >>> gan.sample(16, seed=1).shape
    (16, 8, 8, 1)
    """
    chosen = experiment(override(recipes.get(recipe), **values))
    if data is None:
        return assemble(chosen, seed=seed)
    if isinstance(data, str | os.PathLike):
        raise UserError(
            f"build takes loaded data, not a name ({str(data)!r}); load them by "
            "experiments.load_data(recipe) or data.load(name)"
        )
    gan = assemble(chosen, data.image_shape, data.num_classes, data.steps_per_epoch, seed)
    _check_logits(chosen, gan.discriminator, data.num_classes)
    chosen.initialize(gan, data)
    return gan


def _check_logits(chosen: Experiment, discriminator: Any, num_classes: int) -> None:
    from improved_gan_tf.networks import players

    found, expected = players.output_shape(discriminator)[-1], chosen.logits(num_classes)
    if expected not in (found, None):
        raise UserError(
            f"{chosen.recipe.name}: the discriminator returns {found} logits, but for the "
            f"{num_classes} classes of the data it must return {expected}"
        )


def assemble(
    chosen: Experiment,
    image_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    steps_per_epoch: int | None = None,
    seed: int | None = None,
) -> Any:
    """The compiled model of an experiment, not yet initialized; see its methods."""
    import keras

    seed = chosen.recipe.seed if seed is None else seed
    keras.utils.set_random_seed(seed)
    if chosen.recipe.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    pair = networks(chosen, image_shape, num_classes)
    try:
        gan = chosen.model(*pair, seed)
    except ValueError as error:  # the networks do not fit together
        raise UserError(f"{chosen.recipe.name}: {' '.join(str(error).split())}") from error
    chosen.compile(gan, steps_per_epoch)
    return gan


def networks(
    chosen: Experiment, image_shape: tuple[int, ...] | None, num_classes: int | None
) -> tuple[Any, Any]:
    """The generator and the discriminator of an experiment, of the recipe's precision."""
    precision = chosen.recipe.mixed_precision
    mixed = nullcontext() if precision == "none" else dtype_policy(f"mixed_{precision}")
    with mixed:
        return chosen.networks(image_shape, num_classes)
