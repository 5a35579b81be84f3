"""Scores of the generated images while a run trains: in its log, results, events and report."""

import csv
import json
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import experiments, metrics
from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder
from improved_gan_tf.runs.report import report
from tests.helpers.small_model import small_model

SMALL = {"generator": {"units": [16, 16]}, "discriminator": {"units": [32, 16]}}
NAMES = ("inception_score", "fid", "precision", "recall", "mind")
FEW = {"baseline": False, "jit_compile": False, "verbose": False, **SMALL}


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    """Values of a recipe that scores every second epoch by a small network."""
    path = tmp_path_factory.mktemp("classifier") / "small.keras"
    small_model(size=8).save(path)
    return {
        "score_every": 2,
        "score_images": 40,
        "score_classifier": str(path),
        "score_reference": "digits@test",
        "score_metrics": "inception_score, fid,precision recall mind",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory, scoring):
    out = tmp_path_factory.mktemp("scored") / "run"
    experiments.train("digits", out, epochs=3, **FEW, **scoring)
    return out


def _log(out):
    with open(out / "log.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def test_log_results_and_events(run, scoring):
    """Scored after every second epoch and the last, by what metrics.evaluate returns."""
    rows = _log(run)
    score = ["inception_score", "inception_score_std"]
    assert list(rows[0])[-7:] == [*score, *NAMES[1:], "learning_rate"]
    assert [bool(row["fid"]) for row in rows] == [False, True, True]
    images = experiments.open_generator(run, 40)
    expected = metrics.evaluate(
        images,
        scoring["score_classifier"],
        reference="digits@test",
        metrics=NAMES,
    ).figures
    results = json.loads((run / "results.json").read_text())
    for found in (rows[-1], results):
        for name in NAMES[1:]:
            assert float(found[name]) == pytest.approx(expected[name], rel=1e-4)
        for key, part in (("inception_score", "mean"), ("inception_score_std", "std")):
            wanted = expected["inception_score"][part]
            assert float(found[key]) == pytest.approx(wanted, rel=1e-4)
    tags = set()
    for path in (run / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {f"epoch_{name}" for name in NAMES} <= tags


@pytest.mark.long
def test_training_is_the_same_and_goes_on(run, scoring, tmp_path):
    """Scores change no weight; a run that is resumed has those of one that was not stopped."""
    experiments.train("digits", tmp_path / "plain", epochs=3, **FEW)
    experiments.train("digits", tmp_path / "run", epochs=1, **FEW, **scoring)
    experiments.train(
        experiments.load_run(tmp_path / "run")[0], tmp_path / "run", resume=True, epochs=3,
        verbose=False,
    )  # fmt: skip
    whole = [v.numpy() for v in experiments.load_run(run)[2].variables]
    for other in ("plain", "run"):
        for a, b in zip(whole, experiments.load_run(tmp_path / other)[2].variables, strict=True):
            np.testing.assert_array_equal(a, b.numpy())
    assert "fid" not in _log(tmp_path / "plain")[0]
    keys = ("inception_score", "fid")
    for ours, theirs in zip(_log(tmp_path / "run")[1:], _log(run)[1:], strict=True):
        assert [ours[key] for key in keys] == [theirs[key] for key in keys]


def test_report_has_their_curves(run):
    names = [path.name for path in report(run)]
    assert names == ["losses.png", "errors.png", "scores.png", "samples.png", "report.html"]
    text = (run / "report" / "report.html").read_text()
    assert "Scores by epoch. Inception score: from" in text
    for label in ("(FID)", "precision of the generated images", "recall of the generated images"):
        assert f"{label}: from" in text


@pytest.mark.filterwarnings("error:the Inception score of:UserWarning")
def test_options_and_lines(scoring, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--epochs", "1", "--no-baseline", "--no-jit", "--score-every", "5"]
    options += ["--score-images", "30", "--score-classifier", scoring["score_classifier"]]
    options += ["--set", "generator.units=[16,16]", "--set", "discriminator.units=[32,16]"]
    assert cli.main(["train", "digits", "--out", str(out), *options]) == 0
    shown = capsys.readouterr().out
    assert ", score " in shown and "\n  Inception score  " in shown
    assert "fid" not in RunFolder(out).results()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"score_metrics": "fid,psnr"}, "there is no metric 'psnr'; choose from"),
        ({"score_metrics": "intra_fid"}, "needs the images' class labels"),
        ({"score_classifier": "absent.keras"}, "no such classifier"),
        ({"score_reference": "absent/"}, "absent"),
        ({"score_images": 5}, "score_images must be at least 10, not 5"),
        ({"score_every": 0}, "score_classifier needs score_every"),
        ({"objective": "supervised"}, "trains no generator"),
    ],
)
def test_refused_before_anything_is_written(values, message, scoring, tmp_path):
    with pytest.raises(UserError, match=message):
        experiments.train("digits", tmp_path / "run", epochs=1, **FEW, **{**scoring, **values})
    assert not (tmp_path / "run" / "config.json").exists()


def test_absent_weights_stop_no_training(tmp_path, monkeypatch):
    """They are missed before the run begins, not at its first score."""
    message = "the Inception weights are not here"
    absent = mock.Mock(side_effect=UserError(message))
    monkeypatch.setattr(metrics.classifiers, "load_weights", absent)
    with pytest.raises(UserError, match=message):
        experiments.train("digits", tmp_path / "run", epochs=3, **FEW, score_every=2)
    assert not RunFolder(tmp_path / "run").begun
    RunFolder(tmp_path / "run").refuse_if_used()  # the same command can be given again


def test_baseline_is_not_scored(scoring):
    recipe = experiments.override(experiments.get("digits"), baseline=True, **scoring)
    baseline = experiments.experiment(recipe).baseline()
    assert baseline.score_every == 0
    assert (baseline.score_reference, baseline.score_metrics) == (None, None)
