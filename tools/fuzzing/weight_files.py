"""The readers that need TensorFlow: weights of a small network, TFRecord files and their index."""

import io
import json
import shutil
import struct
import tarfile
from contextlib import ExitStack
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from improved_gan_tf import data

from .strategies import changed_json, damaged

SHAPES = {"a/w": (1, 1, 2, 3), "softmax/weights": (4, 3), "softmax/biases": (3,)}
TORCH = {"a/w": "a.weight", "softmax/weights": "fc.weight", "softmax/biases": "fc.bias"}
INDEX = {
    "format": "improved_gan_tf records", "version": 1, "size": 4, "class_names": ["a", "b"],
    "class_counts": [1, 1], "records": 2, "skipped": 0, "source": "s", "conversion": {},
    "shards": [{"file": "a.tfrecord", "records": 2, "bytes": 0, "labels": [0, 1], "notes": []}],
}  # fmt: skip


def _crc(content):
    """The checksum of the TFRecord format: CRC-32C, masked."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(record, length=None):
    """A record in a TFRecord file, perhaps with a forged length, with right checksums."""
    length = struct.pack("<Q", len(record) if length is None else length)
    return length + _crc(length) + record + _crc(record)


def _arrays():
    random = np.random.RandomState(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def _graph(arrays):
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    for name, array in arrays.items():
        node = graph.node.add(op="Const", name=name)
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    return graph.SerializeToString()


def _archive(content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("README", "classify_image_graph_def.pb"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def small_network():
    """A context in which the Inception network has three arrays, so that a file takes a moment."""
    from improved_gan_tf.inception import names, network, weights

    stack = ExitStack()
    for module in (network, weights):
        stack.enter_context(mock.patch.object(module, "parameters", return_value=SHAPES))
    stack.enter_context(mock.patch.object(names, "pytorch_names", return_value=TORCH))
    return stack


def _load(path):
    from improved_gan_tf.inception import weights

    with small_network():
        return weights.load_weights(path, check=False)


def _weights(folder):
    """The small network's weights in each kind of file."""
    from improved_gan_tf.inception import weights
    from tests.helpers import pth_writer

    arrays = _arrays()
    with small_network():
        own = weights.save_weights(folder / "own.npz", arrays).read_bytes()
    state = {TORCH[name]: pth_writer.to_pytorch(array) for name, array in arrays.items()}
    torch = [
        pth_writer.write(folder / f"{legacy}.pth", state, legacy).read_bytes()
        for legacy in (False, True)
    ]
    graph = _graph(arrays)
    return {
        "weights-npz": [own], "weights-pth": torch, "weights-pb": [graph],
        "weights-tgz": [_archive(graph)],
    }  # fmt: skip


def _examples(pictures):
    import tensorflow as tf

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    kinds = [{"image/encoded": p, "image/class/label": i % 2} for i, p in enumerate(pictures)]
    raw = {"image_raw": bytes(48), "label": 1, "height": 4, "width": 4}
    kinds += [raw, {**raw, "height": 2**40, "width": 2**24}, {"image": pictures[0], "label": 10**8}]
    kinds += [{**raw, "label": label} for label in (0, 1)]
    return [
        tf.train.Example(
            features=tf.train.Features(feature={k: feature(v) for k, v in kind.items()})
        ).SerializeToString()
        for kind in kinds
    ]


def _read_records(folder, files):
    root = folder / "records"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name, content in files.items():
        (root / name).write_bytes(content)
    source = data.open(f"records:{root}", skip_unreadable=len(files["a.tfrecord"]) % 2 == 0)
    source.check()
    return sum(1 for _ in source.images().images(lambda image: image, 1))


def readers(pictures, folder, of_file, contents, reader):
    """{name: Reader}; what is valid is made in `folder`."""
    examples = _examples(pictures)
    record = st.one_of(st.sampled_from(examples), damaged(tuple(examples)), st.binary(max_size=80))
    forged = st.one_of(
        st.none(), st.none(), st.none(), st.sampled_from((0, 2**31, 2**60, 2**64 - 1))
    )
    whole = st.lists(st.builds(framed, record, forged), max_size=4).map(b"".join)
    valid = framed(examples[-2]) + framed(examples[-1])
    files = st.one_of(whole, whole, contents(valid))
    index = {**INDEX, "shards": [{**INDEX["shards"][0], "bytes": len(valid)}]}
    text = changed_json(index).map(json.dumps).map(str.encode)
    notes = st.one_of(text, text, contents(json.dumps(index).encode()))
    found = {
        "records": reader(files.map(lambda content: {"a.tfrecord": content}), _read_records),
        "records-index": reader(
            notes.map(lambda content: {"a.tfrecord": valid, "records.json": content}),
            _read_records,
        ),
    }
    for name, valid_files in _weights(folder).items():
        found[name] = reader(contents(*valid_files), of_file("weights", _load))
    return found
