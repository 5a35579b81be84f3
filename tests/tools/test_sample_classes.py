"""tools/sample_classes.py: counts the classes that a generator draws."""

import json
import subprocess
import sys

from tests.helpers.paths import ROOT

TOOL = ROOT / "tools/sample_classes.py"


def classes(*arguments):
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def test_counts(tmp_path):
    from improved_gan_tf import experiments

    small = {"generator": {"units": [8, 8]}, "discriminator": {"units": [8, 8]}}
    values = {**small, "epochs": 1, "jit_compile": False, "baseline": False}
    recipe = experiments.override(experiments.get("digits"), **values)
    experiments.train(recipe, tmp_path / "run", verbose=False)
    arguments = ("--classifier", tmp_path / "run", "--count", 30, "--json", tmp_path / "x.json")
    found = classes(tmp_path / "run", *arguments)
    assert found.returncode == 0, found.stderr
    result = json.loads((tmp_path / "x.json").read_text())
    assert result == json.loads(found.stdout)
    assert result["generator"] == result["classifier"] == "digits, 1 epochs"
    assert len(result["images_by_class"]) == 10 and sum(result["images_by_class"]) == 30
    assert 0 <= result["share_above_90_percent"] <= 1


def test_no_run_is_refused(tmp_path):
    found = classes(tmp_path / "absent", "--classifier", tmp_path, "--json", tmp_path / "x.json")
    assert found.returncode == 2 and not list(tmp_path.iterdir())
    assert "sample_classes: error: " in found.stderr and "absent" in found.stderr
