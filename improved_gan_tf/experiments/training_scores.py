"""Scores of the generated images while a run trains."""

import os
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.recipe import Recipe


def callback(recipe: Recipe, gan: Any, data_dir: str | os.PathLike | None = None) -> Any:
    """What scores the generator as the recipe's `score_...` values say.

    All that it needs is read here, so that what is absent stops no training.

    Args:
        recipe: The recipe.
        gan: The model.
        data_dir: TFDS' data folder, for a reference that is a data set.

    Returns:
        A `metrics.ScoreCallback`; None where the recipe wants no scores.

    Raises:
        UserError: The classifier, or the images to compare with, cannot be used.
    """
    if not recipe.score_every:
        values = ("score_classifier", "score_reference", "score_metrics")
        given = [name for name in values if getattr(recipe, name)]
        if given:
            raise UserError(f"{given[0]} needs score_every, the epochs from one score to the next")
        return None
    if not gan.trains_generator:
        raise UserError("score_every: the objective supervised trains no generator")

    from improved_gan_tf import data, metrics
    from improved_gan_tf.metrics.statistics_file import is_statistics_file

    reference: Any = recipe.score_reference
    if reference is not None and not is_statistics_file(reference):
        reference = data.as_images(reference, data_dir=data_dir)
    names: Any = recipe.score_metrics
    if names is not None and names.strip() != metrics.ALL:
        names = tuple(names.replace(",", " ").split())
    return metrics.ScoreCallback(
        recipe.score_images,
        recipe.score_every,
        classifier=recipe.score_classifier,
        reference=reference,
        metrics=names,
    )
