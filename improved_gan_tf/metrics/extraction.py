"""One pass of a classifier over images: logits and features, in batches.

Memory does not grow with the number of images: their logits wait in a temporary file (4 kB an image
for Inception) and their features go into `Statistics`.
"""

import itertools
import os
import tempfile
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.inception_score import check_finite
from improved_gan_tf.metrics.progress import Progress
from improved_gan_tf.metrics.statistics import Statistics


class LogitFile:
    """An array (N, K) of float32 logits in a temporary file without a name; slices read it."""

    def __init__(self) -> None:
        self._stream = tempfile.TemporaryFile(prefix="improved_gan_tf_logits_")
        self.shape = (0, 0)

    def append(self, rows: np.ndarray) -> None:
        """Adds logits (n, K)."""
        try:
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(np.ascontiguousarray(rows, np.float32).tobytes())
        except OSError as error:
            raise UserError(
                f"no room for the logits in {tempfile.gettempdir()} ({error.strerror}); free some "
                "space or name another place with TMPDIR"
            ) from error
        self.shape = (self.shape[0] + len(rows), rows.shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        size = 4 * self.shape[1]
        self._stream.seek(start * size)
        data = self._stream.read(max(0, stop - start) * size)
        return np.frombuffer(data, np.float32).reshape(-1, self.shape[1])

    def __enter__(self) -> "LogitFile":
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stream.close()


def extract(
    images: Any,
    classifier: Classifier,
    logits: LogitFile | None = None,
    statistics: Statistics | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: bool = False,
) -> int:
    """Runs the classifier over `data.Images`; returns how many could be read.

    `logits` and `statistics` receive what it gives, where they are not None; the other arguments
    are those of `evaluate`. An output that is not finite raises `UserError` at its batch.
    """
    done = 0
    shown = Progress(images.name, images.count) if progress else None
    stream = images.images(classifier.prepare, workers or min(8, os.cpu_count() or 1))
    while group := list(itertools.islice(stream, batch_size)):
        batch, where = classifier.stack(group), None
        if statistics is not None and statistics.spatial is not None:
            features, rows, where = classifier.with_spatial(batch)
        else:
            features, rows = classifier(batch)
        for output in (features, rows, where):
            if output is not None:
                check_finite(output, done)
        if logits is not None and rows is not None:
            logits.append(rows)
        if statistics is not None:
            statistics.update(features, where)
        done += len(group)
        if shown is not None:
            shown.update(done + len(images.skipped))
    if not done:
        raise UserError(
            f"{images.name}: none of its {images.count} pictures could be read; the first is "
            f"{next(iter(images.skipped), 'missing')}"
        )
    return done
