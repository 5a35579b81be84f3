"""The published weights, fetched once into the Keras cache and never used unchecked."""

import hashlib
import os
import sys
import tarfile
import time
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary
from improved_gan_tf.inception import published
from improved_gan_tf.inception.published import FILES, Published

TIMEOUT = 20.0  # seconds without a byte


class _Unusable(Exception):
    """Why a file is not used. It is no OSError, which `temporary` takes for one of the disk."""


def folder() -> Path:
    """The cache: improved_gan_tf below $KERAS_HOME, which is ~/.keras where it is not set."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(home).expanduser() / "improved_gan_tf"


def cached() -> Path | None:
    """The published file that is in the cache already, or None."""
    names = (*(file.name for file in FILES), published.GRAPH_FILE)
    return next((folder() / name for name in names if (folder() / name).is_file()), None)


def download(
    files: Sequence[Published] = FILES,
    into: str | os.PathLike | None = None,
    progress: bool = True,
) -> Path:
    """Downloads the first of the files that is available and has the right content.

    Args:
        files: The files to try, in order.
        into: The folder to write to. By default the cache (`folder`).
        progress: Whether to print the progress to stderr. Defaults to True.

    Returns:
        The path of the file, which is complete and was checked before it got its name.

    Raises:
        UserError: No file could be downloaded, or none had the right size and hash, or `into`
            cannot be written.
    """
    into = Path(into) if into is not None else folder()
    reasons = []
    for file in files:
        try:
            return _fetch(file, into, progress)
        except _Unusable as error:
            reasons.append(f"{file.url.split('/')[2]}: {error}")
    raise UserError(
        f"the Inception weights are not here and could not be downloaded ({'; '.join(reasons)}); "
        f"get {files[0].url} elsewhere, put it into {into}, or name it with --weights FILE or "
        f"{published.VARIABLE}=FILE (or score with a classifier of your own: --classifier)"
    )


def _fetch(file: Published, into: Path, progress: bool) -> Path:
    try:
        response = urllib.request.urlopen(file.url, timeout=TIMEOUT)
    except (OSError, ValueError, HTTPException) as error:
        raise _Unusable(getattr(error, "reason", error)) from error
    with response, temporary(into / file.name) as name:
        with open(name, "wb") as stream:
            digest = _copy(_blocks(response), stream, file, progress)
        _check(file, name, digest)
    return into / file.name


def _blocks(response: Any) -> Iterator[bytes]:
    try:
        while block := response.read(1 << 18):
            yield block
    except (OSError, HTTPException) as error:
        raise _Unusable(error) from error


def _copy(blocks: Iterator[bytes], stream: BinaryIO, file: Published, progress: bool) -> str:
    """Writes the blocks to the stream; returns their SHA-256."""
    digest, done, shown = hashlib.sha256(), 0, 0.0
    for block in blocks:
        done += len(block)
        if done > file.size:
            raise _Unusable(f"more than the expected {file.size} bytes came; download removed")
        stream.write(block)
        digest.update(block)
        if progress and (time.monotonic() - shown > 0.5 or done == file.size):
            shown = time.monotonic()
            text = f"\r{file.name}: {done / 1e6:.1f} of {file.size / 1e6:.1f} MB"
            print(text, end="\n" if done == file.size else "", file=sys.stderr, flush=True)
    if done != file.size:
        raise _Unusable(f"only {done} of {file.size} bytes came; download removed")
    return digest.hexdigest()


def _check(file: Published, path: Path, digest: str) -> None:
    if file.sha256 is not None:
        if digest != file.sha256:
            raise _Unusable(f"its SHA-256 is {digest[:12]}..., not {file.sha256[:12]}...; removed")
        return
    try:
        data = published.graph_in_archive(path)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise _Unusable(error) from error
    if data is None or published.graph_hash(data) != published.GRAPH_MD5:
        raise _Unusable(f"it does not hold the right {published.GRAPH_FILE}; download removed")
