"""What a conversion to records will write: which pictures, in what order, into which files."""

from __future__ import annotations

import concurrent.futures
import hashlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from improved_gan_tf.data.folder_source import list_pictures
from improved_gan_tf.errors import UserError

PER_SHARD = 256  # pictures, at least, if the number of shards is not given
MOST_SHARDS = 1024


@dataclass(frozen=True)
class Plan:
    """A conversion.

    Attributes:
        source: the folder of class folders.
        class_names: sorted; a class's place is its label.
        files: paths relative to `source`, in the order of writing.
        labels: [N] int32, theirs.
        conversion: all that the bytes written depend on: options, and a hash of the pictures'
            names, sizes and times.
    """

    source: Path
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    conversion: dict

    @property
    def shards(self) -> int:
        """How many files are written."""
        return self.conversion["shards"]

    def shard_name(self, number: int) -> str:
        """Name of a shard's file."""
        return f"train-{number:05d}-of-{self.shards:05d}.tfrecord"

    def shard_range(self, number: int) -> range:
        """Which of `files` a shard holds; shards differ by one picture at most."""
        n = len(self.files)
        return range(n * number // self.shards, n * (number + 1) // self.shards)


def plan_conversion(
    source,
    size: int = 128,
    shards=None,
    quality: int = 95,
    seed: int = 1,
    synsets=None,
    classes=None,
) -> Plan:
    """Lists the pictures and puts them into the order of writing.

    The order is `RandomState(seed).permutation` of the pictures sorted by class and name: the
    original shuffles before it writes, too.

    Args:
        source: folder with a sub-folder of pictures a class.
        size: side of the pictures written, 1 to 4096.
        shards: number of files; by default one for every 256 pictures, 1,024 at most.
        quality: of the JPEGs, 1 to 100.
        seed: of the order, 0 <= seed < 2**32.
        synsets: file whose lines begin with the names of all classes, or None.
        classes: number of classes expected, or None.

    Raises:
        UserError: an option out of its range, no such folder, no class folder, one missing or
            extra, a class without pictures.
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
            raise UserError(f"{what} {value} given; expected a whole number from {low} to {high}.")
    if not source.is_dir():
        raise UserError(
            f"{source}: there is no such folder; expected one with a sub-folder of pictures a "
            f"class."
        )
    wanted = _read_synsets(synsets) if synsets is not None else None
    _check_classes(source, wanted, classes)
    class_names, pictures = list_pictures(source, str(source))
    files = [
        f"{class_names[number]}/{path.name}"
        for number in sorted(pictures)
        for path in pictures[number]
    ]
    labels = np.repeat(
        np.arange(len(class_names), dtype=np.int32), [len(pictures[n]) for n in sorted(pictures)]
    )
    if shards is None:
        shards = min(MOST_SHARDS, -(-len(files) // PER_SHARD))
    if shards > len(files):
        raise UserError(
            f"{shards} shards given, but there are {len(files)} pictures; use fewer shards."
        )
    order = np.random.RandomState(seed).permutation(len(files))
    conversion = {
        "size": size,
        "quality": quality,
        "shards": shards,
        "seed": seed,
        "pictures": _fingerprint(source, files),
    }
    return Plan(
        source, tuple(class_names), tuple(files[i] for i in order), labels[order], conversion
    )


def _read_synsets(path) -> list[str]:
    """The first word of every line, sorted."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UserError(
            f"{path} cannot be read ({reason}); expected a text file, a class folder's name "
            f"beginning each line."
        ) from None
    names = sorted(line.split()[0] for line in lines if line.split())
    twice = [a for a, b in itertools.pairwise(names) if a == b]
    if not names or twice:
        what = f"names {twice[0]} twice" if twice else "names no class"
        raise UserError(f"{path} {what}; expected each class folder's name once.")
    return names


def _check_classes(source: Path, wanted, classes) -> None:
    found = sorted(p.name for p in source.iterdir() if p.is_dir() and p.name[0] != ".")
    if wanted is not None:
        missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        if missing or extra:
            what = " and ".join(
                f"{'lacks' if names is missing else 'has, unlisted,'} the class folder"
                f"{'s' if len(names) > 1 else ''} {_some(names)}"
                for names in (missing, extra)
                if names
            )
            raise UserError(
                f"{source} {what}; it must have a folder for each of the {len(wanted)} listed "
                f"classes and no other."
            )
    if classes is not None and found and len(found) != classes:
        raise UserError(
            f"{source} has {len(found)} class folders ({_odd(found)}), expected {classes}; add "
            f"or remove folders (a list, --synsets FILE, tells which)."
        )


def _some(names) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _odd(names) -> str:
    """The names that do not look as synsets do, if others do; else the first ones."""
    odd = [name for name in names if not (name[0] == "n" and name[1:].isdigit())]
    if odd and len(odd) < len(names):
        return f"{_some(odd)} among synsets"
    return _some(names)


def _fingerprint(source: Path, files) -> str:
    digest = hashlib.sha256()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for file, found in zip(files, pool.map(lambda f: os.stat(source / f), files), strict=True):
            digest.update(os.fsencode(file) + b"\0")
            digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
