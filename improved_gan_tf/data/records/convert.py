"""Class folders of pictures to sharded TFRecord files with an index, for `records:DIR`.

What is written depends on the pictures and the options alone, not on the number of processes nor
on how often it was stopped. Every shard appears whole, with a note of what it holds beside it
(.train-00000-of-00004.json) until all are there; then the index records.json takes over.

Source: imagenet/convert_imagenet_to_records.py. It stores raw pixels; JPEGs of quality 95 take
about a fifth of the space (D24).
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records import index as record_index
from improved_gan_tf.data.records.index import UNFINISHED
from improved_gan_tf.data.records.pictures import SKIPPED, prepare_all
from improved_gan_tf.data.records.plan import Plan, plan_conversion
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import (
    cannot_write,
    is_temporary,
    remove_abandoned,
    temporary,
    write_bytes,
    write_json,
)

SKIPPED_FILE = "skipped.txt"


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        out: The folder.
        records: The number of records in all files.
        skipped: The number of pictures that could not be used.
        noted: The number of pictures that were used and are listed with a reason.
        classes: The number of classes.
        empty_classes: The names of the classes without a record.
        shards: The number of files.
        kept_shards: How many of the files were there already.
    """

    out: Path
    records: int
    skipped: int
    noted: int
    classes: int
    empty_classes: tuple[str, ...]
    shards: int
    kept_shards: int


def convert(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    size: int = 128,
    shards: int | None = None,
    quality: int = 95,
    workers: int | None = None,
    seed: int = 1,
    synsets: str | os.PathLike | None = None,
    classes: int | None = None,
    progress: bool = True,
) -> Conversion:
    """Converts a folder, or continues a conversion that was stopped.

    Args:
        source, size, shards, quality, seed, synsets, classes: See `plan_conversion`.
        out: The folder to write; absent, empty, or with an earlier conversion of the same pictures
            by the same options.
        workers: The number of processes that decode. By default the number of processors.
        progress: Whether to show a progress bar on stderr. Defaults to True.

    Returns:
        What was written, as `Conversion`.

    Raises:
        UserError: As `plan_conversion`; or `out` is used by something else or by another
            conversion, lies within `source`, or cannot be written; or no picture can be read.

    Example:

    >>> from improved_gan_tf import images
    >>> for name in ("cats", "dogs"):
    ...     paths = images.save_folder(f"photos/{name}", np.zeros((2, 8, 8, 3), "uint8"))
    >>> done = convert("photos", "records", size=4, workers=1, progress=False)
    >>> done.records, done.classes
    (4, 2)
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise UserError(f"{workers} workers given; expected 1 or more")
    out = Path(os.path.abspath(Path(out).expanduser()))
    plan = plan_conversion(source, size, shards, quality, seed, synsets, classes)
    if out == plan.source or plan.source in out.parents:
        raise UserError(f"{out} lies within {plan.source}; name a folder outside for the records")
    _begin(out, plan)
    states = _finished(out, plan)
    kept = len(states)
    remove_abandoned(out)
    if kept < plan.shards:
        _write_shards(out, plan, states, workers, progress)
    notes = sorted((file, note) for state in states.values() for file, note in state["notes"])
    counts = _class_counts(plan, notes)
    total = _finish(out, plan, [states[i] for i in range(plan.shards)], notes, counts)
    skipped = sum(note.startswith(SKIPPED) for _, note in notes)
    empty = (name for name, count in zip(plan.class_names, counts, strict=True) if not count)
    sizes = (total, skipped, len(notes) - skipped, len(counts))
    return Conversion(out, *sizes, tuple(empty), plan.shards, kept)


def _begin(out: Path, plan: Plan) -> None:
    """Claims the folder, or sees that it was claimed by this same conversion."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder for the records")
    names = (UNFINISHED, record_index.FILE)
    found = next((out / name for name in names if (out / name).is_file()), None)
    if found is None:
        if out.is_dir() and not all(map(is_temporary, out.iterdir())):
            raise UserError(f"{out} is not empty and holds no conversion; name another folder")
        write_json(out / UNFINISHED, plan.conversion)
        return
    begun: Any = record_index.read_json(found)
    if found.name == record_index.FILE:
        begun = begun.get("conversion")
    if not isinstance(begun, dict) or set(begun) != set(plan.conversion):
        raise UserError(f"{found} was not written by this program; name another folder")
    for option, value in plan.conversion.items():
        if begun[option] != value:
            what = f"{option} {str(begun[option])[:40]}, not {value}"
            if option == "pictures":
                what = f"other pictures than are in {plan.source} now"
            raise UserError(
                f"{out} holds a conversion of {what}; name another folder, or remove that one to "
                "begin again"
            )


def _state_file(out: Path, shard: str) -> Path:
    return out / f".{shard.removesuffix('.tfrecord')}.json"


def _finished(out: Path, plan: Plan) -> dict[int, dict]:
    """What the shards that are whole hold, by their numbers."""
    index = record_index.read_index(out) or {"shards": []}
    stated = {shard["file"]: shard for shard in index["shards"]}
    found = {}
    for number in range(plan.shards):
        shard = plan.shard_name(number)
        file = _state_file(out, shard)
        try:
            state = record_index.read_json(file) if file.exists() else stated[shard]
            known = record_index.is_shard(state) and "notes" in state
            if known and state["bytes"] == (out / shard).stat().st_size:
                found[number] = state
        except (FileNotFoundError, KeyError, UserError):
            pass
    return found


def _write_shards(
    out: Path, plan: Plan, states: dict[int, dict], workers: int, progress: bool
) -> None:
    """Writes the shards that `states` lacks and enters them."""
    import tensorflow  # noqa: F401  (its import takes seconds: before the bar appears)
    from tqdm import tqdm

    pending = [i for i in range(plan.shards) if i not in states]
    paths = [str(plan.source / plan.files[row]) for i in pending for row in plan.shard_range(i)]
    prepared = prepare_all(paths, plan.conversion["size"], plan.conversion["quality"], workers)
    total = len(plan.files)
    bar = tqdm(
        total=total,
        initial=total - len(paths),
        unit=" images",
        disable=not progress,
        mininterval=0.2,
        dynamic_ncols=True,
    )
    try:
        with bar:
            for i in pending:
                states[i] = _write_shard(out, plan, i, prepared, bar)
    finally:
        prepared.close()


def _write_shard(out: Path, plan: Plan, number: int, prepared: Iterator, bar: Any) -> dict:
    import tensorflow as tf

    shard, rows = plan.shard_name(number), plan.shard_range(number)
    labels, notes = [], []
    try:
        with temporary(out / shard) as name, tf.io.TFRecordWriter(str(name)) as writer:
            for row, (jpeg, note) in zip(rows, itertools.islice(prepared, len(rows)), strict=True):
                file, label = plan.files[row], int(plan.labels[row])
                if note is not None:
                    notes.append([file, note])
                if jpeg is not None:
                    class_name, base = plan.class_names[label], file.partition("/")[2]
                    writer.write(records.example(jpeg, label, class_name, base))
                    labels.append(label)
                bar.update()
    except tf.errors.OpError as error:  # TensorFlow's wrapping of a full disk
        reason = OSError(0, " ".join(error.message.split())[:120])
        raise cannot_write(out / shard, reason) from error
    state = {
        "file": shard,
        "records": len(labels),
        "bytes": (out / shard).stat().st_size,
        "labels": [min(labels), max(labels)] if labels else [],
        "notes": notes,
    }
    write_json(_state_file(out, shard), state)
    return state


def _class_counts(plan: Plan, notes: list[tuple[str, str]]) -> list[int]:
    """The number of records of each class."""
    skipped = {file for file, note in notes if note.startswith(SKIPPED)}
    used = np.array([file not in skipped for file in plan.files])
    return np.bincount(plan.labels[used], minlength=len(plan.class_names)).tolist()


def _finish(
    out: Path, plan: Plan, states: list[dict], notes: list[tuple[str, str]], counts: list[int]
) -> int:
    """Writes the index and removes what it replaces; again, if that was cut short."""
    total = sum(state["records"] for state in states)
    if total == 0:
        for state in states:
            (out / state["file"]).unlink(missing_ok=True)
        _remove_notes(out, plan)
        file, note = notes[0]
        raise UserError(
            f"none of the {len(plan.files)} pictures in {plan.source} can be read ({file}: "
            f"{note.removeprefix(SKIPPED)}); expected pictures of 8 bits per channel"
        )
    if notes:
        text = "".join(f"{file}\t{note}\n" for file, note in notes)
        write_bytes(out / SKIPPED_FILE, os.fsencode(text))
    index = {
        "format": record_index.FORMAT,
        "version": record_index.VERSION,
        "source": str(plan.source),
        "size": plan.conversion["size"],
        "records": total,
        "skipped": len(plan.files) - total,
        "class_names": list(plan.class_names),
        "class_counts": counts,
        "shards": states,
        "conversion": plan.conversion,
    }
    write_json(out / record_index.FILE, index)
    _remove_notes(out, plan)
    return total


def _remove_notes(out: Path, plan: Plan) -> None:
    """Removes what only an unfinished conversion needs."""
    (out / UNFINISHED).unlink(missing_ok=True)
    for number in range(plan.shards):
        _state_file(out, plan.shard_name(number)).unlink(missing_ok=True)
