"""Runs compared with their supervised-only baselines: a table and a plot.

    python tools/compare_baseline.py runs/seed-1 runs/seed-2 --out reference/results/NAME

Every run must have been trained with --baseline, and all by one recipe; their seeds may differ.
NAME.csv has the losses and errors of every epoch; NAME.png shows the errors, one thin line per run
and their mean.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_text
from improved_gan_tf.quantities import AVERAGED, BASELINE, CURRENT
from improved_gan_tf.runs import RunFolder

_LOSSES = ("supervised_loss", "unsupervised_loss", "generator_loss", "error")
_ERRORS = {"val_error": "error_averaged", "val_error_current": "error_current"}


def main():
    """Writes NAME.csv and NAME.png; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--out", required=True, metavar="NAME", help="without a suffix")
    parser.add_argument("--title", help="of the plot (default: the recipe's name)")
    options = parser.parse_args()
    try:
        pairs = [_pair(path) for path in options.runs]
        names = sorted({run.name for run, _ in pairs})
        if len(names) > 1:
            raise UserError(f"runs of one recipe are compared, not of {' and '.join(names)}")
        table = _table(pairs)
        title = options.title or names[0]
        files = [Path(f"{options.out}.{suffix}") for suffix in ("csv", "png")]
        write_text(files[0], table)
        with temporary(files[1]) as stream:
            _plot(pairs, title, stream)
    except UserError as error:
        print(f"compare_baseline: error: {error}", file=sys.stderr)
        return 2
    print(*files)
    return 0


def _pair(path):
    """(the run, its baseline), both as `runs.Run`."""
    folder = RunFolder(path)
    run = folder.read()
    if not folder.baseline.path.is_dir():
        raise UserError(f"{path} has no {BASELINE}; train it with --baseline")
    pair = run, folder.baseline.read()
    for found in pair:
        if found.log is None or found.config is None:
            raise UserError(f"{found.folder} has no finished epoch; train on by --resume")
    return pair


def _table(pairs):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("seed", "objective", "epoch", "steps", "seconds", *_LOSSES, *_ERRORS.values()))
    for run in (run for pair in pairs for run in pair):
        for k in range(len(run.log["epoch"])):
            row = {name: values[k] for name, values in run.log.items()}
            writer.writerow(
                (
                    run.config["recipe"]["seed"],
                    run.config["recipe"]["objective"],
                    int(row["epoch"]),
                    int(row["steps"]),
                    f"{row['seconds']:.1f}",
                    *("" if row[name] != row[name] else f"{row[name]:.6g}" for name in _LOSSES),
                    *(f"{row[name]:.4f}" for name in _ERRORS),
                )
            )
    return text.getvalue()


def _plot(pairs, title, stream):
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key, name in zip(panels, _ERRORS, (AVERAGED, CURRENT), strict=True):
        axes.set(xlabel="epoch", title=name)
        groups = zip(*pairs, strict=True)
        labels = ("semi-supervised GAN", BASELINE)
        for runs, label, color in zip(groups, labels, ("#1f5f9f", "#d1495b"), strict=True):
            epochs = min((run.log["epoch"] for run in runs), key=len)
            errors = np.array([100 * run.log[key][: len(epochs)] for run in runs])
            axes.plot(epochs, errors.T, color=color, lw=1, alpha=0.35)
            axes.plot(epochs, errors.mean(0), color=color, lw=2, label=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.set_major_formatter("{x:g} %")
        axes.grid(True, alpha=0.25)
    panels[0].set_ylabel("test error")
    panels[1].legend(frameon=False)
    figure.savefig(stream, format="png", dpi=110)


if __name__ == "__main__":
    sys.exit(main())
