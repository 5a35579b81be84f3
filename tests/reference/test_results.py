"""The recorded results: what is published of a run says nothing of the machine's folders."""

import csv
import json
import re
import statistics

import pytest

from improved_gan_tf.quantities import QUANTITIES
from improved_gan_tf.runs import RunFolder, recorded
from tests.helpers.paths import ROOT

RESULTS = ROOT / "reference/results"
FILES = sorted(p for p in RESULTS.rglob("*") if p.suffix in (".json", ".csv", ".md"))
JSON = [path for path in FILES if path.suffix == ".json"]
RUNS = sorted({path.parent for path in FILES if path.name == "log.csv"})
KNOWN = {quantity.key for quantity in QUANTITIES}


def _name(path):
    return str(path.relative_to(RESULTS))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_absolute_path(path):
    found = re.search(r"""(?<![^\s"'`(=:,])(/|~/|[A-Za-z]:\\)\w\S*""", path.read_text())
    assert found is None, found[0]


@pytest.mark.parametrize("path", JSON, ids=_name)
def test_files_are_as_they_would_be_recorded(path):
    content = json.loads(path.read_text())
    assert recorded(content) == content


@pytest.mark.parametrize("folder", RUNS, ids=_name)
def test_recorded_runs_are_readable(folder):
    """They are run folders without their large parts, with the names that are in use."""
    run = RunFolder(folder).read()
    assert run.config["recipe"]["epochs"] == run.epochs == run.results["epochs"]
    assert {key for key in run.results if key.startswith("test_error")} <= KNOWN
    with open(folder / "log.csv", newline="") as stream:
        names = next(csv.reader(stream))
    known, final = KNOWN, "test_error"
    if run.config.get("kind") == "imagenet":  # every loss is one of validation images too
        known, final = KNOWN | {f"val_{key}" for key in KNOWN}, "val_error"
    assert set(names) <= known
    assert float(RunFolder(folder).rows()[-1]["val_error"]) == pytest.approx(
        run.results[final], abs=1e-5
    )


def test_there_are_files_and_runs():
    assert len(JSON) > 20 and len(RUNS) == 35


def test_changes_of_cifar10():
    """The table of the page is of the recorded files, and so is what it says in words."""
    page = (RESULTS / "README.md").read_text().partition("## cifar10-changes-narrow")[2]
    found = {}
    for path in RESULTS.glob("cifar10-changes-narrow/*/errors.json"):
        content = json.loads(path.read_text())
        errors = [100 * error for error in content["rows"][0]["test_error"]["by_seed"].values()]
        found[path.parent.name] = errors
        assert f"{statistics.mean(errors):.2f} +- {statistics.stdev(errors):.2f}" in page
    paper = found.pop("the-paper-s")
    assert len(found) == 6
    for errors in found.values():
        ahead = [a - b for a, b in zip(paper, errors, strict=True)]
        one_by_one = ", ".join(f"{each:.2f}" for each in ahead)
        assert f"| {statistics.mean(ahead):.2f} ({one_by_one}) |" in page
        assert statistics.mean(ahead) < 1.5


def test_the_originals_log_is_that_of_the_recording():
    """With the names of our logs, so that `improved-gan report RUN FOLDER` compares both."""
    folder = ROOT / "reference/original_logs/mnist-feature-matching-seed1"
    with open(ROOT / "reference/golden/theano/mnist_fm_seed1_log.csv", newline="") as stream:
        recording = list(csv.DictReader(stream))
    names = {
        "epoch": "epoch",
        "seconds": "seconds",
        "supervised_loss": "loss_lab",
        "unsupervised_loss": "loss_unl",
        "generator_loss": "loss_gen",
        "error": "train_err",
        "val_error_current": "test_err_raw_params",
    }
    assert RunFolder(folder).rows() == [
        {ours: row[theirs] for ours, theirs in names.items()} for row in recording
    ]
    assert RunFolder(folder).read().epochs == 30 and set(names) <= KNOWN
