"""The network's weights: reading the published files and our own format, and writing the latter.

*Published* means proved by content: a file's hash is one of those in `published.py`. Our own
format can prove no such thing. The hash of the published file cannot be computed from the arrays
alone, and what an .npz says about its origin is a statement that anybody can write into it. A file
in our own format is therefore never published: it is loaded with `check=False`, or with the
`fingerprint` that its arrays must have, as printed by `improved-gan inception-graph --own` when it
wrote the file. The fingerprint inside the file only detects damage.
"""

import hashlib
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary
from improved_gan_tf.inception import download, graph_def, names, pth, published
from improved_gan_tf.inception.network import parameters
from improved_gan_tf.numpy_files import DamagedFile, NpzFile, read_arrays

_FORMAT = "improved_gan_tf inception-2015-12-05 weights, version 1"


class Weights(dict[str, np.ndarray]):
    """The network's arrays by their names in the original graph, and where they come from.

    Args:
        arrays: float32 arrays by name, with the names and shapes of `network.parameters()`.
        source: Where they come from, usually a file's path.
        digest: Identifies the weights: "md5:..." or "sha256:..." of the file, or "arrays:..." with
            the `fingerprint` where the file is in our own format.
        published: Whether the file was proved to be one of the published ones.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], source: str, digest: str, published: bool = False
    ):
        super().__init__(arrays)
        self.source, self.digest, self.published = source, digest, published


def load_weights(
    path: str | os.PathLike | None = None,
    check: bool = True,
    fingerprint: str | None = None,
) -> Weights:
    """Loads the network's weights from a file.

    Args:
        path: A published file (.pb, .tgz or .pth, see `published`) or an .npz by `save_weights`;
            the kind is seen from the content. By default the file that the environment variable
            IMPROVED_GAN_TF_INCEPTION names, else a published file in the Keras cache
            (~/.keras/improved_gan_tf), else a checked download into it.
        check: Whether to refuse every file that is not a published one. Defaults to True; False
            is for other weights in this network.
        fingerprint: The `fingerprint` that the arrays must have. It is checked in place of the
            file's hash, so that a file in our own format can be as safe as a published one.

    Returns:
        The weights, as a `Weights` dictionary.

    Raises:
        UserError: The file is absent, damaged, not the one that is asked for, or of another
            network, or there is none and it cannot be downloaded.

    Example:

    >>> from improved_gan_tf import inception
    >>> path = inception.save_weights("mine.npz", inception.random_weights(seed=1))
    >>> weights = inception.load_weights(path, check=False)
    >>> weights["softmax/weights"].shape, weights.published
    ((2048, 1008), False)
    """
    if path is None:
        path = os.environ.get(published.VARIABLE) or download.cached() or download.download()
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UserError(f"{path} is a folder; name the file of the Inception weights")
        if not path.is_file():
            raise UserError(f"{path} is no file; name the file of the Inception weights")
        if size > published.LARGEST:
            raise UserError(f"{path} has {size} bytes, far more than the Inception weights")
        weights = _load(path, size, check and fingerprint is None)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file of Inception weights") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if fingerprint is not None:
        _check_fingerprint(path, weights, fingerprint)
    return weights


def _check_fingerprint(path: Path, weights: Weights, expected: str) -> None:
    found = fingerprint(weights)
    if found != expected:
        raise UserError(
            f"{path} holds arrays of the fingerprint {found}, not {expected}: other weights than "
            "expected"
        )


def _load(path: Path, size: int, check: bool) -> Weights:
    with open(path, "rb") as stream:
        start = stream.read(16)
    if start[:2] == b"\x1f\x8b":
        title = f"{path} ({published.GRAPH_FILE})"
        return _from_graph(_archived_graph(path, size), title, path, check)
    if start.startswith(pth.LEGACY_START) or _is_pytorch_zip(path):
        return _from_pytorch(path, size, check)
    if start[:2] == b"PK":
        return _from_own(path, check)
    return _from_graph(path.read_bytes(), str(path), path, check)


def _archived_graph(path: Path, size: int) -> bytes:
    try:
        data = published.graph_in_archive(path)
    except UserError:
        raise  # a limit, whose variable it names
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is damaged: {size} bytes, the published archive has {published.TGZ_BYTES}; "
            "get it again"
        ) from error
    if data is None:
        raise UserError(
            f"{path} holds no {published.GRAPH_FILE}; expected inception-2015-12-05.tgz"
        )
    return data


def _from_graph(data: bytes, title: str, path: Path, check: bool) -> Weights:
    found, expected = published.graph_hash(data), published.GRAPH_MD5
    if check and found != expected:
        raise _other(title, len(data), published.GRAPH_BYTES, f"MD5 {found[:12]}...", expected)
    arrays = _checked(graph_def.read(data, title), title)
    return Weights(arrays, str(path), f"md5:{found}", found == expected)


def _from_pytorch(path: Path, size: int, check: bool) -> Weights:
    found, expected = published.file_hash(path), published.PTH_SHA256
    if check and found != expected:
        raise _other(path, size, published.PTH_BYTES, f"SHA-256 {found[:12]}...", expected)
    tensors, pairs = pth.read(path), names.pytorch_names().items()
    arrays = {name: names.from_pytorch(tensors[key]) for name, key in pairs if key in tensors}
    return Weights(_checked(arrays, path), str(path), f"sha256:{found}", found == expected)


def _other(title: Any, size: int, expected_size: int, found: str, expected: str) -> UserError:
    if size != expected_size:
        short = f"{size} bytes instead of {expected_size}"
    else:
        short = f"{found} instead of {expected[:12]}..."
    return UserError(
        f"{title} is not the published file of Inception weights ({short}): truncated, damaged or "
        "another network; get it again, or say that you want these weights (check=False, "
        "--any-weights)"
    )


def _is_pytorch_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/")[-1] == "data.pkl" for name in archive.namelist())
    except Exception:  # zipfile raises many kinds on damaged files
        return False


def _checked(arrays: Mapping[str, np.ndarray], title: str | os.PathLike) -> dict[str, np.ndarray]:
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
        if arrays[name].dtype.kind != "f":
            raise UserError(f"{title}: {name} holds {arrays[name].dtype}, expected float32")
    with np.errstate(over="ignore"):
        checked = {name: np.ascontiguousarray(arrays[name], np.float32) for name in expected}
    for name, array in checked.items():
        if not np.isfinite(array).all():
            raise UserError(f"{title}: {name} holds values that are not finite; get the file again")
    return checked


def fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of all arrays in order, as little-endian float32.

    It is the same for the same numbers, whichever kind of file they were read from.
    """
    digest = hashlib.sha256()
    for name in parameters():
        digest.update(np.ascontiguousarray(weights[name], "<f4").tobytes())
    return digest.hexdigest()


def save_weights(path: str | os.PathLike, weights: Mapping[str, np.ndarray]) -> Path:
    """Writes weights in our own format, an .npz that NumPy alone can read.

    Args:
        path: The file, which is whole or absent.
        weights: `Weights`, or any dictionary with the names and shapes of `network.parameters()`.

    Returns:
        The path.

    Raises:
        UserError: An array is missing, of another shape or not finite, or the file cannot be
            written.

    Example: see `load_weights`.
    """
    arrays = _checked(weights, "the weights")
    about = json.dumps({"format": _FORMAT, "fingerprint": fingerprint(arrays)})
    content: dict[str, Any] = {"about": np.frombuffer(about.encode(), np.uint8), **arrays}
    with temporary(path) as name, open(name, "wb") as stream:
        np.savez(stream, **content)
    return Path(path)


def _from_own(path: Path, check: bool) -> Weights:
    try:
        about = json.loads(read_arrays(path, ["about"])["about"].tobytes())
        if about["format"] != _FORMAT:
            raise KeyError("format")
        with NpzFile(path) as archive:
            for name, shape in parameters().items():
                if name in archive.names and archive.header(name).shape != shape:
                    raise ValueError(name)
        arrays = read_arrays(path, parameters())
    except (DamagedFile, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged or not a file of Inception weights; expected a published file or "
            "one written by improved-gan inception-graph --own"
        ) from error
    arrays = _checked(arrays, path)
    found = fingerprint(arrays)
    if found != about.get("fingerprint"):
        raise UserError(f"{path} is damaged: its arrays are not those it was written with")
    if check:
        raise UserError(
            f"{path} is not a published file of Inception weights, and our own format cannot prove "
            "what it was made from; name the published file, or the fingerprint that you expect "
            "(--fingerprint), or say that you want these weights (check=False, --any-weights)"
        )
    return Weights(arrays, str(path), f"arrays:{found}")
