"""`improved-gan reproduce TABLE`: the paper's tables and games, each by one command."""

import argparse
import functools
import shlex
import warnings
from typing import Any

from improved_gan_tf.cli import minimax
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli.score import (
    add_weights_options,
    names_weights,
    one_line,
    weights_arguments,
)
from improved_gan_tf.cli.train import add_value_options, given_values
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import jobs, table_results
from improved_gan_tf.experiments.reproduce import Reproduction
from improved_gan_tf.experiments.scoring import Scoring
from improved_gan_tf.experiments.tables import IMAGES, TABLES, Order, Plan, Table, plan

_DESCRIPTION = """{title}. Every run of the table has its own folder in DIR. The same command
continues an interrupted table, and several processes with the same DIR share the runs.
DIR/table.md, table.json and table.html show the finished runs next to the paper's results."""
_DIGITS = 18  # of a number in the text of an option; Python reads no more than 4,300
_VALUES = ("data", "epochs", "learning_rate", "mixed_precision", "image_size")


def _add_reproduce(parser: Any) -> None:
    parser.choosing = "table"
    tables = parser.add_subparsers(required=True, metavar="TABLE")
    for table in TABLES.values():
        _add_table(tables, table)
    minimax.add_command(tables)
    for each in tables.choices.values():
        kinds.add_common(each)


COMMANDS: kinds.Commands = {"reproduce": _add_reproduce}


def _add_table(tables: Any, table: Table) -> None:
    description = _DESCRIPTION.format(title=table.title)
    parser = tables.add_parser(table.name, help=table.title, description=description)
    add = parser.add_argument
    add("--out", metavar="DIR", help=f"the table's folder (default runs/{table.name})")
    all_seeds = "1" if table.seeds == 1 else f"1 to {table.seeds}"
    add("--seeds", type=kinds.seed, nargs="+", metavar="N", help=f"default {all_seeds}")
    add(
        "--row-seeds",
        nargs="+",
        action="append",
        default=[],
        metavar=("ROW", "N"),
        help="the seeds of one row, in place of --seeds",
    )
    if table.scored:
        add("--rows", nargs="+", metavar="ROW", help=f"of {', '.join(r.stem for r in table.rows)}")
        _add_scoring(parser)
        parser.set_defaults(counts=None, labeled_by=None, baselines=False)
    else:
        default = " ".join(str(row.values["labels_per_class"]) for row in table.rows)
        rows = f"the rows of the table (default {default})"
        # The names of these options are those of values, of which there is one for each run.
        add(
            "--labels-per-class", dest="counts", type=kinds.count, nargs="+", metavar="N", help=rows
        )
        same = "label the same images in every run (default: a seed chooses its own)"
        add("--seed-data", dest="labeled_by", type=kinds.seed, metavar="SEED", help=same)
        baselines = "train the supervised-only baselines too"
        add("--baseline", dest="baselines", action="store_true", help=baselines)
        parser.set_defaults(rows=None)
    add("--recipe", help=f"another recipe than {table.recipe}, also a file of your own")
    add("--data-dir", help="TFDS' data folder")
    shared = "processes at once, which share the cores or have a GPU each (default 1)"
    add("--jobs", type=kinds.count, default=1, metavar="N", help=shared)
    part = "train each N-th run from the I-th on; others are trained elsewhere, with the same DIR"
    add("--shard", default="1/1", metavar="I/N", help=part)
    dry = "list the runs, time a step and say how long the rest takes; train nothing"
    add("--dry-run", action="store_true", help=dry)
    names = (*_VALUES, "steps_per_epoch") if table.scored else _VALUES
    add_value_options(parser, names)
    stopped = "; the same command continues"
    parser.set_defaults(command=functools.partial(_reproduce, table), stopped=stopped)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    inception = "score by this .keras file or SavedModel in Inception's place"
    add("--classifier", metavar="FILE", help=inception)
    add_weights_options(parser)
    number = f"images of each model that are scored (default {IMAGES:,})"
    add("--images", type=kinds.images, default=IMAGES, metavar="N", help=number)


def _reproduce(table: Table, options: argparse.Namespace) -> None:
    warnings.showwarning = one_line
    jobs.check(options.jobs)
    reproduction = _reproduction(table, options)
    reproduction.check()
    planned = reproduction.plan
    shard = (
        "" if reproduction.shard[1] == 1 else f", of which shard {options.shard} is trained here"
    )
    count = f"{len(planned.runs)} runs in {reproduction.out}{shard}"
    print(*table_results.headline(planned), count, sep="\n", flush=True)
    if options.dry_run:
        _dry_run(reproduction, options)
        return
    if options.jobs == 1:
        reproduction.prepare()
        reproduction.train()
    else:
        arguments = reproduction.arguments()
        if table.scored:  # in a process of its own: this one takes no memory of a GPU beforehand
            jobs.run(1, _prepare, arguments)
        jobs.run(options.jobs, _train, arguments)
    found = reproduction.gather()
    print("", *table_results.lines(found), sep="\n")
    print(*(f"{reproduction.out}/table.{kind}" for kind in ("md", "json", "html")), sep="\n")


def _prepare(arguments: dict[str, Any]) -> None:
    warnings.showwarning = one_line
    Reproduction(**arguments).prepare()


def _train(arguments: dict[str, Any]) -> None:
    warnings.showwarning = one_line
    Reproduction(**arguments).train(verbose=False)


def _reproduction(table: Table, options: argparse.Namespace) -> Reproduction:
    order = Order(
        table.name,
        options.recipe,
        given_values(options),
        options.seeds,
        dict(_row_seeds(row) for row in options.row_seeds),
        options.counts,
        options.rows,
        options.labeled_by,
        options.baselines,
    )
    scoring = Scoring()
    if table.scored:
        if options.classifier and names_weights(options):
            raise UserError("--classifier takes Inception's place; leave out --weights")
        scoring = Scoring(options.classifier, *weights_arguments(options), options.images)
    out = options.out or f"runs/{table.name}"
    return Reproduction(order, out, options.data_dir, scoring, _shard(options.shard))


def _row_seeds(given: list[str]) -> tuple[str, list[int]]:
    name, *seeds = given
    if not seeds or not all(map(_is_number, seeds)):
        raise UserError(f"--row-seeds takes a row and its seeds, not {_shown(' '.join(given))}")
    return name, [int(seed) for seed in seeds]


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and _is_number(part) and _is_number(parts)):
        raise UserError(f"--shard takes I/N, for example 1/4, not {_shown(text)}")
    return int(part), int(parts)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _dry_run(reproduction: Reproduction, options: argparse.Namespace) -> None:
    """Prints the runs, what is left of each, and how long that takes."""
    from improved_gan_tf.experiments.timing import epoch_seconds

    times: dict[bool, float] = {}
    total = 0.0
    mine = {run.name for run in reproduction.mine}
    for run in reproduction.plan.runs:
        state, epochs = reproduction.state(run)
        if epochs and run.name in mine:
            if run.baseline not in times:
                times[run.baseline] = epoch_seconds(run.recipe, reproduction.data_dir)
            seconds = epochs * times[run.baseline]
            total += seconds
            state += f", about {_hours(seconds)}"
        print(f"  {run.name:50s} {state}")
    for baseline, seconds in times.items():
        timed = f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"
        print(f"timed here: {timed} s per epoch{' of a baseline' if baseline else ''}")
    left = f"{_hours(total)}, one run after the other; training steps alone"
    print(f"left to train: {left if total else 'nothing'}")
    full = plan(Order(reproduction.order.table))
    try:
        seconds = epoch_seconds(full.runs[0].recipe, reproduction.data_dir)
    except UserError as error:
        hours = f"not timed: {error}"
    else:
        hours = f"{len(full.runs)} runs, {_hours(len(full.runs) * full.recipe.epochs * seconds)}"
    print(f"full length ({hours}): {_full_length(options, full)}")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.2g} h" if seconds < 36_000 else f"{seconds / 3600:,.0f} h"


def _full_length(options: argparse.Namespace, full: Plan) -> str:
    """The command of the whole table, as the paper has it."""
    words = ["improved-gan", "reproduce", full.table.name]
    for name in ("data_dir", "classifier", "weights") if full.table.scored else ("data_dir",):
        if vars(options)[name] is not None:
            words += [f"--{name.replace('_', '-')}", vars(options)[name]]
    return shlex.join(words)
