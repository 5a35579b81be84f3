"""A picture of which classes are taken for which."""

import io
from collections.abc import Sequence

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.runs.report.curves import THEMES

_NUMBERED = 25  # classes up to which each number is written


def confusion(matrix: np.ndarray, class_names: Sequence[str]) -> bytes:
    """PNG of a confusion matrix.

    Args:
        matrix: Number of test images, int (K, K), by their class (lines) and the class that the
            classifier gives them (columns). Colours are shares of a line.
        class_names: Names of the K classes.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("a picture needs matplotlib: pip install matplotlib") from error
    colours, count = THEMES["light"], len(matrix)
    # Names of folders that are not UTF-8 are no texts to draw.
    names = [name.encode(errors="replace").decode() for name in class_names]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.42 * min(count, 60)
    with matplotlib.rc_context({"text.parse_math": False}):  # names may have dollar signs
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        shades = LinearSegmentedColormap.from_list("shares", [colours["surface"], colours["first"]])
        axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
        axes.set_xlabel("class given by the classifier")
        axes.set_ylabel("class")
        if count <= _NUMBERED:
            axes.set_xticks(range(count), names, rotation=90, fontsize=9)
            axes.set_yticks(range(count), names, fontsize=9)
            for (line, column), number in np.ndenumerate(matrix):
                if number:
                    colour = colours["surface" if shares[line, column] > 0.5 else "text"]
                    place = (column, line, f"{number:,}")
                    axes.text(*place, ha="center", va="center", fontsize=8, color=colour)
        wrong = 1 - np.trace(matrix) / max(matrix.sum(), 1)
        axes.set_title(f"test error {100 * wrong:.2f} %", loc="left", fontsize=10)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=150, facecolor=colours["surface"])
    return stream.getvalue()
