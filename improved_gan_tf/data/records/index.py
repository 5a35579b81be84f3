"""records.json, the index: what the TFRecord files beside it hold, so that they need not be read.

`{"format": ..., "version": 1, "size": 128, "class_names": [...], "class_counts": [...],
"records": N, "skipped": M, "shards": [{"file", "records", "bytes", "labels": [lowest, highest],
"notes": [[picture, reason], ...]}, ...], "source": ..., "conversion": {...}}`
"""

import json
import os
from pathlib import Path
from typing import Any

from improved_gan_tf import limits
from improved_gan_tf.errors import UserError

FILE = "records.json"
UNFINISHED = "conversion.json"
FORMAT = "improved_gan_tf records"
VERSION = 1
AGAIN = "convert the images again"
_JSON = 32  # bytes in memory that a byte of JSON may take


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the JSON object in a file.

    Raises:
        UserError: The file cannot be read, or holds no JSON object.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a file")  # to open a named pipe would wait for ever
        if path.is_file() and (excess := limits.BYTES.excess(_JSON * path.stat().st_size)):
            raise ValueError(excess)
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}); {AGAIN}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} is no JSON object; {AGAIN}")
    return value


def read_index(folder: str | os.PathLike) -> dict[str, Any] | None:
    """Reads and checks the index of a folder.

    Returns:
        The index, or None if the folder has none.

    Raises:
        UserError: The index is damaged, of another program or version, or names a class twice.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    index = read_json(path)
    if index.get("format") != FORMAT or index.get("version") != VERSION:
        raise UserError(
            f"{path} is not an index of this program's format, version {VERSION}; {AGAIN}, or move "
            "it away to have the records read through instead"
        )
    names: Any = index.get("class_names")
    shards: Any = index.get("shards")
    size = index.get("size")
    if (
        not (_is_list(names, str) and _is_list(shards, dict))
        or not (type(size) is int and 1 <= size < 2**16)
        or not all(map(is_shard, shards))
    ):
        raise UserError(f"{path} lacks entries that it should have; {AGAIN}")
    if not names or len(set(names)) != len(names):
        raise UserError(f"{path} names no class, or one twice; {AGAIN}")
    if excess := limits.CLASSES.excess(len(names)):
        raise UserError(f"{path} has {excess}")
    return index


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def is_shard(shard: dict[str, Any]) -> bool:
    """Whether a dictionary says of a file what an index or a note of a conversion does."""
    file = shard.get("file")
    counts: list[Any] = [shard.get("records"), shard.get("bytes")]
    labels: Any = shard.get("labels")
    notes: Any = shard.get("notes", [])
    return (
        isinstance(file, str)
        and _is_list(counts, int)
        and _is_list(labels, int)
        and all(0 <= count < 2**53 for count in counts)
        and len(labels) == (2 if counts[0] else 0)
        and _is_list(notes, list)
        and all(len(note) == 2 and _is_list(note, str) for note in notes)
    )
