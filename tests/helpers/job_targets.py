"""What the tests let processes of `experiments.jobs` do."""

import os
import signal
import time
from pathlib import Path

from improved_gan_tf.errors import UserError


def meet(folder):
    """Writes the number of threads into a file of its own, and waits for a second file."""
    (Path(folder) / f"{os.getpid()}").write_text(os.environ["OMP_NUM_THREADS"])
    end = time.monotonic() + 120
    while len(list(Path(folder).iterdir())) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)


def fail():
    raise UserError("the disk is full")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def wait():
    print(f"waiting {os.getpid()}", flush=True)
    time.sleep(600)
