"""tools/compare_baseline.py: its table, its plot, and what it refuses."""

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image

from tests.helpers.paths import ROOT

TOOL = ROOT / "tools/compare_baseline.py"
COLUMNS = (
    "epoch,steps,seconds,supervised_loss,unsupervised_loss,generator_loss,error,val_error,"
    "val_error_current,learning_rate"
)


def write_run(folder, seed, errors, objective="feature_matching", recipe="digits"):
    """A run's folder, with what the tool reads of one."""
    folder.mkdir(parents=True)
    config = {"recipe": {"name": recipe, "seed": seed, "objective": objective}}
    (folder / "config.json").write_text(json.dumps(config))
    losses = "," if objective == "supervised" else ".5,.25"
    lines = [
        f"{k},{25 * k},1.25,1.5,{losses},.2,{error},{error / 2},.003"
        for k, error in enumerate(errors, start=1)
    ]
    (folder / "log.csv").write_text("\n".join([COLUMNS, *lines, ""]))


def compare(*arguments):
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_table_and_plot(tmp_path):
    """Every epoch of both runs of both seeds is in the table, in order, and the plot opens."""
    for seed in (1, 2):
        run = tmp_path / f"seed-{seed}"
        write_run(run, seed, [0.4, 0.1 * seed])
        write_run(run / "baseline", seed, [0.5, 0.4, 0.3], "supervised")
    found = compare(tmp_path / "seed-1", tmp_path / "seed-2", "--out", tmp_path / "both")
    assert found.returncode == 0, found.stderr
    with open(tmp_path / "both.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["seed"], r["objective"], r["epoch"]) for r in rows] == [
        (seed, objective, str(epoch))
        for seed in "12"
        for objective, epochs in (("feature_matching", 2), ("supervised", 3))
        for epoch in range(1, epochs + 1)
    ]
    assert [r["error_averaged"] for r in rows[5:7]] == ["0.4000", "0.2000"]
    assert [r["error_current"] for r in rows[5:7]] == ["0.2000", "0.1000"]
    assert rows[0]["unsupervised_loss"] == "0.5" and rows[2]["unsupervised_loss"] == ""
    assert rows[1]["steps"] == "50" and rows[1]["seconds"] == "1.2"
    with Image.open(tmp_path / "both.png") as image:
        image.load()


@pytest.mark.parametrize("case", ["absent", "no baseline", "no epoch", "two recipes"])
def test_refusals(tmp_path, case):
    """One line, exit code 2, nothing written."""
    runs = [tmp_path / "one", tmp_path / "two"]
    if case != "absent":
        for run, recipe in zip(runs, ("digits", "mnist-feature-matching"), strict=True):
            write_run(run, 1, [] if case == "no epoch" else [0.4], recipe=recipe)
            (run / "samples").mkdir()
            if case != "no baseline":
                write_run(run / "baseline", 1, [0.5], "supervised", recipe)
    expected = {
        "absent": "there is no run folder",
        "no baseline": "train it with --baseline",
        "no epoch": "train on by --resume|nothing to report",
        "two recipes": "runs of one recipe are compared, not of digits and mnist-feature-matching",
    }
    found = compare(*runs, "--out", tmp_path / "both")
    assert found.returncode == 2
    assert found.stderr.startswith("compare_baseline: error: ") and found.stderr.count("\n") == 1
    assert any(text in found.stderr for text in expected[case].split("|"))
    assert not list(tmp_path.glob("both*"))
