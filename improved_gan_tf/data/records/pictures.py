"""Pictures of any kind to small square JPEGs, in several processes. No TensorFlow here."""

from __future__ import annotations

import collections
import concurrent.futures
import io
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
from pathlib import Path

from improved_gan_tf.data.square import square_picture

# What an unusual picture's note begins with, by whether a record was made of it.
SKIPPED, KEPT = "skipped: ", "kept: "
_DEEP = frozenset(("I", "F", "I;16", "I;16L", "I;16B", "I;16N"))
_JPEG_SUFFIXES = frozenset((".jpg", ".jpeg"))
_CHUNK = 16  # pictures handed to a process at a time
_AHEAD = 4  # chunks in flight for each process


def prepare(path, size: int, quality: int) -> tuple[bytes | None, str | None]:
    """One picture's middle square as a JPEG (RGB, colour at full resolution).

    Grey pictures, palettes and CMYK become RGB; alpha is dropped; of an animation the first frame
    counts; the orientation tag is ignored, as the original did.

    Returns:
        (JPEG, or None if the picture cannot be used; note, or None if it is an ordinary one).
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags and very large pictures
            with Image.open(path) as picture:
                if picture.mode in _DEEP:
                    return None, f"{SKIPPED}pixels of mode {picture.mode}, not 8 bits a channel"
                was = []
                if picture.mode == "CMYK":
                    was.append("CMYK")
                if picture.format != "JPEG" and Path(path).suffix.lower() in _JPEG_SUFFIXES:
                    was.append(str(picture.format))
                picture = square_picture(picture.convert("RGB"), size)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality, subsampling=0)
    except Exception as error:  # Pillow's decoders raise nearly anything
        reason = " ".join(str(error).replace(str(path), "it").split())[:120]
        return None, f"{SKIPPED}{reason or type(error).__name__}"
    return stream.getvalue(), f"{KEPT}was {' and '.join(was)}" if was else None


def prepare_all(paths, size: int, quality: int, workers: int):
    """Yields `prepare(path, size, quality)` for each path, in order.

    Args:
        paths: list of pictures.
        size, quality: of the JPEGs.
        workers: processes; 1 works in this one.
    """
    if workers == 1:
        for path in paths:
            yield prepare(path, size, quality)
        return
    chunks = (paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK))
    # Spawned, not forked: the parent has TensorFlow's threads.
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start
    )
    running = collections.deque()
    try:
        while True:
            for chunk in itertools.islice(chunks, workers * _AHEAD - len(running)):
                running.append(pool.submit(_prepare_chunk, chunk, size, quality))
            if not running:
                return
            yield from running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_chunk(paths, size, quality):
    return [prepare(path, size, quality) for path in paths]


def _start():
    """Ties a process to its parent: that one handles Ctrl-C, and takes this one along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
