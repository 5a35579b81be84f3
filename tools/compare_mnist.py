"""A run of mnist-feature-matching compared with the original code's log: a table and a plot.

    python tools/compare_mnist.py runs/mnist-feature-matching --out reference/results

The original's log, reference/golden/theano/mnist_fm_seed1_log.csv, has 30 epochs of seed 1 with 100
labels. Both see the same labelled images in the same order. Initial weights, noise and latent
vectors come from different random generators: the curves have the same course, not the same digits.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_text
from improved_gan_tf.runs import RunFolder

ROOT = Path(__file__).resolve().parent.parent
NAME = "mnist-feature-matching-seed1"


def main():
    """Writes NAME.csv and NAME.png; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "reference/results")
    options = parser.parse_args()
    try:
        ours = RunFolder(options.run).rows()
        if not ours:
            raise UserError(f"{options.run} has no finished epoch; name the folder of a run")
        with open(ROOT / "reference/golden/theano/mnist_fm_seed1_log.csv", newline="") as stream:
            original = list(csv.DictReader(stream))
        table = _table(ours, {row["epoch"]: row for row in original})
        write_text(options.out / f"{NAME}.csv", table)
        with temporary(options.out / f"{NAME}.png") as stream:
            _plot(ours, original, stream)
    except UserError as error:
        print(f"compare_mnist: error: {error}", file=sys.stderr)
        return 2
    print(options.out / f"{NAME}.csv", options.out / f"{NAME}.png")
    return 0


def _table(ours, original):
    columns = (
        "epoch",
        "error_averaged",
        "error_current",
        "original_current",
        "supervised_loss",
        "unsupervised_loss",
        "generator_loss",
        "original_supervised_loss",
        "original_unsupervised_loss",
        "original_generator_loss",
        "seconds",
    )
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in ours:
        theirs = original.get(row["epoch"], {})
        values = {name: row[name] for name in columns if name in row}
        values["error_averaged"] = f"{float(row['val_error']):.4f}"
        values["error_current"] = f"{float(row['val_error_current']):.4f}"
        values["original_current"] = theirs.get("test_err_raw_params", "")
        values["original_supervised_loss"] = theirs.get("loss_lab", "")
        values["original_unsupervised_loss"] = theirs.get("loss_unl", "")
        values["original_generator_loss"] = theirs.get("loss_gen", "")
        writer.writerow(values)
    return text.getvalue()


def _plot(ours, original, stream):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(
        yscale="log",
        xlabel="epoch",
        ylabel="test error (10,000 images)",
        title="MNIST, 100 labels, feature matching, seed 1",
    )

    def line(rows, key, **style):
        axes.plot([int(r["epoch"]) for r in rows], [100 * float(r[key]) for r in rows], **style)

    line(ours, "val_error_current", color="#8fb8de", lw=1, label="ours, current parameters")
    line(ours, "val_error", color="#1f5f9f", lw=2, label="ours, averaged parameters (debiased)")
    line(
        original,
        "test_err_raw_params",
        color="#d1495b",
        lw=1.5,
        ls="--",
        label="original code, current parameters (30 epochs recorded)",
    )
    axes.axhline(0.93, color="#555555", lw=1, ls=":", label="paper, mean of 10 seeds: 0.93 %")
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.legend(frameon=False)
    axes.grid(True, which="both", alpha=0.25)
    figure.savefig(stream, format="png", dpi=110)


if __name__ == "__main__":
    sys.exit(main())
