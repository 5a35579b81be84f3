"""records.json, the index: what the TFRecord files beside it hold, so that they need not be read.

`{"format": ..., "version": 1, "size": 128, "class_names": [...], "class_counts": [...],
"records": N, "skipped": M, "shards": [{"file", "records", "bytes", "labels": [lowest, highest],
"notes": [[picture, reason], ...]}, ...], "source": ..., "conversion": {...}}`
"""

import json
import os
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError

FILE = "records.json"
UNFINISHED = "conversion.json"
FORMAT = "improved_gan_tf records"
VERSION = 1
AGAIN = "convert the images again"


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the JSON object in a file.

    Raises:
        UserError: The file cannot be read, or holds no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text())
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
    try:
        names = index["class_names"]
        for shard in index["shards"]:
            shard["file"], int(shard["records"]), int(shard["bytes"]), list(shard["labels"])
        int(index["size"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} lacks entries that it should have; {AGAIN}") from None
    if not names or len(set(names)) != len(names):
        raise UserError(f"{path} names no class, or one twice; {AGAIN}")
    return index
