"""tools/compare_mnist.py: its table, its plot, and what it refuses."""

import csv
import subprocess
import sys

from PIL import Image

from tests.helpers.paths import GOLDEN, ROOT
from tests.helpers.run_folders import write_run

TOOL = ROOT / "tools/compare_mnist.py"
NAME = "mnist-feature-matching-seed1"


def compare(run, out):
    return subprocess.run(
        [sys.executable, TOOL, run, "--out", out], capture_output=True, text=True, timeout=120
    )


def test_table_and_plot(tmp_path):
    """Every epoch of the run is there, with the original's where that was recorded."""
    found = compare(write_run(tmp_path / "run", epochs=31, samples=()), tmp_path)
    assert found.returncode == 0, found.stderr
    with open(tmp_path / f"{NAME}.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(GOLDEN / "theano/mnist_fm_seed1_log.csv", newline="") as stream:
        original = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 32)]
    assert (rows[0]["error_averaged"], rows[0]["error_current"]) == ("0.4000", "0.3200")
    theirs = [row["original_current"] for row in rows]
    assert theirs == [row["test_err_raw_params"] for row in original] + [""]
    recorded = ROOT / f"reference/results/{NAME}.csv"
    assert recorded.read_text().splitlines()[0] == ",".join(rows[0])
    with Image.open(tmp_path / f"{NAME}.png") as image:
        image.load()


def test_a_folder_without_a_log_is_refused(tmp_path):
    found = compare(tmp_path / "absent", tmp_path)
    assert found.returncode == 2 and found.stderr.count("\n") == 1
    assert "absent has no finished epoch" in found.stderr and not list(tmp_path.iterdir())
