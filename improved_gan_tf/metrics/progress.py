"""A line that shows how far a long measurement is."""

import sys
import time


class Progress:
    """Writes "title: 1200/50000 images, 9.8/s, 83 min left" to stderr, of `total` images.

    On a terminal the line is renewed; elsewhere a line is written every 30 seconds at most.
    """

    def __init__(self, title: str, total: int):
        self.title, self.total = title, total
        self._live = sys.stderr.isatty()
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
            print(f"\r{text:<78}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
