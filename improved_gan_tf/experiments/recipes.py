"""Recipes by name, the package's (`catalog`) and users' own, and as a run keeps them."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import catalog, recipe_file
from improved_gan_tf.experiments.recipe import KINDS, Recipe, flat, unknown, values
from improved_gan_tf.experiments.recipe_file import RecipeFile
from improved_gan_tf.runs.folder import WITHOUT_RECIPE, RunFolder

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in catalog.ALL}
"""The recipes by name; `register` adds to them."""
_OURS = frozenset(RECIPES)


def get(name: str | os.PathLike | Recipe) -> Any:
    """The recipe of that name; a recipe is returned as it is.

    Args:
        name: In this order: a name in `RECIPES`, a file FILE.py, package.module:recipe, or the name
            of an installed package's entry point "improved_gan_tf.recipes". A file is executed.

    Raises:
        UserError: There is none; the message suggests the nearest name and lists all. Or a file
            is not there, raises an error or has no recipe.
    """
    if isinstance(name, Recipe):
        return name
    name = os.fspath(name)
    if name in RECIPES:
        return RECIPES[name]
    if name.endswith(".py") or ":" in name:
        return recipe_file.load(name)
    installed = recipe_file.installed()
    if name in installed:
        return recipe_file.load(installed[name])
    raise unknown("no recipe", name, {**RECIPES, **installed})


def register(recipe: Recipe, experiment: Any = None) -> None:
    """Makes a recipe available by its name in this process.

    A run of it can only be loaded in a process that registers the recipe too. For use with the
    command line, write the recipe to a file instead; the run keeps a copy of the file.

    Args:
        recipe: A recipe with a name of its own. One that was registered before is replaced.
        experiment: The class of `Experiment` that carries it out; None (default): the recipe's.

    Raises:
        UserError: The name is that of a recipe of the package.

    Example:

    >>> recipe = dataclasses.replace(ig.experiments.get("digits"), name="short", epochs=5)
    >>> ig.experiments.register(recipe)
    >>> ig.experiments.get("short").epochs
    5
    """
    if recipe.name in _OURS:
        raise UserError(f"{recipe.name} is a recipe of improved_gan_tf; choose another name")
    RECIPES[recipe.name] = dataclasses.replace(recipe, experiment=experiment or recipe.experiment)


def changed(began: Recipe, now: Recipe) -> dict[str, tuple[Any, Any]]:
    """{name: (value, value)} of what differs between two recipes, see `flat`."""
    a, b = flat(began), flat(now)
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def as_declared(recipe: Recipe) -> Recipe | None:
    """The recipe as its file, or `RECIPES`, has it, without other values; None: not known here."""
    return recipe.code.recipe if recipe.code else RECIPES.get(recipe.name)


def other_file(began: Recipe, now: Recipe) -> bool:
    """Whether two recipes come from files of different content, or one of them from none."""
    return (began.code and began.code.sha256) != (now.code and now.code.sha256)


def to_config(recipe: Recipe) -> dict[str, Any]:
    """What a run's config.json says of its recipe."""
    code, carried_out = recipe.code, recipe.experiment
    original = as_declared(recipe)
    differing = changed(original, recipe) if original else flat(recipe)
    given = {name: getattr(recipe, name) for name in values(type(recipe))}
    config = {
        "kind": recipe.kind,
        # `expected` is not saved: it is read from the recipe of the installed version.
        "recipe": {"name": recipe.name, "summary": recipe.summary, **given},
        "overrides": {name: value for name, value in flat(recipe).items() if name in differing},
    }
    if carried_out is not None:
        config["experiment"] = f"{carried_out.__module__}.{carried_out.__qualname__}"
    return {**config, "code": code.described()} if code else config


def from_config(config: Mapping[str, Any], code: RecipeFile | None = None) -> Any:
    """The recipe that `to_config` wrote.

    Args:
        config: What `to_config` returned.
        code: The recipe's file, where it has one.

    Raises:
        UserError: There is none (see `callbacks.standard`), it has values that this version does
            not know, or it has an experiment that is not registered here.
    """
    if config.get("kind") == WITHOUT_RECIPE:
        raise UserError(
            "the run has no recipe because its model was built in Python; continue it there with "
            "callbacks.standard(..., resume=True)"
        )
    given = config.get("recipe")
    given = given if isinstance(given, dict) else {}
    original = code.loaded() if code else RECIPES.get(str(given.get("name")))
    kind = str(config.get("kind") or (original and original.kind))  # 0.1.0 wrote no kind
    if original and original.kind != kind:
        original = None
    if "experiment" in config and not (original and original.experiment):
        raise UserError(
            f"the recipe {given.get('name')!r} is carried out by {config['experiment']}; pass both "
            "to experiments.register first, or train from a recipe file, which the run keeps"
        )
    # A value that this version has added has its default in an older run.
    with contextlib.suppress(TypeError):
        if original:
            own = {"experiment": original.experiment, "code": original.code}
            return type(original)(**given, **own)
        if kind in KINDS and not code:
            return KINDS[kind](**given, experiment=None, code=None)
    raise UserError("config.json holds no recipe of this version of improved_gan_tf")


def of_run(folder: RunFolder) -> Any:
    """The recipe that a run began with; executes the run's copy of its file, if it has one.

    Raises:
        UserError: The folder is not a run's, its file is not the one that the run began with, or
            see `from_config`.
    """
    config, content = folder.config(), folder.code()
    code = None
    if content is not None:
        about = [str(config["code"].get(k)) for k in ("name", "package", "attribute")]
        code = RecipeFile(about[0], content, folder.recipe, *about[1:])
    try:
        return from_config(config, code)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
