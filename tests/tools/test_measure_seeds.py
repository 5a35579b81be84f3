"""tools/measure_seeds.py: trains what is missing, repeats nothing, sums up what the runs hold."""

import json
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

TOOL = ROOT / "tools/measure_seeds.py"


def measure(folder, *arguments):
    return subprocess.run(
        [sys.executable, TOOL, "digits", "--epochs", "1", "--runs", folder / "runs"]
        + ["--json", folder / "digits.json", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )


def write_results(run, recipe_values, error):
    """A finished run's folder, with what the tool reads of one."""
    from improved_gan_tf import experiments
    from improved_gan_tf.experiments import recipes

    recipe = experiments.override(experiments.get("digits"), **recipe_values)
    run.mkdir(parents=True)
    config = {**recipes.to_config(recipe), "versions": {"keras": "3"}}
    (run / "config.json").write_text(json.dumps(config))
    results = {"test_error": error, "test_error_current": 2 * error}
    results["baseline"] = {"test_error": 4 * error, "test_error_current": 8 * error}
    (run / "results.json").write_text(json.dumps(results))


def test_trains_with_the_given_values(tmp_path):
    """One seed, one epoch: the run and its baseline are there, by the options' values."""
    found = measure(tmp_path, "--seeds", "3", "--learning-rate", ".002", "--width", ".5")
    assert found.returncode == 0, found.stderr
    run = tmp_path / "runs/seed-3"
    recipe = json.loads((run / "config.json").read_text())["recipe"]
    assert (recipe["seed"], recipe["seed_data"]) == (3, 3)
    assert (recipe["epochs"], recipe["learning_rate"]) == (1, 0.002)
    assert recipe["generator"]["width"] == recipe["discriminator"]["width"] == 0.5
    summary = json.loads((tmp_path / "digits.json").read_text())
    results = json.loads((run / "results.json").read_text())
    assert summary["seeds"] == [{"seed": 3, **results}]
    assert summary["gan_test_error_mean"] == pytest.approx(results["test_error"], abs=1e-6)
    assert (run / "baseline/results.json").is_file()


def test_summary_and_refusal(tmp_path):
    """Finished runs are not repeated; means are of the seeds; a run by other values is refused."""
    for seed, error in ((1, 0.02), (2, 0.04)):
        values = {"seed": seed, "seed_data": seed, "epochs": 1, "baseline": True}
        write_results(tmp_path / f"runs/seed-{seed}", values, error)
    found = measure(tmp_path, "--seeds", "1", "2")
    assert found.returncode == 0, found.stderr
    summary = json.loads((tmp_path / "digits.json").read_text())
    assert summary["gan_test_error_mean"] == pytest.approx(0.03)
    assert summary["gan_test_error_stdev"] == pytest.approx(0.02 / 2**0.5, abs=1e-6)
    assert summary["baseline_test_error_current_mean"] == pytest.approx(0.24)
    assert summary["gan_over_baseline"] == 0.25
    (tmp_path / "digits.json").unlink()
    found = measure(tmp_path, "--seeds", "1", "2", "--learning-rate", ".5")
    assert found.returncode == 2 and "another learning_rate" in found.stderr
    assert found.stderr.count("\n") == 1 and not (tmp_path / "digits.json").exists()
