"""Layers, losses, optimizer and networks under each Keras backend that is installed.

Keras takes its backend when it is imported, so each runs in a process of its own
(tests/helpers/backend_script.py); tolerances are given there.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

CHECKS = 16


# JAX compiles every operation, a minute; and all other tests have TensorFlow's backend.
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("tensorflow", marks=pytest.mark.long),
        pytest.param("jax", marks=pytest.mark.long),
        "torch",
    ],
)
def test_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    if backend == "jax":  # compile quickly rather than well: half the time of the test
        environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "backend_script.py"), backend]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    passed = [line for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert len(passed) == CHECKS, done.stdout
