"""Finding TFRecord files, and that they hold what training expects."""

from __future__ import annotations

import glob
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records import index as record_index
from improved_gan_tf.errors import UserError

SUFFIXES = (".tfrecord", ".tfrecords")
_SHARD = re.compile(r"(.*)-(\d+)-of-(\d+)\.tfrecords?")


@dataclass(frozen=True)
class RecordFiles:
    """TFRecord files that were checked.

    Attributes:
        paths: the files, sorted by name; none is empty.
        counts: for each, the number of records to use, those before any damage.
        class_names: one name a class.
        size: side of the pictures if all are known to be squares of one size, else None.
    """

    paths: tuple[str, ...]
    counts: tuple[int, ...]
    class_names: tuple[str, ...]
    size: int | None = None

    @property
    def total(self) -> int:
        """Records in all."""
        return sum(self.counts)

    @property
    def mean_bytes(self) -> int:
        """Mean bytes of a record in its file."""
        return sum(map(os.path.getsize, self.paths)) // self.total


def open_records(path, skip_unreadable: bool = False, num_classes=None) -> RecordFiles:
    """Looks into what `records:PATH` names.

    An index (records.json) beside the files is believed where the files' sizes are the ones it
    states. Files without an index are read through once, pictures undecoded, as all are with
    `skip_unreadable`.

    Args:
        path: a folder of *.tfrecord or *.tfrecords files, one such file, or a glob pattern.
        skip_unreadable: use the whole records before a file's damage, and warn, instead of
            raising.
        num_classes: number of classes of files without an index; by default the largest label
            and one more.

    Raises:
        UserError: nothing there, a shard missing, a conversion not finished, a file empty,
            truncated, damaged or of another kind, a label out of range; each names the file.
    """
    name = f"records:{path}"
    path = str(Path(path).expanduser())
    paths = _list(path, name)
    _check_complete(paths, name)
    folders = {os.path.dirname(p) for p in paths}
    folder = folders.pop() if len(folders) == 1 else None
    index = record_index.read_index(folder) if folder is not None else None
    if index is None:
        if folder is not None and (Path(folder) / record_index.UNFINISHED).is_file():
            raise UserError(
                f"{name}: its conversion has not finished; run improved-gan convert again, "
                f"which continues where it stopped"
            )
        return _without_index(paths, name, skip_unreadable, num_classes)
    classes = tuple(index["class_names"])
    if num_classes not in (None, len(classes)):
        raise UserError(
            f"{name}: its index has {len(classes)} classes, but {num_classes} were asked for."
        )
    return _with_index(paths, name, index, Path(path).is_dir(), skip_unreadable)


def _list(path: str, name: str) -> list[str]:
    if os.path.isdir(path):
        paths = [
            p
            for p in glob.glob(os.path.join(glob.escape(path), "*"))
            if p.endswith(SUFFIXES) and os.path.isfile(p)
        ]
        if not paths and not os.path.exists(os.path.join(path, record_index.UNFINISHED)):
            raise UserError(
                f"{name}: the folder has no file that ends in {' or '.join(SUFFIXES)}; "
                f"improved-gan convert makes some, other names need a pattern: "
                f"'records:{path}/*'."
            )
        if not paths:
            raise UserError(
                f"{name}: its conversion has hardly begun; run improved-gan convert again"
            )
    elif os.path.isfile(path):
        paths = [path]
    else:
        paths = [
            p
            for p in glob.glob(path)
            if os.path.isfile(p)
            and os.path.basename(p) not in (record_index.FILE, record_index.UNFINISHED)
        ]
        if not paths:
            raise UserError(
                f"{name}: there is no such folder or file, nor any that matches; expected TFRecord "
                f"files."
            )
    return sorted(paths)


def _check_complete(paths, name) -> None:
    """Raises UserError where file names say "of 16" and fewer of them are in the folder."""
    for path in paths:
        match = _SHARD.fullmatch(os.path.basename(path))
        if match is None:
            continue
        folder, digits, total = os.path.dirname(path), len(match[2]), int(match[3])
        suffix = path[path.rindex(".") :]
        for number in range(total):
            shard = f"{match[1]}-{number:0{digits}d}-of-{match[3]}{suffix}"
            if not os.path.exists(os.path.join(folder, shard)):
                if os.path.exists(os.path.join(folder, record_index.UNFINISHED)):
                    return  # the message about that is the better one
                raise UserError(
                    f"{name}: {shard} is missing, one of {total} shards; put it back, or convert "
                    f"the images again."
                )
        return


def _with_index(paths, name, index, whole_folder, skip) -> RecordFiles:
    stated = {shard["file"]: shard for shard in index["shards"]}
    used, counts = [], []
    for path in paths:
        shard = stated.get(os.path.basename(path))
        if shard is None:
            raise UserError(
                f"{name}: {os.path.basename(path)} is not in {record_index.FILE}; move the file "
                f"away, or that index to have all files read through."
            )
        if shard["records"] == 0:
            continue  # none of its pictures could be read when it was made
        if not 0 <= min(shard["labels"]) <= max(shard["labels"]) < len(index["class_names"]):
            _check_labels(path, name, records.scan(path).labels, len(index["class_names"]))
        count = shard["records"]
        if skip:
            count = len(_readable(path, name, skip).labels)
        elif os.path.getsize(path) != shard["bytes"]:
            raise UserError(
                f"{name}: {path} is truncated or changed ({os.path.getsize(path)} bytes, "
                f"{record_index.FILE} says {shard['bytes']}); {_ADVICE}"
            )
        if count:
            used.append(path)
            counts.append(count)
    missing = sorted(set(stated) - {os.path.basename(path) for path in paths})
    if missing and whole_folder:
        raise UserError(
            f"{name}: {missing[0]} is missing, though {record_index.FILE} has it; put it back, or "
            f"convert the images again."
        )
    if not used:
        raise UserError(f"{name}: holds no whole record; convert the images again.")
    return RecordFiles(tuple(used), tuple(counts), tuple(index["class_names"]), index["size"])


_ADVICE = (
    "replace it by a whole copy or convert the images again, or have the readable part "
    "used (skip unreadable)."
)


def _readable(path, name, skip) -> records.Scan:
    found = records.scan(path)
    if found.damage is not None:
        if not skip:
            raise UserError(f"{name}: {path} {found.damage}; {_ADVICE}")
        warnings.warn(
            f"{name}: {path} {found.damage}; {len(found.labels)} records of it are used.",
            stacklevel=4,
        )
    return found


def _without_index(paths, name, skip, num_classes) -> RecordFiles:
    found = [_readable(path, name, skip).labels for path in paths]
    if not any(map(len, found)):
        raise UserError(f"{name}: holds no whole record; expected TFRecord files of images.")
    largest = max(int(labels.max()) for labels in found if len(labels))
    classes = largest + 1 if num_classes is None else int(num_classes)
    for path, labels in zip(paths, found, strict=True):
        _check_labels(path, name, labels, classes)
    if classes > 2**20:
        raise UserError(
            f"{name}: labels up to {largest} were found, which are hardly class numbers; convert "
            f"the images with classes counted from 0."
        )
    kept = [(path, len(labels)) for path, labels in zip(paths, found, strict=True) if len(labels)]
    return RecordFiles(
        tuple(path for path, _ in kept),
        tuple(count for _, count in kept),
        tuple(map(str, range(classes))),
    )


def _check_labels(path, name, labels, classes) -> None:
    """Raises UserError for the first label that is no class number."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(wrong):
        return
    record, label = int(wrong[0]), int(labels[wrong[0]])
    if label == records.NO_LABEL:
        raise UserError(
            f"{name}: record {record} of {path} has no label; expected one under "
            f"image/class/label or label."
        )
    raise UserError(
        f"{name}: record {record} of {path} has the label {label}, which is out of range; expected "
        f"{'0 or more' if classes < 1 else f'0 to {classes - 1}'}: convert the images anew."
    )
