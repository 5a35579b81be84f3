"""Class folders of pictures to sharded TFRecord files with an index: for `records:DIR`.

What is written depends on the pictures and the options alone, not on the number of processes nor
on how often it was stopped: every shard appears whole, with a note of what it holds
(.train-00000-of-00004.json) beside it until all are there; then the index records.json takes over.

Source: the ImageNet code's conversion to records. It kept raw bytes; JPEGs of quality 95 take
about a fifth of the room.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records import index as record_index
from improved_gan_tf.data.records.pictures import SKIPPED, prepare_all
from improved_gan_tf.data.records.plan import Plan, plan_conversion
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import (
    cannot_write,
    is_temporary,
    temporary,
    write_bytes,
    write_json,
)

SKIPPED_FILE = "skipped.txt"


@dataclass(frozen=True)
class Conversion:
    """What a conversion left.

    Attributes:
        out: the folder.
        records: how many were written, in all.
        skipped: pictures that could not be used.
        noted: pictures that were used and are listed, with the reason.
        classes: number of classes.
        empty_classes: names of those without a record.
        shards: number of files.
        kept_shards: how many of them were there already.
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
    source,
    out,
    *,
    size: int = 128,
    shards=None,
    quality: int = 95,
    workers=None,
    seed: int = 1,
    synsets=None,
    classes=None,
    progress: bool = True,
) -> Conversion:
    """Converts a folder, or goes on with a conversion that was stopped.

    Args:
        source, size, shards, quality, seed, synsets, classes: see `plan_conversion`.
        out: the folder to write; absent, empty, or with an earlier conversion of the same
            pictures by the same options.
        workers: processes that decode; by default as many as there are processors.
        progress: whether to show a progress bar on stderr.

    Returns:
        Conversion.

    Raises:
        UserError: as `plan_conversion`; `out` is used by something else or by another
            conversion, lies within `source`, or cannot be written; no picture can be read.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise UserError(f"{workers} workers given; expected 1 or more.")
    out = Path(os.path.abspath(Path(out).expanduser()))
    plan = plan_conversion(source, size, shards, quality, seed, synsets, classes)
    if out == plan.source or plan.source in out.parents:
        raise UserError(f"{out} lies within {plan.source}; name a folder outside for the records.")
    _begin(out, plan)
    index = record_index.read_index(out) or {"shards": []}
    stated = {shard["file"]: shard for shard in index["shards"]}
    states = [_state(out, plan.shard_name(i), stated) for i in range(plan.shards)]
    pending = [i for i, state in enumerate(states) if state is None]
    for leftover in filter(is_temporary, out.iterdir()):  # of a kill
        leftover.unlink()
    if pending:
        _write_shards(out, plan, states, pending, workers, progress)
    _finish(out, plan, states)
    notes = [note for state in states for note in state["notes"]]
    counts = _class_counts(plan, notes)
    skipped = sum(note.startswith(SKIPPED) for _, note in notes)
    return Conversion(
        out,
        sum(state["records"] for state in states),
        skipped,
        len(notes) - skipped,
        len(plan.class_names),
        tuple(name for name, count in zip(plan.class_names, counts, strict=True) if not count),
        plan.shards,
        plan.shards - len(pending),
    )


def _begin(out: Path, plan: Plan) -> None:
    """Claims the folder, or sees that it was claimed by this same conversion."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder for the records.")
    found = next(
        (
            out / name
            for name in (record_index.UNFINISHED, record_index.FILE)
            if (out / name).is_file()
        ),
        None,
    )
    if found is None:
        if out.is_dir() and not all(map(is_temporary, out.iterdir())):
            raise UserError(f"{out} is not empty and holds no conversion; name another folder.")
        write_json(out / record_index.UNFINISHED, plan.conversion)
        return
    begun = record_index.read_json(found)
    if found.name == record_index.FILE:
        begun = begun.get("conversion")
    if not isinstance(begun, dict) or set(begun) != set(plan.conversion):
        raise UserError(f"{found} is not of this program's making; name another folder.")
    for option, value in plan.conversion.items():
        if begun[option] != value:
            what = (
                f"other pictures than are in {plan.source} now"
                if option == "pictures"
                else f"{option} {begun[option]}, not {value}"
            )
            raise UserError(
                f"{out} holds a conversion of {what}; name another folder, or remove that one to "
                f"begin again."
            )


def _state_file(out: Path, shard: str) -> Path:
    return out / f".{shard.removesuffix('.tfrecord')}.json"


def _state(out: Path, shard: str, stated) -> dict | None:
    """What a whole shard holds, or None if it has to be written."""
    try:
        size = (out / shard).stat().st_size
        file = _state_file(out, shard)
        state = record_index.read_json(file) if file.exists() else stated[shard]
        return state if state["bytes"] == size else None
    except (FileNotFoundError, KeyError, UserError):
        return None


def _write_shards(out: Path, plan: Plan, states, pending, workers, progress) -> None:
    """Writes the pending shards and enters them into `states`."""
    import tensorflow  # noqa: F401  (its import takes seconds: before the bar appears)
    from tqdm import tqdm

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


def _write_shard(out: Path, plan: Plan, number: int, prepared, bar) -> dict:
    import tensorflow as tf

    shard, rows = plan.shard_name(number), plan.shard_range(number)
    labels, notes = [], []

    path = out / shard
    try:
        with temporary(path) as name, tf.io.TFRecordWriter(str(name)) as writer:
            for row, (jpeg, note) in zip(rows, itertools.islice(prepared, len(rows)), strict=True):
                file, label = plan.files[row], int(plan.labels[row])
                if note is not None:
                    notes.append([file, note])
                if jpeg is not None:
                    writer.write(
                        records.example(
                            jpeg, label, plan.class_names[label], file.partition("/")[2]
                        )
                    )
                    labels.append(label)
                bar.update()

    except tf.errors.OpError as error:  # TensorFlow's wrapping of a full disk
        raise cannot_write(path, OSError(0, " ".join(error.message.split())[:120])) from error
    state = {
        "file": shard,
        "records": len(labels),
        "bytes": path.stat().st_size,
        "labels": [min(labels), max(labels)] if labels else [],
        "notes": notes,
    }
    write_json(_state_file(out, shard), state)
    return state


def _class_counts(plan: Plan, notes) -> list[int]:
    skipped = {file for file, note in notes if note.startswith(SKIPPED)}
    used = [
        label for file, label in zip(plan.files, plan.labels, strict=True) if file not in skipped
    ]
    return np.bincount(used, minlength=len(plan.class_names)).tolist() if used else []


def _finish(out: Path, plan: Plan, states) -> None:
    """Writes the index and removes what it replaces; again, where that was cut short."""
    total = sum(state["records"] for state in states)
    notes = sorted(tuple(note) for state in states for note in state["notes"])
    if total == 0:
        for number in range(plan.shards):
            (out / plan.shard_name(number)).unlink(missing_ok=True)
        _remove_notes(out, plan)
        raise UserError(
            f"none of the {len(plan.files)} pictures in {plan.source} can be read "
            f"({notes[0][0]}: {notes[0][1].removeprefix(SKIPPED)}); expected pictures of 8 bits a "
            f"channel."
        )
    if notes:
        text = "".join(f"{file}\t{note}\n" for file, note in notes)
        write_bytes(out / SKIPPED_FILE, os.fsencode(text))
    write_json(
        out / record_index.FILE,
        {
            "format": record_index.FORMAT,
            "version": record_index.VERSION,
            "source": str(plan.source),
            "size": plan.conversion["size"],
            "records": total,
            "skipped": len(plan.files) - total,
            "class_names": list(plan.class_names),
            "class_counts": _class_counts(plan, notes),
            "shards": states,
            "conversion": plan.conversion,
        },
    )
    _remove_notes(out, plan)


def _remove_notes(out: Path, plan: Plan) -> None:
    """Removes what only an unfinished conversion needs."""
    (out / record_index.UNFINISHED).unlink(missing_ok=True)
    for number in range(plan.shards):
        _state_file(out, plan.shard_name(number)).unlink(missing_ok=True)
