"""What files hold, so that two runs can be compared bit for bit, and what cannot be read."""

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np

from improved_gan_tf.files import is_temporary

# What depends on the moment, the machine's speed, and addresses in memory.
_TIMES = ("seconds", "date", "training_hours", "command", "shared_object_id")

_PAGE_TIMES = rb"20\d\d-\d\d-\d\d|([\d.,]+ (s|min|h)\b ?)+|training_hours(</?\w+>|\s)*[\d.]+"


def look(folder):
    """Reads everything in a folder.

    Returns:
        (contents, unreadable, temporary): {path: hash}, {path: reason}, [path], of the files that
        are not temporary; a SavedModel and the events of TensorBoard are one entry each.
    """
    folder = Path(folder)
    contents, unreadable, temporary = {}, {}, []
    for top, folders, files in os.walk(folder):
        top = Path(top)
        temporary += [
            str((top / n).relative_to(folder)) for n in folders + files if is_temporary(n)
        ]
        folders[:] = sorted(name for name in folders if not is_temporary(name))
        read = _content
        if "saved_model.pb" in files or top.name == "tensorboard":
            read = _signatures if "saved_model.pb" in files else _events
            folders[:], paths = [], [top]
        else:
            paths = [top / name for name in files if not is_temporary(name)]
        for path in paths:
            name = str(path.relative_to(folder))
            try:
                contents[name] = _hashed(read(path))
            except Exception as error:  # whatever a damaged file leads to
                unreadable[name] = f"{type(error).__name__}: {error}"[:200]
    return contents, unreadable, temporary


def names(folder):
    """The paths of everything in a folder, a set."""
    found = (os.path.join(top, n) for top, some, files in os.walk(folder) for n in some + files)
    return {os.path.relpath(path, folder) for path in found}


def _content(path):
    suffix, data = path.suffix, path.read_bytes()
    if suffix == ".json":
        return _without_times(json.loads(data))
    if suffix == ".csv":
        assert data.endswith(b"\n"), "no end of the last line"
        rows = list(csv.reader(io.StringIO(data.decode())))
        assert all(len(row) == len(rows[0]) for row in rows), "lines of several lengths"
        at = [i for i, name in enumerate(rows[0]) if name not in _TIMES]
        return [[row[i] for i in at] for row in rows]
    if suffix == ".html":
        assert data.rstrip().endswith(b"</html>"), "no end of the page"
        return re.sub(_PAGE_TIMES, b"", data)
    if suffix in (".png", ".gif"):
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            image.load()
    elif suffix == ".npz":
        with np.load(io.BytesIO(data)) as arrays:
            return {name: _array(arrays[name]) for name in arrays.files}
    elif suffix == ".h5":
        return _weights(io.BytesIO(data))
    elif suffix == ".keras":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            weights = _weights(io.BytesIO(archive.read("model.weights.h5")))
            return weights, _without_times(json.loads(archive.read("config.json")))
    return data


def _weights(stream):
    import h5py

    found = {}
    with h5py.File(stream) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: _array(item[()])}) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert found, "no arrays"
    return found


def _signatures(path):
    """What the signatures of an exported generator return."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    drawn = loaded.sample(tf.constant(4), tf.constant(7)).numpy()
    return _array(drawn), _array(loaded.image_range().numpy())


def _events(path):
    """The last value of each tag and step, whatever files it stands in."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    found = {}
    for file in sorted(path.rglob("*tfevents*"), key=lambda file: file.stat().st_mtime_ns):
        try:
            for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
                event = event_pb2.Event.FromString(record)
                for value in event.summary.value:
                    key = f"{file.parent.name} {value.tag} {event.step}"
                    found[key] = value.SerializeToString(deterministic=True).hex()
        except tf.errors.DataLossError:  # the last record, at a kill
            pass
    return found


def _array(array):
    array = np.asarray(array)
    return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()


def _without_times(value):
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def _hashed(content):
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()
