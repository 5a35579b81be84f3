"""Pictures of any kind to small square JPEGs, in several processes, without TensorFlow."""

import collections
import concurrent.futures
import io
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data.pictures import Resizing, Unreadable, read

# How the note on an unusual picture begins: whether a record was made of it.
SKIPPED, KEPT = "skipped: ", "kept: "
_JPEG_SUFFIXES = frozenset((".jpg", ".jpeg"))
_CHUNK = 16  # pictures handed to a process at a time
_AHEAD = 4  # chunks in flight for each process


Prepared = tuple[bytes | None, str | None]


def prepare(path: str | os.PathLike, size: int, quality: int) -> Prepared:
    """Encodes the middle square of a picture as a JPEG (RGB, color at full resolution).

    Grey pictures, palettes and CMYK become RGB; alpha is dropped; of an animation the first frame
    counts; the orientation tag is ignored, as in the original.

    Returns:
        (JPEG, note): None and the reason if the picture cannot be used; a note of None if it is an
        ordinary one.
    """
    from PIL import Image

    was = []

    def encode(picture: Any) -> bytes:
        if picture.mode == "CMYK":
            was.append("CMYK")
        if picture.format != "JPEG" and Path(path).suffix.lower() in _JPEG_SUFFIXES:
            was.append(str(picture.format))
        stream = io.BytesIO()
        square = Resizing((size, size)).image(np.asarray(picture.convert("RGB")))
        Image.fromarray(square).save(stream, "JPEG", quality=quality, subsampling=0)
        return stream.getvalue()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd tags and very large pictures
        try:
            jpeg = read(path, encode)
        except Unreadable as error:
            return None, f"{SKIPPED}{error}"
    return jpeg, f"{KEPT}was {' and '.join(was)}" if was else None


def prepare_all(
    paths: list[str], size: int, quality: int, workers: int
) -> Generator[Prepared, None, None]:
    """Yields `prepare(path, size, quality)` for each path, in order.

    Args:
        paths: The pictures.
        size: The side of the squares.
        quality: The quality of the JPEGs.
        workers: The number of processes; with 1 the work is done in this one.
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
    running: collections.deque[concurrent.futures.Future] = collections.deque()
    try:
        while True:
            for chunk in itertools.islice(chunks, workers * _AHEAD - len(running)):
                running.append(pool.submit(_prepare_chunk, chunk, size, quality))
            if not running:
                return
            yield from running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_chunk(paths: list[str], size: int, quality: int) -> list[Prepared]:
    return [prepare(path, size, quality) for path in paths]


def _start() -> None:
    """Ties a process to its parent, which handles Ctrl-C and takes this one with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
