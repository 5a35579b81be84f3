"""The examples in the docstrings run: of runs, quantities and images."""

import doctest
import importlib

import numpy as np
import pytest

from tests.helpers.run_folders import CONFIG, RESULTS, write_run


class Stub:
    """A model that draws grey images."""

    image_range = (0.0, 1.0)

    def sample(self, n):
        return np.full((n, 8, 8, 1), 0.5, np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "images",
        "quantities",
        "runs.folder",
        "runs.report.comparison",
        "runs.recorded",
        "runs.report.report",
    ],
)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {**CONFIG, "recipe": {**CONFIG["recipe"], "name": "digits"}}
    results = {**RESULTS, "baseline": {"test_error": 0.086}}
    write_run(tmp_path / "runs/digits", 2, (1,), config, results)
    write_run(tmp_path / "runs/digits/baseline", 2, (), config)
    module = importlib.import_module(f"improved_gan_tf.{name}")
    found = doctest.testmod(module, extraglobs={"gan": Stub()})
    assert found.failed == 0 and found.attempted > 0
