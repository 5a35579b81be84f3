"""A line that shows how far a long measurement is."""

import sys
import time
from typing import TextIO


class Progress:
    """Writes "title: 1200/50000 images, 9.8/s, 83 min left" to stderr.

    On a terminal the line is renewed; elsewhere a line is written every 30 seconds at most.

    Args:
        title: String, what is measured.
        total: Integer, the number of images.
        stream: The stream to write to. None (default) is stderr.
    """

    def __init__(self, title: str, total: int, stream: TextIO | None = None):
        self.title, self.total = title, total
        self.stream = stream or sys.stderr
        self._live = self.stream.isatty()
        self._start = self._shown = time.monotonic()

    def update(self, done: int) -> None:
        """Shows that `done` images are finished."""
        now = time.monotonic()
        last = done >= self.total
        if not last and now - self._shown < (0.2 if self._live else 30.0):
            return
        self._shown = now
        rate = done / max(now - self._start, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        text = f"{self.title}: {done}/{self.total} images, {rate:.1f}/s"
        if not last:
            text += f", {left / 60:.0f} min left" if left > 90 else f", {left:.0f} s left"
        if self._live:
            print(f"\r{text:<78}", end="\n" if last else "", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)
