"""The published weights, fetched once into the Keras cache and never used unchecked."""

import hashlib
import os
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write
from improved_gan_tf.inception import weights

TIMEOUT = 20.0  # seconds without a sign of life


class Published(NamedTuple):
    """A published file: its name in the cache, where it is, its size, its SHA-256 (None for the
    archive, which is known by its size and by the MD5 of the graph in it)."""

    name: str
    url: str
    size: int
    sha256: str | None


FILES = (
    Published(
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        weights.PTH_BYTES,
        weights.PTH_SHA256,
    ),
    Published(
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        weights.PTH_BYTES,
        weights.PTH_SHA256,
    ),
    Published(
        "inception-2015-12-05.tgz",
        "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
        weights.TGZ_BYTES,
        None,
    ),
)


def folder():
    """~/.keras/improved_gan_tf, or below $KERAS_HOME."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(home).expanduser() / "improved_gan_tf"


def cached():
    """The published file that is in the cache already, or None."""
    for name in (*(file.name for file in FILES), weights.GRAPH_FILE):
        if (folder() / name).is_file():
            return folder() / name
    return None


def download(files=FILES, into=None, progress=True):
    """Fetches the first of the files that can be had; returns its path.

    It is written beside its place, checked by size and hash, and renamed; whatever goes wrong,
    the partial file is removed.

    Raises:
        UserError: none could be fetched: no network, or all were wrong.
    """
    into = Path(into) if into is not None else folder()
    reasons = []
    for file in files:
        try:
            return _fetch(file, into, progress)
        except UserError:
            raise
        except (OSError, urllib.error.URLError, ValueError, tarfile.TarError, EOFError) as error:
            reasons.append(f"{file.url.split('/')[2]}: {getattr(error, 'reason', error)}")
    raise UserError(
        f"the Inception weights are not here and could not be downloaded ({'; '.join(reasons)}); "
        f"get {files[0].url} elsewhere, put it into {into}, or name it with --weights FILE or "
        f"{weights.VARIABLE}=FILE (or score with a classifier of your own: --classifier)"
    )


def _fetch(file, into, progress):
    with urllib.request.urlopen(file.url, timeout=TIMEOUT) as response:
        temporary = into / f".{file.name}.{os.getpid()}.tmp"
        try:
            try:
                into.mkdir(parents=True, exist_ok=True)
                stream = open(temporary, "wb")
            except OSError as error:
                raise cannot_write(temporary, error) from error
            with stream:
                digest = _copy(response, stream, file, progress)
            _check(file, temporary, digest)
            os.replace(temporary, into / file.name)
        finally:
            temporary.unlink(missing_ok=True)
    return into / file.name


def _copy(response, stream, file, progress):
    digest, done, shown = hashlib.sha256(), 0, 0.0
    while block := response.read(1 << 18):
        done += len(block)
        if done > file.size:
            raise ValueError(f"more than the expected {file.size} bytes came; download removed")
        try:
            stream.write(block)
        except OSError as error:
            raise cannot_write(stream.name, error) from error
        digest.update(block)
        if progress and (time.monotonic() - shown > 0.5 or done == file.size):
            shown = time.monotonic()
            end = "\n" if done == file.size else ""
            print(
                f"\r{file.name}: {done / 1e6:.1f} of {file.size / 1e6:.1f} MB",
                end=end,
                file=sys.stderr,
                flush=True,
            )
    if done != file.size:
        raise ValueError(f"only {done} of {file.size} bytes came; download removed")
    return digest.hexdigest()


def _check(file, path, digest):
    if file.sha256 is not None:
        if digest != file.sha256:
            raise ValueError(f"its SHA-256 is {digest[:12]}..., not {file.sha256[:12]}...; removed")
        return
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isfile() and os.path.basename(member.name) == weights.GRAPH_FILE:
                data = archive.extractfile(member).read()
                if hashlib.md5(data, usedforsecurity=False).hexdigest() == weights.GRAPH_MD5:
                    return
    raise ValueError(f"it does not hold the right {weights.GRAPH_FILE}; download removed")
