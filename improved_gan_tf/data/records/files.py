"""Finding TFRecord files, and checking that they hold what training expects."""

import glob
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records import index as record_index
from improved_gan_tf.data.records.index import AGAIN, UNFINISHED
from improved_gan_tf.errors import UserError

SUFFIXES = (".tfrecord", ".tfrecords")
REPLACE = f"replace it by a whole copy or {AGAIN}, or have the readable part used (skip unreadable)"
_TRUSTED = 2**30  # bytes of files from which on an index is believed without a look at them
_SHARD = re.compile(r"(.*)-(\d+)-of-(\d+)\.tfrecords?")


@dataclass(frozen=True)
class RecordFiles:
    """TFRecord files that were checked.

    Attributes:
        paths: The files, sorted by name; none is empty.
        counts: The number of records to use of each: those before any damage.
        class_names: One name per class.
        size: The side of the pictures if all are known to be squares of one size, otherwise None.
    """

    paths: tuple[str, ...]
    counts: tuple[int, ...]
    class_names: tuple[str, ...]
    size: int | None = None

    @property
    def total(self) -> int:
        """The number of records in all files."""
        return sum(self.counts)

    @property
    def mean_bytes(self) -> int:
        """The mean number of bytes that a record takes in its file."""
        return sum(map(os.path.getsize, self.paths)) // self.total


def open_records(
    path: str | os.PathLike, skip_unreadable: bool = False, num_classes: int | None = None
) -> RecordFiles:
    """Finds and checks the files that `records:PATH` names.

    An index (records.json) beside the files is believed if the files' sizes are the ones it
    states and, up to a gigabyte, their records as many. Files without an index are read through
    once, without decoding pictures, and so are all files with `skip_unreadable`.

    Args:
        path: A folder of *.tfrecord or *.tfrecords files, one such file, or a glob pattern.
        skip_unreadable: Whether to use the whole records before a file's damage, with a warning,
            instead of raising an error. Defaults to False.
        num_classes: The number of classes of files without an index. By default the largest label
            plus one.

    Returns:
        The files that hold records, as `RecordFiles`.

    Raises:
        UserError: There is no such file, a shard is missing, a conversion has not finished, or a
            file is empty, truncated, damaged, of another kind, or has a label out of range.
    """
    name = f"records:{path}"
    path = str(Path(path).expanduser())
    paths = _list(path, name)
    _check_complete(paths, name)
    folders = {os.path.dirname(p) for p in paths}
    folder = Path(folders.pop()) if len(folders) == 1 else None
    index = record_index.read_index(folder) if folder is not None else None
    if index is None:
        if folder is not None and (folder / UNFINISHED).is_file():
            raise UserError(
                f"{name}: its conversion has not finished; run improved-gan convert again, which "
                "continues where it stopped"
            )
        return _without_index(paths, name, skip_unreadable, num_classes)
    classes = len(index["class_names"])
    if num_classes not in (None, classes):
        raise UserError(
            f"{name}: its index has {classes} classes, but {num_classes} were asked for"
        )
    return _with_index(paths, name, index, Path(path).is_dir(), skip_unreadable)


def _list(path: str, name: str) -> list[str]:
    if os.path.isdir(path):
        found = glob.glob(os.path.join(glob.escape(path), "*"))
        found = [p for p in found if p.endswith(SUFFIXES) and os.path.isfile(p)]
        if found:
            return sorted(found)
        if os.path.exists(os.path.join(path, UNFINISHED)):
            raise UserError(
                f"{name}: its conversion has hardly begun; run improved-gan convert again"
            )
        raise UserError(
            f"{name}: the folder has no file that ends in {' or '.join(SUFFIXES)}; improved-gan "
            f"convert makes some, other names need a pattern: 'records:{path}/*'"
        )
    if os.path.isfile(path):
        return [path]
    notes = (record_index.FILE, UNFINISHED)
    found = [p for p in glob.glob(path) if os.path.isfile(p) and os.path.basename(p) not in notes]
    if not found:
        raise UserError(
            f"{name}: there is no such folder or file, nor any that matches; expected TFRecord "
            "files"
        )
    return sorted(found)


def _check_complete(paths: list[str], name: str) -> None:
    """Raises UserError if file names say "of 16" and fewer of them are in the folder."""
    shards = ((path, _SHARD.fullmatch(os.path.basename(path))) for path in paths)
    path, match = next(((path, match) for path, match in shards if match), ("", None))
    if match is None or os.path.exists(os.path.join(os.path.dirname(path), UNFINISHED)):
        return  # the message about an unfinished conversion is the better one
    folder, suffix = os.path.dirname(path), path[path.rindex(".") :]
    for number in range(int(match[3])):
        shard = f"{match[1]}-{number:0{len(match[2])}d}-of-{match[3]}{suffix}"
        if not os.path.exists(os.path.join(folder, shard)):
            raise UserError(
                f"{name}: {shard} is missing, one of {int(match[3])} shards; put it back, or "
                f"{AGAIN}"
            )


def _with_index(
    paths: list[str], name: str, index: dict[str, Any], whole_folder: bool, skip: bool
) -> RecordFiles:
    stated = {shard["file"]: shard for shard in index["shards"]}
    classes = tuple(index["class_names"])
    used = {}
    for path in paths:
        shard = stated.get(os.path.basename(path))
        if shard is None:
            raise UserError(
                f"{name}: {os.path.basename(path)} is not in {record_index.FILE}; move the file "
                "away, or that index to have all files read through"
            )
        if shard["records"] == 0:
            continue  # none of its pictures could be read when it was made
        if not 0 <= min(shard["labels"]) <= max(shard["labels"]) < len(classes):
            _check_labels(path, name, records.scan(path).labels, len(classes))
        used[path] = shard["records"]
        if skip:
            used[path] = len(_readable(path, name, skip))
        elif os.path.getsize(path) != shard["bytes"]:
            raise UserError(
                f"{name}: {path} is truncated or changed ({os.path.getsize(path)} bytes, "
                f"{record_index.FILE} says {shard['bytes']}); {REPLACE}"
            )
    if not skip and sum(map(os.path.getsize, used)) <= _TRUSTED:
        for path, count in used.items():
            if records.count(path) != (count, True):
                damage = records.scan(path).damage or f"does not hold {count} records"
                raise UserError(f"{name}: {path} {damage}; {REPLACE}")
    missing = sorted(set(stated) - {os.path.basename(path) for path in paths})
    if missing and whole_folder:
        raise UserError(
            f"{name}: {missing[0]} is missing, though {record_index.FILE} has it; put it back, or "
            f"{AGAIN}"
        )
    return _files(name, used, classes, index["size"])


def _without_index(paths: list[str], name: str, skip: bool, num_classes: int | None) -> RecordFiles:
    found = {path: _readable(path, name, skip) for path in paths}
    largest = max((int(labels.max()) for labels in found.values() if len(labels)), default=-1)
    classes = largest + 1 if num_classes is None else int(num_classes)
    for path, labels in found.items():
        _check_labels(path, name, labels, classes)
    if excess := limits.CLASSES.excess(classes):
        raise UserError(
            f"{name}: labels up to {largest} were found, which are hardly class numbers: {excess}, "
            f"or {AGAIN} with classes counted from 0"
        )
    counts = {path: len(labels) for path, labels in found.items()}
    return _files(name, counts, tuple(map(str, range(classes))))


def _files(
    name: str, counts: dict[str, int], classes: tuple[str, ...], size: int | None = None
) -> RecordFiles:
    """The files with a record."""
    counts = {path: count for path, count in counts.items() if count}
    if not counts:
        raise UserError(f"{name}: holds no whole record; expected TFRecord files of images")
    return RecordFiles(tuple(counts), tuple(counts.values()), classes, size)


def _readable(path: str, name: str, skip: bool) -> np.ndarray:
    """The labels of the records to use."""
    found = records.scan(path)
    if found.damage is not None:
        if not skip:
            raise UserError(f"{name}: {path} {found.damage}; {REPLACE}")
        warnings.warn(
            f"{name}: {path} {found.damage}; {len(found.labels)} records of it are used",
            stacklevel=4,
        )
    return found.labels


def _check_labels(path: str, name: str, labels: np.ndarray, classes: int) -> None:
    """Raises UserError for the first label that is no class number."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(wrong):
        return
    record, label = int(wrong[0]), int(labels[wrong[0]])
    if label == records.NO_LABEL:
        raise UserError(
            f"{name}: record {record} of {path} has no label; expected one under "
            "image/class/label or label"
        )
    raise UserError(
        f"{name}: record {record} of {path} has the label {label}, which is out of range; expected "
        f"{'0 or more' if classes < 1 else f'0 to {classes - 1}'}: {AGAIN}"
    )
