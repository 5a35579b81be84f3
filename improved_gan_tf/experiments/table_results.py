"""What a table says: means over seeds, ensembles, the paper's figures; as JSON, text and a page."""

import contextlib
import datetime
import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.ensemble import ensemble
from improved_gan_tf.experiments.jobs import cores
from improved_gan_tf.experiments.tables import Plan, Row
from improved_gan_tf.files import write_json, write_text
from improved_gan_tf.quantities import BASELINE
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.reading import read_json
from improved_gan_tf.runs.recorded import recorded
from improved_gan_tf.runs.schema import TABLE
from improved_gan_tf.runs.software import software

_JSON, _TEXT, _PAGE, _MADE = "table.json", "table.md", "table.html", "made.json"
_ERRORS = ("test_error", "test_error_current")
# How many runs the paper's mean errors are of, and the level of the test of a difference from them.
_PAPERS_RUNS, _LEVEL = 10, 0.05
# What of a run's results is no time and no place: the same for the same run, bit for bit.
_KEPT = ("epochs", "steps", "labels", "test_images", *_ERRORS, "inception_score", "fid")


def summary(
    plan: Plan,
    finished: Mapping[str, Mapping[str, Any]],
    scored_by: Mapping[str, Any] | None = None,
    real: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of table.json, without ensembles.

    It depends on the runs alone, not on when, where and how often they were stopped.

    Args:
        plan: The table.
        finished: {name: results, and scores where the table has them} of the finished runs.
        scored_by: What the scores were computed by and of.
        real: The score of the real test images.
    """
    whole = {
        "table": plan.table.name,
        "title": plan.table.title,
        "recipe": plan.recipe.name,
        "rows_of": plan.table.rows_of,
        "reduced": list(plan.reduced),
        "others": list(plan.others),
        "scored_by": scored_by,
        "real": real,
        "runs": len(plan.runs),
        "unfinished": [run.name for run in plan.runs if run.name not in finished],
        "rows": [_row(plan, row, finished) for row in plan.rows],
    }
    return recorded(whole)  # what is named by a path, by its last part


def _row(plan: Plan, row: Row, finished: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    runs: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for run in plan.runs:
        if run.row == row and run.name in finished:
            kept = {key: finished[run.name][key] for key in _KEPT if key in finished[run.name]}
            runs[run.baseline].append({"name": run.name, "seed": run.seed, **kept})
    paper = {key: dict(zip(("mean", "std"), p, strict=True)) for key, p in row.paper.items()}
    same_data = plan.recipe.data == recipes.get(plan.table.recipe).data
    single = _means(runs[False])
    return {
        "name": row.name,
        "summary": row.summary,
        "paper": paper,
        "planned": [run.name for run in plan.runs if run.row == row and not run.baseline],
        "labels": max((run.get("labels", 0) for run in runs[False]), default=0) or None,
        "single": single,
        "difference": _difference(single, paper.get("single")) if same_data else None,
        "ensemble": None,
        "baseline": _means(runs[True]),
        "runs": runs[False],
        "baseline_runs": runs[True],
    }


def _means(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """{"count", key: {"mean", "std"}} over runs; std is of a sample, None of a single run."""
    if not runs:
        return None
    found: dict[str, Any] = {"count": len(runs)}
    for key in (*_ERRORS, "inception_score", "fid"):
        if all(key in run for run in runs):
            each = [run[key]["mean"] if key == "inception_score" else run[key] for run in runs]
            spread = statistics.stdev(each) if len(each) > 1 else None
            found[key] = {"mean": statistics.mean(each), "std": spread}
    return found


def _difference(
    single: Mapping[str, Any] | None, paper: Mapping[str, float] | None
) -> dict[str, Any] | None:
    """{"mean": ours - the paper's, "p", "says"} of the test errors, by Welch's t-test."""
    from scipy import stats

    ours = (single or {}).get("test_error")
    if single is None or ours is None or paper is None or ours["std"] is None:
        return None
    given = (ours["mean"], ours["std"], single["count"], paper["mean"], paper["std"], _PAPERS_RUNS)
    p = float(stats.ttest_ind_from_stats(*given, equal_var=False).pvalue)
    mean = ours["mean"] - paper["mean"]
    says = "equal" if p >= _LEVEL else "better" if mean < 0 else "worse"
    return {"mean": mean, "p": p, "says": says}


def add_ensembles(
    table: dict[str, Any], out: str | os.PathLike, data_dir: str | None, evaluate: bool
) -> None:
    """Adds the ensembles of the rows of test errors whose runs are all finished.

    One that is known, of the same runs, is taken from table.json.

    Args:
        table: What `summary` returned.
        out: The table's folder.
        data_dir: TFDS' data folder.
        evaluate: Whether to evaluate those that are not known.
    """
    known: dict[str, Any] = {}
    with contextlib.suppress(UserError, KeyError, TypeError):  # not a table of this version
        before = read_json(Path(out) / _JSON, TABLE) or {"rows": []}
        known = {row["name"]: row for row in before["rows"]}
    for row in table["rows"]:
        names = [run["name"] for run in row["runs"]]
        if table["scored_by"] is not None or len(names) < 2 or names != row["planned"]:
            continue
        old = known.get(row["name"], {})
        if old.get("runs") == row["runs"] and {"count", "labels", *_ERRORS} <= {
            *(old.get("ensemble") or ())
        }:
            row["ensemble"] = old["ensemble"]
        elif evaluate:
            found = ensemble([Path(out) / name for name in names], data_dir, kept=True)
            labels = _labels_in_all(out, names)
            row["ensemble"] = {"count": len(names), "labels": labels}
            row["ensemble"] |= {key: found[key] for key in _ERRORS}


def _labels_in_all(out: str | os.PathLike, names: Sequence[str]) -> int | None:
    """How many images were labeled in one run or another."""
    found = [RunFolder(Path(out) / name).labeled_indices() for name in names]
    return len(set().union(*(each.tolist() for each in found if each is not None)))


def headline(plan: Plan) -> list[str]:
    """The title of a table, and what is otherwise than in the paper."""
    return [_title(plan.table.name, plan.table.title, plan.reduced)] + _differences(
        plan.reduced, plan.others
    )


def _title(name: str, title: str, reduced: Sequence[str]) -> str:
    return f"{name}{' (reduced)' if reduced else ''}: {title}"


def _differences(reduced: Sequence[str], others: Sequence[str]) -> list[str]:
    said = [f"Reduced: {', '.join(reduced)}."] if reduced else []
    return said + ([f"Other than in the paper: {', '.join(others)}."] if others else [])


def notes(table: Mapping[str, Any]) -> list[str]:
    """Sentences that belong to every form of the table."""
    said = _differences(table["reduced"], table["others"])
    by = table["scored_by"]
    if by:
        digest = str(by["classifier_digest"])[:19]
        said.append(f"Scored by {by['classifier']} ({digest}...), {by['images']:,} images a model.")
        if not by["classifier"].startswith("inception"):
            said[-1] += " These scores are not comparable with those of Inception, the paper's."
    if table["unfinished"]:
        left = len(table["unfinished"])
        said.append(f"Not finished: {left} of the {table['runs']} runs.")
    if any(row["difference"] for row in table["rows"]):
        said.append(
            "Better or worse than the paper: significant at 5 % in Welch's t-test, which takes the "
            "paper's deviation as that of ten runs; equal: the difference is not significant."
        )
    seen = [row for row in table["rows"] if row["ensemble"] and row["ensemble"]["labels"]]
    if any(row["ensemble"]["labels"] > row["labels"] for row in seen):
        said.append(
            "The runs of an ensemble use different labeled images, so the ensemble has seen more "
            "labels than a single run; use --seed-data to label the same images in all runs."
        )
    return said


def cells(table: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The heads of the columns, and the rows, as people read them."""
    if table["scored_by"] is not None:
        return _score_cells(table)
    rows, of = table["rows"], table["rows_of"]
    columns = {
        of: [
            f"{row['labels']:,}" if row["labels"] and of == "labels" else row["name"]
            for row in rows
        ],
        "paper": [_error(row["paper"].get("single")) for row in rows],
        "paper, ensemble of 10": [_error(row["paper"].get("ensemble")) for row in rows],
        "ours": [_mean_error(row["single"], counted=True) for row in rows],
        "than the paper": [_than(row["difference"]) for row in rows],
        "ours, ensemble": [_ensemble(row) for row in rows],
        BASELINE: [_mean_error(row["baseline"], counted=False) for row in rows],
    }
    absent = {name for name in ("than the paper", BASELINE) if not any(columns[name])}
    head = [name for name in columns if name not in absent]
    return head, [list(texts) for texts in zip(*(columns[name] for name in head), strict=True)]


def _mean_error(means: Mapping[str, Any] | None, counted: bool) -> str:
    return _error(means["test_error"], means["count"] if counted else None) if means else ""


def _than(difference: Mapping[str, Any] | None) -> str:
    if not difference:
        return ""
    p = difference["p"]
    return f"{difference['says']} (p {'< 0.001' if p < 0.001 else f'= {p:.2g}'})"


def _score_cells(table: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    real = table["real"]
    paper = "11.24 +- 0.12" if any(row["paper"] for row in table["rows"]) else ""
    rows = [["real test images", paper, _score(real and real["inception_score"]), ""]]
    for row in table["rows"]:
        single = row["single"] or {}
        count = single.get("count")
        score, distance = single.get("inception_score"), single.get("fid")
        if count == 1:  # its spread over the parts of its images, as the paper's
            score = row["runs"][0]["inception_score"]
        cell = [row["name"], _score(row["paper"].get("inception_score")), _score(score, count)]
        rows.append([*cell, _score(distance)])
    return ["model", "paper, Inception score", "ours, score", "ours, FID"], rows


def _score(figure: Mapping[str, Any] | None, count: int | None = None) -> str:
    if not figure:
        return ""
    text = f"{figure['mean']:.2f}"
    text += "" if figure.get("std") is None else f" +- {figure['std']:.2f}"
    return text + (f" ({count} runs)" if count and count > 1 else "")


def _error(figure: Mapping[str, Any] | None, count: int | None = None) -> str:
    if not figure:
        return ""
    text = _per_cent(figure["mean"])
    text += "" if figure["std"] is None else f" +- {_per_cent(figure['std'])}"
    return f"{text} %" + (f" ({count})" if count else "")


def _ensemble(row: Mapping[str, Any]) -> str:
    found = row["ensemble"]
    if not found:
        return ""
    labels = (
        f", {found['labels']:,} labels" if (found["labels"] or 0) > (row["labels"] or 0) else ""
    )
    return f"{_per_cent(found['test_error'])} % ({found['count']} runs{labels})"


def _per_cent(value: float) -> str:
    """Two digits after the point; a third, where it is not 0, below 0.1: the paper has 0.065."""
    text = f"{100 * value:.{2 if value >= 0.001 else 3}f}"
    return text.removesuffix("0") if value < 0.001 else text


def lines(table: Mapping[str, Any]) -> list[str]:
    """The table as lines of plain text."""
    head, rows = cells(table)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    found = [_title(table["table"], table["title"], table["reduced"])]
    for row in (head, *rows):
        found.append("  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip())
    return found + notes(table)


def markdown(table: Mapping[str, Any]) -> str:
    """The content of table.md."""
    head, rows = cells(table)
    parts = [f"# {_title(table['table'], table['title'], table['reduced'])}", *notes(table)]
    written = [head, ["---"] * len(head), *rows]
    parts.append("\n".join("| " + " | ".join(row) + " |" for row in written))
    meant = [f"- {name}: {summary}" for name, summary in _summaries(table).items()]
    parts += ["\n".join(meant)] if meant else []
    return "\n\n".join(parts) + "\n"


def _summaries(table: Mapping[str, Any]) -> dict[str, str]:
    return {row["name"]: row["summary"] for row in table["rows"] if row["summary"]}


def _caption(table: Mapping[str, Any]) -> str:
    if table["scored_by"] is not None:
        return "Mean +- standard deviation over ten parts of the images, or over several runs."
    return "Test errors: mean +- standard deviation over the seeds, and how many these are."


def write(table: Mapping[str, Any], out: str | os.PathLike) -> None:
    """Writes table.json and table.md into the table's folder."""
    write_json(Path(out) / _JSON, table)
    write_text(Path(out) / _TEXT, markdown(table))


def write_page(table: Mapping[str, Any], plan: Plan, out: str | os.PathLike) -> None:
    """Writes table.html, and made.json: when, where and by what the table was made."""
    from improved_gan_tf.runs.report.table import table_page

    folders: dict[str, list[Path]] = {}
    for run in plan.runs:
        name = f"{run.row.name}{f', {BASELINE}' if run.baseline else ''}"
        folders.setdefault(name, []).append(Path(out) / run.name)
    runs = [RunFolder(folder) for of_row in folders.values() for folder in of_row]
    seconds = {run.path.name: round(run.seconds(), 1) for run in runs if run.finished}
    made = {
        **recorded(software()),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "training_hours": round(sum(seconds.values()) / 3600, 2),
    }
    title = _title(table["table"], table["title"], table["reduced"])
    about = title, _caption(table), notes(table), *cells(table), folders, _summaries(table), made
    write_text(Path(out) / _PAGE, table_page(*about))
    write_json(Path(out) / _MADE, {**made, "seconds": seconds})


def machine() -> str:
    """The processor and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
        name = found[0] if found else name
    return f"{name}, {cores()} cores, {platform.system()}"
