"""README's training command from its start to its report, and where the time goes."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from improved_gan_tf.runs import RunFolder

SUMMARY = "README's training command: seconds in all, of compiling, epochs and the rest"


def add_arguments(parser):
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--repeats", type=int, default=3)


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    runs = [_once(options.recipe) for _ in range(options.repeats)]
    result = {name: statistics.median(each[name] for each in runs) for name in runs[0]}
    spread = {name: [f(each[name] for each in runs) for f in (min, max)] for name in runs[0]}
    for name, value in result.items():
        least, most = spread[name]
        print(f"{name:28s}{value:8.4g}   {least:.4g} to {most:.4g}")
    return {"recipe": options.recipe, "repeats": options.repeats, **result, "spread": spread}


def _once(recipe):
    with tempfile.TemporaryDirectory() as place:
        out = os.path.join(place, "run")
        command = [sys.executable, "-m", "improved_gan_tf", "train", recipe, "--out", out]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        total = time.perf_counter() - start
        folder, found = RunFolder(out), {"total_s": total}
        for name, each in (("gan", folder), ("baseline", folder.baseline)):
            seconds = [float(row["seconds"]) for row in each.rows()]
            # An epoch's time ends with its training and validation; grids, checkpoints and logs
            # that follow are in the rest.
            found[f"{name}_first_epoch_s"] = seconds[0]
            found[f"{name}_later_epochs_s"] = sum(seconds[1:])
        found["rest_s"] = total - sum(value for key, value in found.items() if key != "total_s")
        results = folder.results()
        found["test_error"] = results["test_error"]
        found["baseline_test_error"] = results["baseline"]["test_error"]
        return found
