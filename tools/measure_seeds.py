"""A recipe and its supervised-only baseline over several seeds: the figures of reference/results.

    python tools/measure_seeds.py digits --seeds 1 2 3 4 5 --json reference/results/digits.json

Every seed has a run folder in --runs. Finished runs are not repeated, unfinished ones are resumed.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from improved_gan_tf.cli.train import add_value_options, given_values
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json
from improved_gan_tf.runs import RunFolder, recorded


def main():
    """Trains what is missing and writes the summary; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    add_value_options(parser, ("epochs", "learning_rate", "mixed_precision"))
    parser.add_argument("--runs", type=Path, help="default runs/RECIPE-seeds")
    parser.add_argument("--data-dir", help="TFDS' data folder")
    parser.add_argument("--json", required=True, metavar="FILE")
    options = parser.parse_args()
    runs = options.runs or Path(f"runs/{options.recipe}-seeds")
    try:
        results = [_run(options, seed, runs / f"seed-{seed}") for seed in options.seeds]
    except UserError as error:
        print(f"measure_seeds: error: {error}", file=sys.stderr)
        return 2
    summary = {
        "recipe": options.recipe,
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": RunFolder(runs / f"seed-{options.seeds[0]}").config()["versions"],
        **_means(results),
        "seeds": results,
    }
    write_json(options.json, recorded(summary))
    print(json.dumps(_means(results), indent=2))
    return 0


def _run(options, seed, out):
    """The results of one seed, which also chooses the labelled subset."""
    from improved_gan_tf import experiments
    from improved_gan_tf.experiments import recipes

    recipe = experiments.override(
        experiments.get(options.recipe),
        **given_values(options),
        seed=seed,
        seed_data=seed,
        baseline=True,
    )
    folder = RunFolder(out)
    if folder.finished:
        changed = recipes.changed(recipes.from_config(folder.config()), recipe)
        if changed:
            raise UserError(
                f"{out} holds a run with another {min(changed)}; choose another folder by --runs"
            )
        results = folder.results()
    else:
        results = experiments.train(recipe, folder, options.data_dir, folder.begun)
    return {"seed": seed, **results}


def _means(results):
    """Mean error rates over the seeds, and their standard deviation (of a sample)."""
    found = {}
    for name, rows in (("gan", results), ("baseline", [r["baseline"] for r in results])):
        for key in ("test_error", "test_error_current"):
            values = [row[key] for row in rows]
            found[f"{name}_{key}_mean"] = round(statistics.mean(values), 6)
            if len(values) > 1:
                found[f"{name}_{key}_stdev"] = round(statistics.stdev(values), 6)
    found["gan_over_baseline"] = round(
        found["gan_test_error_mean"] / found["baseline_test_error_mean"], 4
    )
    return found


def _processor():
    """The processor's name, where the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
