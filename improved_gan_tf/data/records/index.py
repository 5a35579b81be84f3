"""records.json: what the TFRecord files beside it hold, so that nobody need read them to know.

`{"format": ..., "version": 1, "size": 128, "class_names": [...], "class_counts": [...],
"records": N, "skipped": M, "shards": [{"file", "records", "bytes", "labels": [lowest, highest],
"notes": [[picture, reason], ...]}, ...], "source": ..., "conversion": {...}}`
"""

from __future__ import annotations

import json
from pathlib import Path

from improved_gan_tf.errors import UserError

FILE = "records.json"
UNFINISHED = "conversion.json"
FORMAT = "improved_gan_tf records"
VERSION = 1


def read_json(path) -> dict:
    """The object in the file `path`.

    Raises:
        UserError: it cannot be read, or is no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}); convert the images anew.") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} is no JSON object; convert the images anew.")
    return value


def read_index(folder) -> dict | None:
    """The checked index of a folder; None if there is none.

    Raises:
        UserError: it is damaged, of another program or version, or names a class twice.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    index = read_json(path)
    if index.get("format") != FORMAT or index.get("version") != VERSION:
        raise UserError(
            f"{path} is not an index of this program's format, version {VERSION}; convert the "
            f"images anew, or move it away to have the records read through instead."
        )
    try:
        names = index["class_names"]
        for shard in index["shards"]:
            shard["file"], int(shard["records"]), int(shard["bytes"]), list(shard["labels"])
        int(index["size"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} lacks entries that it should have; convert anew.") from None
    if not names or len(set(names)) != len(names):
        raise UserError(f"{path} names no class, or one twice; convert the images anew.")
    return index
