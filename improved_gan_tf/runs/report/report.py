"""The report of a run: its curves and sample grids as PNG files and as one HTML page.

Only the run's folder is read, so that a run can be reported on while it trains, after it was
killed, and on a machine without TensorFlow. `report_curves` draws, `report_page` writes the page.
"""

import numpy as np

from improved_gan_tf.files import write_bytes, write_text
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.report import curves, page

GRIDS_SHOWN = 8


def report(run_folder):
    """Writes the folder's report/: losses.png, errors.png, samples.png and report.html.

    The page needs nothing but itself: pictures are inside it, there are no scripts. A part that the
    run does not have (yet) is left out, and the page says so. Every file appears whole, and running
    it again on the same run writes the same page.

    Args:
        run_folder: folder of a run, as `improved-gan train` leaves it or is filling it.

    Returns:
        List of the Paths written, report.html last.

    Raises:
        UserError: no such folder; a folder with neither log nor samples nor results; a file in it
            that is not what its name says; matplotlib absent; a place that cannot be written.
    """
    run = RunFolder(run_folder).read()
    folder = run.folder / "report"
    shown = spread(run.samples, GRIDS_SHOWN)
    pictures = {
        "losses.png": curves.losses(run, "light", "png"),
        "errors.png": curves.errors(run, "light", "png"),
        "samples.png": curves.strip(shown),
    }
    html = page.page(
        run,
        errors={theme: curves.errors(run, theme, "svg") for theme in ("light", "dark")},
        losses={theme: curves.losses(run, theme, "svg") for theme in ("light", "dark")},
        grids=shown,
        rows=[] if run.log is None else spread([(int(e), e) for e in run.log["epoch"]], 12),
    )
    files = []
    for name, content in pictures.items():
        if content is not None:
            files.append(write_bytes(folder / name, content))
    files.append(write_text(folder / "report.html", html))
    return files


def spread(items, most):
    """At most `most` of (epoch, ...) items, in order: the first, the last, and ratios between.

    Samples and errors change fastest at the start: equal ratios of epochs show more than equal
    distances. Fewer items are all kept.
    """
    if len(items) <= most:
        return list(items)
    left = list(items)
    first, last = max(items[0][0], 1), items[-1][0]
    kept = [left.pop(0), left.pop()]
    for target in np.geomspace(first, max(last, first), most)[1:-1]:
        kept.append(left.pop(min(range(len(left)), key=lambda k: abs(left[k][0] - target))))
    return sorted(kept, key=lambda item: item[0])
