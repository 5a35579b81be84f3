"""Where the network's weights come from: the published files, our own format, a download.

| file | bytes | check |
|---|---|---|
| classify_image_graph_def.pb | 95,673,916 | MD5 e6bb154e... |
| inception-2015-12-05.tgz | 88,931,400 | that of the .pb inside |
| pt_inception-2015-12-05-6726825d.pth, weights-inception-2015-12-05-6726825d.pth | 95,628,359 | \
SHA-256 6726825d... |
| *.npz, by `save_weights` | about 95,600,000 | a fingerprint of the arrays, kept inside |

All hold the same numbers. A file is recognised by its content, not its name.
"""

import hashlib
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary
from improved_gan_tf.inception import graph_def, names, pth
from improved_gan_tf.inception.network import parameters

VARIABLE = "IMPROVED_GAN_TF_INCEPTION"  # the environment variable that names a file of weights
GRAPH_FILE = "classify_image_graph_def.pb"
GRAPH_MD5 = "e6bb154e85f5d4331c22abcddb5dcf31"
GRAPH_BYTES = 95_673_916
TGZ_BYTES = 88_931_400
PTH_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PTH_BYTES = 95_628_359
_FORMAT = "improved_gan_tf inception-2015-12-05 weights, version 1"
_LARGEST = 400_000_000  # bytes: no file of these weights is near it


class Weights(dict):
    """{name: float32 array} of `network.parameters()`, in its order, and where they come from.

    Attributes:
        source: the file's path.
        digest: "md5:..." or "sha256:..." of the published file, or "arrays:..." (`fingerprint`).
        published: whether the file proved to be one of the published ones.
    """

    def __init__(self, arrays, source="", digest="", published=False):
        super().__init__(arrays)
        self.source, self.digest, self.published = str(source), digest, published


def load_weights(path=None, check=True):
    """The network's weights, as `Weights`.

    Args:
        path: a file of any of the kinds above. None: the file that the environment variable
            IMPROVED_GAN_TF_INCEPTION names, else a published file in the Keras cache
            (~/.keras/improved_gan_tf), else a checked download into it.
        check: refuse a file that is not a published one (by its hash). False is for weights of
            one's own in this network.

    Raises:
        UserError: absent, truncated, of another hash or another network; no network connection.
    """
    if path is None:
        path = os.environ.get(VARIABLE) or _cached_or_downloaded()
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UserError(f"{path} is a folder; name the file of the Inception weights")
        if size > _LARGEST:
            raise UserError(f"{path} has {size} bytes, far more than the Inception weights")
        with open(path, "rb") as stream:
            start = stream.read(16)
        return _load(path, size, start, check)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file of Inception weights") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _load(path, size, start, check):
    if start[:2] == b"\x1f\x8b":
        data = _graph_in_archive(path, size)
        return _from_graph(data, f"{path} ({GRAPH_FILE})", path, check)
    if start.startswith(pth.LEGACY_START) or _is_pytorch_zip(path):
        digest = _hash_file(path, "sha256")
        published = digest == PTH_SHA256
        if check and not published:
            raise _not_published(path, size, PTH_BYTES, "SHA-256", digest, PTH_SHA256)
        found = pth.read(path)
        arrays = {
            name: names.from_pytorch(name, found[other])
            for name, other in names.pytorch_names().items()
            if other in found
        }
        return Weights(_checked(arrays, path), path, f"sha256:{digest}", published)
    if start[:2] == b"PK":
        return _load_own(path, check)
    return _from_graph(path.read_bytes(), path, path, check)


def _from_graph(data, title, path, check):
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    published = digest == GRAPH_MD5
    if check and not published:
        raise _not_published(title, len(data), GRAPH_BYTES, "MD5", digest, GRAPH_MD5)
    arrays = _checked(graph_def.read(data, title), title)
    return Weights(arrays, path, f"md5:{digest}", published)


def _not_published(title, size, expected_size, kind, digest, expected):
    short = (
        f"{size} bytes instead of {expected_size}"
        if size != expected_size
        else (f"{kind} {digest[:12]}... instead of {expected[:12]}...")
    )
    return UserError(
        f"{title} is not the published file of Inception weights ({short}): truncated, damaged or "
        "another network; get it again, or say that you want these weights (check=False, "
        "--any-weights)"
    )


def _graph_in_archive(path, size):
    """The bytes of the graph in the .tgz, which is not unpacked."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile() and os.path.basename(member.name) == GRAPH_FILE:
                    if member.size > _LARGEST:
                        raise UserError(f"{path}: {member.name} is too large")
                    return archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is damaged: {size} bytes, the published archive has {TGZ_BYTES}; get it again"
        ) from error
    raise UserError(f"{path} holds no {GRAPH_FILE}; expected inception-2015-12-05.tgz")


def _is_pytorch_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[-1] == "data.pkl" for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _checked(arrays, title):
    """The arrays in order, as float32; an error where one is missing, misshapen or not finite."""
    expected = parameters()
    missing = [name for name in expected if name not in arrays]
    if missing:
        raise UserError(
            f"{title} lacks {len(missing)} of the network's {len(expected)} arrays, {missing[0]} "
            "first: another network"
        )
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise UserError(
                f"{title}: {name} has shape {arrays[name].shape}, expected {shape}: another network"
            )
        if not np.isfinite(arrays[name]).all():
            raise UserError(f"{title}: {name} holds values that are not finite; get the file again")
    return {name: np.ascontiguousarray(arrays[name], np.float32) for name in expected}


def fingerprint(weights):
    """SHA-256 of all arrays in order (little-endian float32): the same for the same numbers,
    whichever kind of file they came from."""
    digest = hashlib.sha256()
    for name in parameters():
        digest.update(np.ascontiguousarray(weights[name], "<f4").tobytes())
    return digest.hexdigest()


def save_weights(path, weights):
    """Writes the weights in our own format, an .npz that loads without PyTorch and TensorFlow.

    Args:
        path: the file; it is whole or absent.
        weights: `Weights`, or any {name: array} with the network's names.
    """
    arrays = _checked(dict(weights), "the weights")
    about = {
        "format": _FORMAT,
        "fingerprint": fingerprint(arrays),
        "digest": getattr(weights, "digest", ""),
        "published": bool(getattr(weights, "published", False)),
    }
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with temporary(path) as name, open(name, "wb") as stream:
        np.savez(stream, about=text, **arrays)
    return Path(path)


def _load_own(path, check):
    try:
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(archive["about"].tobytes())
            if about["format"] != _FORMAT:
                raise KeyError("format")
            arrays = {name: archive[name] for name in parameters() if name in archive}
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"{path} is damaged or not a file of Inception weights; expected a published file or "
            "one written by tools/inception_graph.py"
        ) from error
    arrays = _checked(arrays, path)
    if fingerprint(arrays) != about["fingerprint"]:
        raise UserError(f"{path} is damaged: its arrays are not those it was written with")
    if check and not about["published"]:
        raise UserError(
            f"{path} was not written from a published file of Inception weights; if you want these "
            "weights say so (check=False, --any-weights)"
        )
    digest = about["digest"] or f"arrays:{about['fingerprint']}"
    return Weights(arrays, path, digest, about["published"])


def _hash_file(path, kind):
    with open(path, "rb") as stream:
        return (
            hashlib.file_digest(stream, kind).hexdigest()
            if hasattr(hashlib, "file_digest")
            else hashlib.new(kind, stream.read()).hexdigest()
        )


def _cached_or_downloaded():
    from improved_gan_tf.inception import download

    return download.cached() or download.download()
