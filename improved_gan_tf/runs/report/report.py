"""The report of a run: its curves and sample grids as PNG files and as one HTML page.

Only the run's folder is read: a run can be reported on while it trains, after it was killed, and on
a machine without TensorFlow. `curves` draws, `page` writes the page.
"""

import os
from pathlib import Path

import numpy as np

from improved_gan_tf.files import write_bytes, write_text
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.report import curves, page

_GRIDS_SHOWN = 8
_EPOCHS_SHOWN = 12


def report(run_folder: str | os.PathLike, out: str | os.PathLike | None = None) -> list[Path]:
    """Writes losses.png, errors.png, scores.png, samples.png and report.html into RUN/report.

    The page needs nothing but itself: pictures are inside it, and it has no scripts. A part that
    the run does not have (yet) is left out, and the page says so. Every file appears whole, and
    reporting again on the same run writes the same page.

    Args:
        run_folder: The folder of a run, as `improved-gan train` leaves it or is filling it.
        out: Another folder for the files. None (default): the run's folder report/.

    Returns:
        List of the Paths written, report.html last.

    Raises:
        UserError: There is no such folder; it has neither log nor samples nor results; a file in it
            is not what its name says; matplotlib is not installed; a file cannot be written.

    Example:

    >>> report("runs/digits")[-1].name
    'report.html'
    """
    folder = RunFolder(run_folder)
    run = folder.read()
    grids = [run.samples[i] for i in spread([epoch for epoch, _ in run.samples], _GRIDS_SHOWN)]
    epochs = [] if run.log is None else [int(epoch) for epoch in run.log["epoch"]]
    pictures = {
        "losses.png": curves.losses(run, "light", "png"),
        "errors.png": curves.errors(run, "light", "png"),
        "scores.png": curves.scores(run, "light", "png"),
        "samples.png": curves.strip(grids),
    }
    html = page.page(run, grids, spread(epochs, _EPOCHS_SHOWN))
    place = Path(folder.report if out is None else out).resolve()
    files = [write_bytes(place / name, data) for name, data in pictures.items() if data is not None]
    return [*files, write_text(place / "report.html", html)]


def spread(epochs: list[int], most: int) -> list[int]:
    """Indices of at most `most` (2 or more) of these epochs: the first, the last, and some between.

    Samples and errors change fastest at the start: equal ratios of epochs show more than equal
    distances.
    """
    left = list(range(len(epochs)))
    if len(epochs) <= most:
        return left
    first, last = max(epochs[0], 1), epochs[-1]
    kept = [left.pop(0), left.pop()]
    for target in np.geomspace(first, max(last, first), most)[1:-1]:
        nearest = min(left, key=lambda place: abs(epochs[place] - target))
        left.remove(nearest)
        kept.append(nearest)
    return sorted(kept)
