"""A search of a recipe's values: every variant on every seed, tested on images of the training set.

    python tools/search.py run PLAN.json --out runs/search
    python tools/search.py time PLAN.json --out runs/search    # on a machine that does nothing else
    python tools/search.py record runs/search --out reference/results/search

A plan names a recipe, the values that all variants have, the seeds, and the values of each variant:

    {"recipe": "mnist-feature-matching", "seeds": [1, 2],
     "values": {"validation_per_class": 500, "epochs": 30},
     "variants": {"constant rate": {}, "cosine": {"learning_rate_schedule": "cosine"}}}

`run` trains what is left of it: a run in a folder of its own for every variant and seed, all
variants of the first seed first. It goes on where it was stopped, and several of them share the
runs. `time` measures what an epoch of each variant takes, and `record` writes of one or more such
folders what a reader needs: every run's errors by epoch (search.json), a table and a plot of the
errors against minutes of training. Errors are those of the last epoch, on the validation images.
"""

import argparse
import itertools
import os
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes, tables
from improved_gan_tf.experiments.reproduce import Reproduction
from improved_gan_tf.experiments.timing import epoch_seconds
from improved_gan_tf.files import temporary, write_json, write_text
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.reading import read_json

_PLAN = {"recipe": str, "seeds": [int], "values": dict, "variants": dict}
_SECONDS = "seconds.json"


def search(options):
    """The runs of a plan, as a table whose rows are the variants."""
    plan = read_json(Path(options.plan), _PLAN)
    if plan is None:
        raise UserError(f"there is no {options.plan}; expected a plan, see --help")
    if missing := [name for name in _PLAN if name not in plan]:
        raise UserError(f"{options.plan}: lacks {', '.join(missing)}; see --help")
    recipe = recipes.get(plan["recipe"])
    # A table's seeds choose the labeled images too where its rows say how many.
    labels = {"labels_per_class": getattr(recipe, "labels_per_class", None)}
    rows = []
    for name, values in plan["variants"].items():
        together = {**plan["values"], **values}
        if not together.get("validation_per_class"):
            raise UserError(
                f"{options.plan}: {name} would be chosen by the test set; give "
                "validation_per_class among the values"
            )
        rows.append(tables.Row(name, {**labels, **together}))
    about = Path(options.plan).stem, "search of values", recipe.name, tuple(rows)
    table = tables.Table(*about, rows_of="variant")
    order = tables.Order(table, recipe.name, seeds=plan["seeds"])
    return Reproduction(order, options.out, options.data_dir)


def run(options):
    """Trains what is left."""
    made = search(options)
    made.check()
    made.train()
    made.gather(ensembles=False)
    # In place of the form of the paper's tables, which has no epochs and no minutes.
    write_text(Path(options.out) / "table.md", markdown(variants_of(Path(options.out))))


def time(options):
    """Measures what an epoch of each variant takes on this machine."""
    made = search(options)
    found = {}
    for row in made.plan.rows:
        planned = next(run for run in made.plan.runs if run.row == row)
        found[row.name] = epoch_seconds(planned.recipe, options.data_dir)
        print(f"{row.name}: {found[row.name]:.3g} s per epoch", flush=True)
    Path(options.out).mkdir(parents=True, exist_ok=True)
    write_json(Path(options.out) / _SECONDS, found)


def record(options):
    """Writes search.json, search.md and search.png of the folders' finished runs, and of the
    variants that search.json has already and no folder has."""
    points = [(label, *(_number(label, each) for each in given)) for label, *given in options.point]
    variants = {}
    for folder in map(Path, options.folders):
        found = variants_of(folder)
        if both := sorted(found.keys() & variants.keys()):
            raise UserError(f"{folder}: another folder has {both[0]!r} too; rename one")
        variants.update(found)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    # Those of other days and machines, whose folders are gone.
    variants = {**(read_json(out / "search.json", {}) or {}), **variants}
    write_json(out / "search.json", variants)
    write_text(out / "search.md", markdown(variants))
    draw(variants, points, out / "search.png")


def _number(label, given):
    try:
        return float(given)
    except ValueError:
        raise UserError(f"--point {label}: {given} is no number") from None


def variants_of(folder):
    """{name: what is recorded of a variant} of the finished runs of one folder."""
    table = read_json(folder / "table.json", {"rows": list})
    if table is None:
        raise UserError(f"{folder}: holds no table.json; let `run` finish a run first")
    seconds = read_json(folder / _SECONDS, {}) or {}
    runs = {
        row["name"]: [_run(RunFolder(folder / one["name"]), one) for one in row["runs"]]
        for row in table["rows"]
    }
    return {
        name: {"seconds_per_epoch": seconds.get(name), "runs": finished}
        for name, finished in runs.items()
        if finished
    }


def _run(folder, one):
    errors = [float(row["val_error"]) for row in folder.rows()]
    config = recipes.to_config(recipes.of_run(folder))
    about = {"seed": one["seed"], "values": config["overrides"]}
    return {**about, "error": one["test_error"], "error_by_epoch": errors}


def summary(variant):
    """The epochs, minutes, mean error, spread and number of seeds of a variant."""
    runs = variant["runs"]
    errors = [each["error"] for each in runs]
    epochs = len(runs[0]["error_by_epoch"])
    seconds = variant["seconds_per_epoch"]
    spread = statistics.stdev(errors) if len(errors) > 1 else None
    return epochs, seconds and epochs * seconds / 60, statistics.mean(errors), spread, len(errors)


def markdown(variants):
    """The table, the least error first."""
    lines = ["| variant | epochs | minutes | error, % | seeds |", "|---|---|---|---|---|"]
    for name, variant in sorted(variants.items(), key=lambda pair: summary(pair[1])[2]):
        epochs, minutes, mean, spread, count = summary(variant)
        error = f"{100 * mean:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}")
        shown = "" if minutes is None else f"{minutes:.1f}"
        lines.append(f"| {name} | {epochs} | {shown} | {error} | {count} |")
    return "\n".join(lines) + "\n"


def draw(variants, points, path):
    """Plots each variant's mean error by minutes of training, and its end with the spread.

    Args:
        variants: What `record` writes.
        points: More points: a label, minutes, an error and its spread in per cent.
        path: The picture.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=colormaps["tab20"].colors)  # so many before one comes again
    for name, variant in variants.items():
        epochs, minutes, mean, spread, count = summary(variant)
        if minutes is None:
            continue
        columns = zip(*(each["error_by_epoch"] for each in variant["runs"]), strict=True)
        by_epoch = [100 * statistics.mean(column) for column in columns]
        (line,) = axes.plot([minutes * (i + 1) / epochs for i in range(epochs)], by_epoch, lw=0.8)
        bar = {"yerr": 100 * spread} if spread else {}
        label = f"{name} ({count})"
        axes.errorbar(minutes, 100 * mean, fmt="o", color=line.get_color(), label=label, **bar)
    for (label, *numbers), marker in zip(points, itertools.cycle("*sD^v"), strict=False):
        axes.errorbar(*numbers, fmt=f"k{marker}", label=label)
    axes.set(xscale="log", yscale="log", xlabel="minutes of training", ylabel="error, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set(title="mean error of the seeds (how many); the last epoch as a point")
    axes.legend(fontsize="small")
    with temporary(path) as made:
        figure.savefig(made, format="png", dpi=120)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, time):
        added = commands.add_parser(command.__name__, help=command.__doc__)
        added.add_argument("plan", help="a .json file, see above")
        added.add_argument("--out", required=True, metavar="DIR", help="the folder of the runs")
        added.add_argument("--data-dir", help="TFDS' data folder")
        added.set_defaults(command=command)
    added = commands.add_parser("record", help=record.__doc__)
    added.add_argument("folders", nargs="+", metavar="DIR", help="folders of runs")
    added.add_argument("--out", required=True, metavar="DIR", help="where the three files go")
    more = "one more point of the plot"
    names = ("LABEL", "MINUTES", "ERROR", "SPREAD")
    added.add_argument("--point", nargs=4, action="append", default=[], metavar=names, help=more)
    added.set_defaults(command=record)
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
