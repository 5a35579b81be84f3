"""The paper's tables, each as a declared set of runs: rows (labels or ablations) times seeds."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.ablations import ABLATIONS
from improved_gan_tf.experiments.recipe import Recipe, override, unknown
from improved_gan_tf.quantities import plain

IMAGES = 50_000
"""Images of a model that the paper scores."""

_SHORTER = ("epochs", "steps_per_epoch")
_WIDTHS = ("generator.width", "discriminator.width")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: what its runs have in common.

    Attributes:
        name: What the row is called.
        values: Its values, for `override`.
        paper: The paper's figures, {"single" or "ensemble" or "inception_score": (mean, standard
            deviation)}; errors in 0..1.
        summary: More about it, or nothing.
    """

    name: str
    values: Mapping[str, Any]
    paper: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    summary: str = ""

    @property
    def stem(self) -> str:
        """The name as folders of runs begin: "10-labels-per-class", "minus-VBN-plus-BN"."""
        words = self.name.replace("-", " minus ").replace("+", " plus ")
        return "-".join(re.findall(r"\w+", words))


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        name: What the command calls it.
        title: What it is.
        recipe: The name of the recipe that the paper's figures are of.
        rows: Its rows.
        seeds: How many seeds the paper's figures are means of; 1 where it does not say.
        scored: Whether its figures are scores of generated images; otherwise they are test errors.
        rows_of: What tells the rows of test errors apart: "labels", their number; otherwise the
            rows are called by their names, under this head.
    """

    name: str
    title: str
    recipe: str
    rows: tuple[Row, ...]
    seeds: int = 10
    scored: bool = False
    rows_of: str = "labels"


def _labels(figures: Mapping[int, tuple]) -> tuple[Row, ...]:
    """Rows of {labels of all 10 classes: (mean, deviation, those of the ensemble)} in per cent."""
    rows = []
    for labels, per_cent in figures.items():
        errors = [round(figure / 100, 6) for figure in per_cent]
        paper = dict(zip(("single", "ensemble"), (errors[:2], errors[2:]), strict=True))
        found = {name: tuple(pair) for name, pair in paper.items() if pair}
        rows.append(dataclasses.replace(_labels_row(labels // 10), paper=found))
    return tuple(rows)


def _labels_row(per_class: int) -> Row:
    return Row(f"{per_class} labels per class", {"labels_per_class": per_class})


def _ablations(deviations: Mapping[str, float]) -> tuple[Row, ...]:
    """The rows of table 3, with the deviations over ten parts that stand in the paper."""
    return tuple(
        Row(
            row.name,
            row.values,
            {} if row.paper is None else {"inception_score": (row.paper, deviations[row.name])},
            row.summary,
        )
        for row in ABLATIONS.values()
    )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "table-1",
            "MNIST: test errors with few labels",
            "mnist-feature-matching",
            _labels(
                {  # the paper counts errors among 10,000 test images
                    20: (16.77, 4.52, 11.34, 4.45),
                    50: (2.21, 1.36, 1.42, 0.96),
                    100: (0.93, 0.065, 0.86, 0.056),
                    200: (0.90, 0.042, 0.81, 0.043),
                },
            ),
        ),
        Table(
            "table-2",
            "CIFAR-10: test errors with few labels",
            "cifar10-feature-matching",
            _labels(
                {
                    1000: (21.83, 2.01, 19.22, 0.54),
                    2000: (19.61, 2.09, 17.25, 0.66),
                    4000: (18.63, 2.32, 15.59, 0.47),
                    8000: (17.72, 1.82, 14.87, 0.89),
                },
            ),
        ),
        Table(
            "svhn",
            "SVHN (figure 5): test errors with few labels",
            "svhn-feature-matching",
            _labels({500: (18.44, 4.8), 1000: (8.11, 1.3, 5.88, 1.0), 2000: (6.16, 0.58)}),
        ),
        Table(
            "table-3",
            "CIFAR-10: scores of generated images, with techniques taken away",
            "cifar10-samples",
            _ablations(
                {
                    "ours": 0.07,
                    "-VBN+BN": 0.07,
                    "-L+HA": 0.06,
                    "-LS": 0.06,
                    "-L": 0.04,
                    "-MBF": 0.03,
                }
            ),
            seeds=1,
            scored=True,
        ),
    )
}
"""The tables by name."""


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a table.

    Attributes:
        name: Name of its folder.
        row: Its row.
        recipe: Its recipe, with the seed.
        seed: The seed.
        baseline: Whether it is the supervised-only baseline of the run of the same row and seed.
    """

    name: str
    row: Row
    recipe: Recipe
    seed: int
    baseline: bool = False


@dataclasses.dataclass(frozen=True)
class Order:
    """What is asked for: a table, and what is to be otherwise than in the paper.

    Attributes:
        table: Name of one of the paper's tables, or another `Table`.
        recipe: Name of the recipe; None (default) for the table's.
        values: Values to replace in it, for `override`. Default none.
        seeds: The seeds; None (default) for 1 to as many as the paper has. A seed also chooses the
            labeled images.
        row_seeds: The seeds of some rows by names or stems, in place of `seeds`. Default none.
        labels_per_class: The rows of a table of labels; None (default) for the paper's.
        rows: Names or stems of the rows of another table; None (default) for all.
        seed_data: The seed of the labeled images, the same ones for all runs; None (default): the
            run's seed.
        baseline: Whether to train the supervised-only baselines too. Default False.
    """

    table: str | Table
    recipe: str | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] | None = None
    row_seeds: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
    labels_per_class: Sequence[int] | None = None
    rows: Sequence[str] | None = None
    seed_data: int | None = None
    baseline: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of a table, by `plan`.

    Attributes:
        table: The table.
        recipe: The recipe without the values of rows and seeds.
        rows: The rows.
        runs: All runs, in the order in which they are trained.
        reduced: What is shorter or narrower than in the paper, a phrase each.
        others: What else is other than in the paper, a phrase each.
    """

    table: Table
    recipe: Recipe
    rows: tuple[Row, ...]
    runs: tuple[PlannedRun, ...]
    reduced: tuple[str, ...]
    others: tuple[str, ...]


def plan(order: Order) -> Plan:
    """The runs of a table.

    Raises:
        UserError: There is no such table, recipe, row or value, or a seed is there twice.

    Example:

    >>> planned = plan(Order("table-1", seeds=[1, 2], labels_per_class=[10]))
    >>> [run.name for run in planned.runs], planned.reduced
    (['10-labels-per-class-seed-1', '10-labels-per-class-seed-2'], ('2 of 10 seeds',))
    """
    table = order.table
    if not isinstance(table, Table):
        if table not in TABLES:
            raise unknown("no table", table, TABLES)
        table = TABLES[table]
    original = recipes.get(order.recipe or table.recipe)
    if original.kind != recipes.get(table.recipe).kind:
        raise UserError(f"{original.name} has no values for {table.name}; choose another recipe")
    recipe = override(original, **order.values)
    for name in _own(table):
        if name in order.values:
            raise UserError(f"{table.name} sets {name} of every run itself; leave it out of --set")
    rows = _rows(table, order)
    seeds = _seeds(table, rows, order)
    if recipe.data != recipes.get(table.recipe).data:
        rows = tuple(dataclasses.replace(row, paper={}) for row in rows)
    reduced, others = _differences(table, original, recipe)
    if order.seed_data is not None:
        others.append(f"the same labeled images (seed_data {order.seed_data}) for all seeds")
    fewest = min(map(len, seeds.values()))
    if fewest < table.seeds:
        reduced.append(f"{fewest} of {table.seeds} seeds")
    runs = []
    # All rows of the first seed come first: a table that is cut off has them.
    for place in range(max(map(len, seeds.values()))):
        for row in rows:
            if place >= len(seeds[row.name]):
                continue
            seed = seeds[row.name][place]
            name, seeded = f"{row.stem}-seed-{seed}", _seeded(recipe, row, seed, order)
            runs.append(PlannedRun(name, row, seeded, seed))
            if order.baseline:
                supervised = override(seeded, objective="supervised")
                runs.append(PlannedRun(f"{name}-baseline", row, supervised, seed, True))
    return Plan(table, recipe, rows, tuple(runs), tuple(reduced), tuple(others))


def _own(table: Table) -> tuple[str, ...]:
    """The values that a table sets itself: they make no run shorter, narrower or another one."""
    return ("seed",) if table.scored else ("seed", "seed_data", "labels_per_class", "baseline")


def _rows(table: Table, order: Order) -> tuple[Row, ...]:
    if table.scored and order.labels_per_class is not None:
        raise UserError(f"{table.name} has no rows by labels; leave out --labels-per-class")
    if order.rows is not None:
        rows = tuple(_named(table, table.rows, name) for name in order.rows)
        _refuse_twice("row", [row.stem for row in rows])
        return rows
    if order.labels_per_class is None:
        return table.rows
    _refuse_twice("number of labels", order.labels_per_class)
    paper = {row.values["labels_per_class"]: row for row in table.rows}
    return tuple(paper.get(labels, _labels_row(labels)) for labels in order.labels_per_class)


def _named(table: Table, rows: Sequence[Row], name: str) -> Row:
    """The row of that name or stem."""
    for row in rows:
        if name in (row.name, row.stem):
            return row
    raise unknown(f"{table.name} has no row", name, [row.stem for row in rows])


def _seeds(table: Table, rows: Sequence[Row], order: Order) -> dict[str, tuple[int, ...]]:
    """The seeds of each row."""
    common = tuple(range(1, table.seeds + 1) if order.seeds is None else order.seeds)
    found = dict.fromkeys((row.name for row in rows), common)
    for name, seeds in order.row_seeds.items():
        found[_named(table, rows, name).name] = tuple(seeds)
    for seeds in found.values():
        _refuse_twice("seed", seeds)
    return found


def _differences(table: Table, original: Recipe, now: Recipe) -> tuple[list[str], list[str]]:
    """What of a recipe is shorter or narrower than the paper's, and what else is another."""
    reduced: list[str] = []
    others: list[str] = []
    if original.name != table.recipe:
        others.append(f"the recipe {original.name} in place of {table.recipe}")
    found = recipes.changed(original, now)
    widths = {found.pop(name, (None, None))[1] for name in _WIDTHS}
    for width in sorted(widths - {None, 1}):
        (reduced if width < 1 else others).append(f"width {width:g} in place of 1")
    for name, (before, after) in found.items():
        words = name.replace("_", " ")
        if name in _SHORTER and after < before:
            reduced.append(f"{after:,} of {before:,} {words}")
        else:
            others.append(f"{words} {plain(after)} in place of {plain(before)}")
    return reduced, others


def _refuse_twice(what: str, given: Sequence) -> None:
    if not given:
        raise UserError(f"name at least one {what}")
    for each in given:
        if list(given).count(each) > 1:
            raise UserError(f"the {what} {each} is given twice; give each once")


def _seeded(recipe: Recipe, row: Row, seed: int, order: Order) -> Recipe:
    values = {**row.values, "seed": seed}
    if "labels_per_class" in row.values:
        values |= {"seed_data": seed if order.seed_data is None else order.seed_data}
        values |= {"baseline": False}  # they are runs of their own
    return override(recipe, **values)
