"""Recipes and what is done with them: build a model, train it, evaluate it, load a run.

README.md beside this file is the chapter for users. TensorFlow is imported by what uses it, not
here, so that the command line's help does not wait for it.
"""

from improved_gan_tf.experiments.ablations import ABLATIONS, Ablation
from improved_gan_tf.experiments.building import build, experiment, load_data
from improved_gan_tf.experiments.distribution import WorkerLost
from improved_gan_tf.experiments.ensemble import Ensemble, ensemble
from improved_gan_tf.experiments.experiment import Experiment
from improved_gan_tf.experiments.imagenet import ImageNetExperiment
from improved_gan_tf.experiments.recipe import (
    ImageNetRecipe,
    Recipe,
    SemiSupervisedRecipe,
    override,
)
from improved_gan_tf.experiments.recipe_file import RecipeFile
from improved_gan_tf.experiments.recipes import RECIPES, get, register
from improved_gan_tf.experiments.run import (
    evaluate,
    load_generator,
    load_run,
    open_generator,
    train,
)
from improved_gan_tf.experiments.semi_supervised import SemiSupervisedExperiment

__all__ = [
    "ABLATIONS",
    "RECIPES",
    "Ablation",
    "Ensemble",
    "Experiment",
    "ImageNetExperiment",
    "ImageNetRecipe",
    "Recipe",
    "RecipeFile",
    "SemiSupervisedExperiment",
    "SemiSupervisedRecipe",
    "WorkerLost",
    "build",
    "ensemble",
    "evaluate",
    "experiment",
    "get",
    "load_data",
    "load_generator",
    "load_run",
    "open_generator",
    "override",
    "register",
    "train",
]
