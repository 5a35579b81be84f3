"""`improved-gan train` and `improved-gan recipes`."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from improved_gan_tf import experiments
from improved_gan_tf.cli import completion, process
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipe as declared
from improved_gan_tf.experiments import recipe_file, recipes, template
from improved_gan_tf.quantities import quantity
from improved_gan_tf.runs.folder import RunFolder

_OWN = "a recipe file FILE.py, or package.module:recipe"
_GROUPS = {
    "options of all recipes": declared.Recipe,
    "options of the semi-supervised recipes": declared.SemiSupervisedRecipe,
    "options of imagenet and cifar10-samples": declared.ImageNetRecipe,
}


def _add_train(train: argparse.ArgumentParser) -> None:
    add = train.add_argument
    about = f"{', '.join(recipes.RECIPES)}, {_OWN}"
    completion.completes(add("recipe", metavar="RECIPE", help=about), recipes.RECIPES, "py")
    add("--out", help="the run's folder (default runs/RECIPE, or runs/RECIPE-seed-N)")
    add("--resume", action="store_true", help="continue the run in --out")
    add("--data-dir", help="TFDS' data folder")
    devices = "split every batch over N GPUs or, on a machine without GPUs, N logical CPU devices"
    devices += " (for several machines see TF_CONFIG)"
    add("--devices", type=kinds.workers, default=1, metavar="N", help=devices)
    add("--quiet", action="store_true", help="do not show progress")
    add_value_options(train)
    train.set_defaults(command=_train, stopped="; run it again with --resume to continue")


def _add_recipes(listing: argparse.ArgumentParser) -> None:
    named = listing.add_argument("recipe", nargs="?", metavar="RECIPE", help=f"a name, {_OWN}")
    completion.completes(named, recipes.RECIPES, "py")
    listing.add_argument(
        "--new", metavar="FILE.py", help="write a recipe of your own to begin with"
    )
    listing.set_defaults(command=_recipes, keras=False)


COMMANDS: kinds.Commands = {"train": _add_train, "recipes": _add_recipes}


def add_value_options(parser: argparse.ArgumentParser, names: Collection[str] = ()) -> None:
    """Adds an option for each value of the recipes, as it is declared, --width and --set.

    Args:
        parser: Where they are added. `given_values` reads what it parsed.
        names: The values that have one; by default all but mappings, which --set reaches.
    """
    added = set()
    for title, kind in _GROUPS.items():
        group = parser.add_argument_group(title)
        for name, value in declared.values(kind).items():
            if name not in added and (name in names if names else Mapping not in value.kinds):
                added.add(name)
                _add_option(group, name, value)
    factor = "factor of both networks' channels or units"
    parser.add_argument("--width", type=kinds.number(0, 100), help=factor)
    every = "any value of the recipe, for example discriminator.input_noise=0.2"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=every)


def _add_option(group: Any, name: str, value: declared.Value) -> None:
    defaults = {json.dumps(getattr(r, name)) for r in recipes.RECIPES.values() if name in vars(r)}
    default = defaults.pop().strip('"') if len(defaults) == 1 else "set by the recipe"
    about = {"help": f"{value.help} (default {default})", "default": argparse.SUPPRESS}
    flag = "--" + name.replace("_", "-")
    if bool in value.kinds:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, **about)
        return
    if value.bare is not None:
        about |= {"nargs": "?", "const": value.bare}
    metavar = "{" + ",".join(value.choices) + "}" if value.choices else None
    action = group.add_argument(flag, type=value.parsed, metavar=metavar, **about)
    completion.completes(action, map(str, value.choices))


def given_values(options: argparse.Namespace) -> dict[str, Any]:
    """The values whose options were given, and those of --set, for `experiments.override`."""
    known = {name for kind in _GROUPS.values() for name in declared.values(kind)}
    values = {name: value for name, value in vars(options).items() if name in known}
    if options.width is not None:
        values["generator"] = values["discriminator"] = {"width": options.width}
    return set_values(options.set, values)


def set_values(items: Iterable[str], values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns values with those of --set, texts KEY=VALUE or KEY.KEY=VALUE, added to them."""
    values = dict(values or {})
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise UserError(f"--set takes KEY=VALUE, not {item!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        except (RecursionError, ValueError):  # nested without end, or a number of 4,300 digits
            raise UserError(f"--set {key}: the value is too long to be read") from None
        key, dot, inner = key.partition(".")
        before = values.get(key, {})
        if dot and not isinstance(before, dict):
            raise UserError(f"--set {key}.{inner}: {key} is set to {before!r}; give one of the two")
        values[key] = {**before, inner: value} if dot else value
    return values


def _begun(named: str, folder: RunFolder) -> Any:
    """The recipe of the run that --resume continues, which is to be the one that is named."""
    began = recipes.of_run(folder)
    if named != began.name and (began.code is None or named != began.code.name):
        recipe = recipes.get(named)
        if began.name != recipe.name:
            raise UserError(f"{folder} holds a run of {began.name}, not of {recipe.name}")
    file = Path(named)
    if began.code and file.suffix == ".py" and file.is_file():
        if file.read_bytes() != began.code.content:
            note = f"{file} is not as the run began; it continues with its copy {folder.recipe}"
            print(f"improved-gan: {note}", file=sys.stderr)
    return began


def _train(options: argparse.Namespace) -> None:
    values, out = given_values(options), options.out
    if out is None:
        recipe = recipes.get(options.recipe)
        seed = values.get("seed", recipe.seed)
        out = f"runs/{recipe.name}" + ("" if seed == recipe.seed else f"-seed-{seed}")
    recipe = (
        _begun(options.recipe, RunFolder(out)) if options.resume else recipes.get(options.recipe)
    )
    recipe = experiments.override(recipe, **values)
    try:
        results = experiments.train(
            recipe, out, options.data_dir, options.resume, not options.quiet, options.devices
        )
    except experiments.WorkerLost as error:
        print(f"improved-gan: {error}; this one continues when all are back", file=sys.stderr)
        _start_again(options.arguments)
    if results is None:
        return  # a worker that is not the chief
    steps, time = (quantity(key).text(results[key]) for key in ("steps", "seconds"))
    print(f"\n{recipe.name}, seed {recipe.seed}: {steps} steps in {time}")
    print(*experiments.experiment(recipe).result_lines(results), sep="\n")
    print(f"run folder: {out}   (improved-gan report {out})")


def _start_again(arguments: list[str]) -> None:
    """Replaces this process by a new one that resumes: TensorFlow joins a cluster only once."""
    arguments = [*arguments, *([] if "--resume" in arguments else ["--resume"])]
    sys.stdout.flush()
    sys.stderr.flush()
    process.finished()
    # The old server's sockets would go on taking the other workers' calls.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.execv(sys.executable, [sys.executable, "-m", "improved_gan_tf", *arguments])


def _recipes(options: argparse.Namespace) -> None:
    if options.new is not None:
        if options.recipe is not None:
            raise UserError(
                "--new takes no recipe, since it always writes the same template; leave out "
                f"{options.recipe}"
            )
        print(template.write(options.new), f"(improved-gan train {options.new})", sep="   ")
        return
    if options.recipe is None:
        for recipe in recipes.RECIPES.values():
            print(f"{recipe.name:34s}{recipe.summary}")
        for name, where in recipe_file.installed().items():
            if name not in recipes.RECIPES:
                print(f"{name:34s}{where}")
        return
    recipe = recipes.get(options.recipe)
    print(f"{recipe.name}: {recipe.summary}")
    print(f"command: improved-gan train {shlex.quote(options.recipe)}")
    print(f"expected: {recipe.expected or 'not known'}\n")
    values = declared.values(type(recipe))
    for name, value in declared.flat(recipe).items():
        about = values[name].help if name in values else ""
        print(f"{name:32s} {json.dumps(value):28s} {about}".rstrip())
