"""What a conversion to records will write: which pictures, in what order, into which files."""

import concurrent.futures
import hashlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data.folders import UNLABELED
from improved_gan_tf.data.pictures import class_folders
from improved_gan_tf.errors import UserError

PER_SHARD = 256  # pictures per file, at least, if the number of files is not given
MOST_SHARDS = 1024


@dataclass(frozen=True)
class Plan:
    """A conversion.

    Attributes:
        source: The folder of class folders.
        class_names: The sorted names of the classes; a class's place is its label.
        files: The pictures' paths relative to `source`, in the order of writing.
        labels: Their labels, int32 [N].
        conversion: All that the written bytes depend on: the options, and a hash of the pictures'
            names, sizes and times.
    """

    source: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    conversion: dict[str, Any]

    @property
    def shards(self) -> int:
        """The number of files to write."""
        return self.conversion["shards"]

    def shard_name(self, number: int) -> str:
        """The name of a file to write."""
        return f"train-{number:05d}-of-{self.shards:05d}.tfrecord"

    def shard_range(self, number: int) -> range:
        """Which of `files` a shard holds; shards differ by at most one picture."""
        n = len(self.files)
        return range(n * number // self.shards, n * (number + 1) // self.shards)


def plan_conversion(
    source: str | os.PathLike,
    size: int = 128,
    shards: int | None = None,
    quality: int = 95,
    seed: int = 1,
    synsets: str | os.PathLike | None = None,
    classes: int | None = None,
) -> Plan:
    """Lists the pictures of a folder and puts them into the order of writing.

    The order is `RandomState(seed).permutation` of the pictures sorted by class and name; the
    original shuffles before it writes, too.

    Args:
        source: A folder with one sub-folder of pictures per class. A sub-folder of pictures
            without a label (`folders.UNLABELED`) is left out: every record has a label.
        size: The side of the written pictures, 1 to 4096. Defaults to 128.
        shards: The number of files. By default one per 256 pictures, at most 1,024.
        quality: The quality of the JPEGs, 1 to 100. Defaults to 95.
        seed: The seed of the order, 0 to 2**32 - 1. Defaults to 1.
        synsets: A file whose lines begin with the names of all the classes, or None.
        classes: The expected number of classes, or None.

    Returns:
        The plan.

    Raises:
        UserError: An option is out of its range, there is no such folder or no class folder, a
            class folder is missing or extra, or a class has no picture.
    """
    source = Path(os.path.abspath(Path(source).expanduser()))
    for value, low, high, what in (
        (size, 1, 4096, "size"),
        (quality, 1, 100, "quality"),
        (seed, 0, 2**32 - 1, "seed"),
        (shards, 1, 99_999, "number of shards"),
        (classes, 1, 2**20, "number of classes"),
    ):
        if value is not None and not low <= value <= high:
            raise UserError(f"{what} {value} given; expected a whole number from {low} to {high}")
    if not source.is_dir():
        raise UserError(
            f"{source}: there is no such folder; expected one sub-folder of pictures per class"
        )
    _check_classes(source, _read_synsets(synsets) if synsets is not None else None, classes)
    class_names, pictures = class_folders(source, str(source), without=UNLABELED)
    files = [f"{class_names[k]}/{path.name}" for k in sorted(pictures) for path in pictures[k]]
    labels = np.repeat(
        np.arange(len(class_names), dtype=np.int32), [len(pictures[k]) for k in sorted(pictures)]
    )
    shards = shards or min(MOST_SHARDS, -(-len(files) // PER_SHARD))
    if shards > len(files):
        raise UserError(
            f"{shards} shards given, but there are {len(files)} pictures; use fewer shards"
        )
    order = np.random.RandomState(seed).permutation(len(files))
    options = {"size": size, "quality": quality, "shards": shards, "seed": seed}
    conversion = {**options, "pictures": _fingerprint(source, files)}
    ordered = tuple(files[i] for i in order)
    return Plan(source, tuple(class_names), ordered, labels[order], conversion)


def _read_synsets(path: str | os.PathLike) -> list[str]:
    """The first word of every line, sorted."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(
            f"{path} cannot be read ({reason}); expected a text file with the name of a class "
            "folder at the beginning of each line"
        ) from None
    names = sorted(line.split()[0] for line in lines if line.split())
    twice = [a for a, b in itertools.pairwise(names) if a == b]
    if not names or twice:
        what = f"names {twice[0]} twice" if twice else "names no class"
        raise UserError(f"{path} {what}; expected each class folder's name once")
    return names


def _check_classes(source: Path, wanted: list[str] | None, classes: int | None) -> None:
    names = (p.name for p in source.iterdir() if p.is_dir())
    found = sorted(name for name in names if name[0] != "." and name not in UNLABELED)
    if wanted is not None:
        missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        what = " and ".join(
            f"{verb} the class folder{'s' if len(names) > 1 else ''} {_some(names)}"
            for verb, names in (("lacks", missing), ("has, unlisted,", extra))
            if names
        )
        if what:
            raise UserError(
                f"{source} {what}; it must have a folder for each of the {len(wanted)} listed "
                "classes and no other"
            )
    if classes is not None and found and len(found) != classes:
        raise UserError(
            f"{source} has {len(found)} class folders ({_odd(found)}), expected {classes}; add or "
            "remove folders (with a list, --synsets FILE, the message names them)"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _odd(names: list[str]) -> str:
    """The names that do not look like synsets, if others do; otherwise the first ones."""
    odd = [name for name in names if not (name[0] == "n" and name[1:].isdigit())]
    return f"{_some(odd)} among synsets" if odd and len(odd) < len(names) else _some(names)


def _fingerprint(source: Path, files: list[str]) -> str:
    digest = hashlib.sha256()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for file, found in zip(files, pool.map(lambda f: os.stat(source / f), files), strict=True):
            digest.update(os.fsencode(file) + b"\0")
            digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
