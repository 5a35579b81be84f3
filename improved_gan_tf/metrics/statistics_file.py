"""Files of statistics: what ours and other programs' hold, and what no statistics can be."""

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.frechet import ROUNDING, is_symmetric
from improved_gan_tf.numpy_files import DamagedFile, NpzFile, read_arrays

_ARRAYS = tuple("mu sigma mu_s sigma_s count features seen labels logits about".split())
_CLEAN_FID = re.compile(
    r"_(clean|legacy_tensorflow|legacy_pytorch)_(?:train|test|val|custom)\w*_(?:\d+|na)\.npz$"
)
# What files of before there was a choice do not say.
_INCEPTION, _FIRST_RESIZE = "inception-2015-12-05", "legacy to 299 x 299"
_FINITE = 1e100  # above it squares are infinite
_TEXTS = ("classifier", "classifier_name", "images", "resize")  # of a file's notes


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file of statistics holds; None where it does not.

    Attributes:
        about: Its notes.
        moments: Mean (F,) and covariance (F, F), float64.
        spatial: Those of the spatial features.
        count: The number of images.
        features: The kept features, float32 (n, F).
        seen: Of how many images these are a sample.
        labels: The class numbers of these, int32 (n,).
        logits: The logits of all images, float32 (count, K).
    """

    about: dict[str, Any]
    moments: tuple[np.ndarray, np.ndarray]
    spatial: tuple[np.ndarray, np.ndarray] | None
    count: int | None
    features: np.ndarray | None
    seen: int
    labels: np.ndarray | None
    logits: np.ndarray | None


def read(path: str | os.PathLike) -> Stored:
    """What a file holds; see `Statistics.load`."""
    if not os.path.exists(path):
        raise UserError(f"{path}: there is no such statistics file")
    try:
        found = read_arrays(path, _ARRAYS)
        moments = _moments(found)
        sample = _sample(found, len(moments[0]))
        count = _whole(found, "count", 2)
        return Stored(
            about=_about(found) or _file_name(path),
            moments=moments,
            spatial=_moments(found, "_s") if "mu_s" in found else None,
            count=count,
            features=sample,
            seen=_whole(found, "seen", 1) or 0,
            labels=_labels(found, 0 if sample is None else len(sample)),
            logits=_logits(found, count),
        )
    except (DamagedFile, _Unusable) as error:
        raise UserError(
            f"{path} is no file of statistics ({error}); expected an .npz with mu and sigma, "
            "as --save-statistics writes"
        ) from error


class _Unusable(ValueError):
    """Why the arrays of a file are no statistics."""


def _about(found: dict[str, np.ndarray]) -> dict[str, Any]:
    """The notes of a file of ours; none of other programs' files."""
    if "about" not in found:
        return {}
    try:
        about = json.loads(found["about"].tobytes())
    except (ValueError, RecursionError) as error:
        raise _Unusable("its notes are no JSON") from error
    texts = [0]
    if type(about) is dict:
        names = about.get("class_names", [])
        texts = [about.get(key, "") for key in _TEXTS] + (names if type(names) is list else [0])
    if not all(isinstance(text, str) for text in texts):
        raise _Unusable("its notes are not those of statistics")
    if about.get("classifier_name") == _INCEPTION:
        about.setdefault("resize", _FIRST_RESIZE)
    return about


def _file_name(path: str | os.PathLike) -> dict[str, Any]:
    """What the names of clean-fid's files say, which hold nothing else: NAME_MODE_SPLIT_SIZE."""
    found = _CLEAN_FID.search(Path(path).name)
    return {"resize": f"{found[1].removesuffix('_tensorflow')} to 299 x 299"} if found else {}


def _moments(found: dict[str, np.ndarray], suffix: str = "") -> tuple[np.ndarray, np.ndarray]:
    """The mean and the covariance, float64, which are those of a distribution."""
    mu, sigma = names = f"mu{suffix}", f"sigma{suffix}"
    missing = [name for name in names if name not in found]
    if missing:
        raise _Unusable(f"{missing[0]} is missing")
    for name in names:
        if found[name].dtype.kind not in "fiu":
            raise _Unusable(f"{name} of type {found[name].dtype}; expected real numbers")
    mean, covariance = (found[name].astype(np.float64) for name in names)
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise _Unusable(f"{mu} {mean.shape}, {sigma} {covariance.shape}; expected (F,) and (F, F)")
    for name, values in ((mu, mean), (sigma, covariance)):
        if not np.abs(values).max() < _FINITE:  # NaN fails too
            raise _Unusable(f"{name} holds values that are not finite")
    if not is_symmetric(covariance):
        raise _Unusable(f"{sigma} is not symmetric, as a covariance is")
    scale = np.abs(covariance).max() or 1.0
    try:  # it exists where every eigenvalue is above -ROUNDING
        np.linalg.cholesky(covariance / scale + ROUNDING * np.eye(len(mean)))
    except np.linalg.LinAlgError:
        raise _Unusable(f"{sigma} has negative eigenvalues, which no covariance has") from None
    return mean, covariance


def _whole(found: dict[str, np.ndarray], name: str, smallest: int) -> int | None:
    """The one whole number of an array, None where there is no such array."""
    if name not in found:
        return None
    array = found[name]
    if array.dtype.kind not in "iu" or array.size != 1 or not smallest <= int(array.item()) < 2**53:
        raise _Unusable(f"{name} is no number of images, {smallest} or more")
    return int(array.item())


def _sample(found: dict[str, np.ndarray], num_features: int) -> np.ndarray | None:
    """The kept features, float32."""
    if "features" not in found:
        return None
    given = found["features"]
    if given.dtype.kind != "f" or given.ndim != 2 or given.shape[1] != num_features:
        raise _Unusable(
            f"features {given.shape} {given.dtype}; expected floats (N, {num_features})"
        )
    with np.errstate(over="ignore"):
        sample = given.astype(np.float32)
    if not np.isfinite(sample).all():
        raise _Unusable("features that are not finite")
    if (_whole(found, "seen", 1) or 0) < len(sample):
        raise _Unusable("fewer images seen than features kept")
    return sample


def _labels(found: dict[str, np.ndarray], kept: int) -> np.ndarray | None:
    """The class numbers of the images whose features are kept, int32; None without."""
    if "labels" not in found:
        return None
    labels = found["labels"]
    if labels.dtype.kind not in "iu" or labels.shape != (kept,):
        raise _Unusable(f"labels {labels.shape} {labels.dtype}; expected integers ({kept},)")
    if kept and not (labels.min() >= -1 and labels.max() < 2**31):
        raise _Unusable("labels that are no class numbers")
    return labels.astype(np.int32)


def _logits(found: dict[str, np.ndarray], count: int | None) -> np.ndarray | None:
    """The logits of all images, float32; None without."""
    if "logits" not in found:
        return None
    given = found["logits"]
    if given.dtype.kind != "f" or given.ndim != 2 or len(given) != count or given.shape[1] < 2:
        raise _Unusable(f"logits {given.shape} {given.dtype}; expected floats ({count}, classes)")
    with np.errstate(over="ignore"):
        logits = given.astype(np.float32)
    if not np.isfinite(logits).all():
        raise _Unusable("logits that are not finite")
    return logits


def is_statistics_file(path: str | os.PathLike) -> bool:
    """Whether the file is an .npz archive that holds statistics rather than images."""
    try:
        with NpzFile(path) as archive:
            return "mu" in archive.names
    except UserError:
        return False
