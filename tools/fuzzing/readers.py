"""The readers and what each of them must hold for: a result, or a `UserError` of one line."""

import contextlib
import dataclasses
import io
import json
import os
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from improved_gan_tf import data, limits
from improved_gan_tf.data import labels_from_file
from improved_gan_tf.data.pictures import FORMATS
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.distribution import check_cluster

from . import run_files, strategies, weight_files
from .strategies import array_files, changed_json, contents

# Small limits, so that what goes beyond them is seen.
LIMITS = {
    limits.BYTES.variable: str(32 * 2**20),
    limits.PIXELS.variable: "1000000",
    limits.CLASSES.variable: "1000",
    limits.MEMBERS.variable: "1000",
}


@dataclasses.dataclass(frozen=True)
class Reader:
    """What is read: strategies of whole inputs, and the function that reads one in a folder.

    Attributes:
        inputs: A strategy of what `read` is given.
        read: Function (folder, input): writes the input into the folder and reads it.
    """

    inputs: st.SearchStrategy
    read: Callable[[Path, Any], Any]


def outcome(reader: Reader, folder: Path, value: Any) -> str:
    """Whether a "result" or a "refusal"; other exceptions come through. Call it in `limited`."""
    try:
        reader.read(folder, value)
    except UserError as error:
        line = str(error)
        assert line and "\n" not in line and not line.endswith("."), line
        return "refusal"
    return "result"


@contextlib.contextmanager
def limited():
    """The small limits, and no warnings about odd files."""
    with mock.patch.dict(os.environ, LIMITS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of_file(name: str, use: Callable[[Path], Any]) -> Callable[[Path, bytes], Any]:
    """A function that writes bytes to a file and has `use` read it."""

    def read(folder, content):
        path = folder / name
        path.write_bytes(content)
        return use(path)

    return read


def _all(images):
    found = images.images(lambda image: image, 1)
    return sum(1 for image, _ in zip(found, range(100), strict=False) if image.ndim == 3)


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz(compressed=False, **arrays):
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def _encoded(image_format, mode="RGB"):
    pixels = np.random.RandomState(0).randint(0, 256, (9, 8, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, image_format)
    return stream.getvalue()


PIXELS = np.random.RandomState(0).randint(0, 256, (12, 4, 4, 3)).astype(np.uint8)
NUMBERS = np.arange(12) % 2
SPLITS = {"x_train": PIXELS, "y_train": NUMBERS, "x_test": PIXELS[:4], "y_test": NUMBERS[:4]}
PICTURES = (*map(_encoded, FORMATS), _encoded("PNG", "P"), _encoded("PNG", "L"),
            _encoded("JPEG", "CMYK"), _encoded("GIF", "L"))  # fmt: skip


def _zip(method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("a/", b"")
        for i, content in enumerate(PICTURES[:4]):
            archive.writestr(f"a/{i}.png", content)
        archive.writestr("notes.txt", b"text")
    return stream.getvalue()


def _tar(mode="w", **options):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, **options) as archive:
        for i, content in enumerate(PICTURES[:4]):
            member = tarfile.TarInfo("long/" * 30 * (i == 2) + f"{i}.png")
            member.size, member.pax_headers = len(content), {"comment": "x"}
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _labeled(path):
    return data.open(f"npz:{path}").arrays("train")


def _images(path):
    for skip in (False, True):
        source = data.open(path, skip_unreadable=skip)
        found = _all(source.images(image_range=(0, 1)))
    return found


def _labels(path):
    return labels_from_file(path, 12, 2, 16, [f"a/{i}.png" for i in range(12)], ("cat", "dog"))


def _folder(folder, contents):
    root = folder / "pictures"
    shutil.rmtree(root, ignore_errors=True)
    for name, content in zip(("a/1.png", "a/2.jpg", "b/1.gif", "b/2.png"), contents, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    source = data.open(f"folder:{root}", image_size=4)
    source.check()
    return source.arrays("train")


def _statistics(path):
    from improved_gan_tf.metrics.statistics import Statistics
    from improved_gan_tf.metrics.statistics_file import is_statistics_file

    is_statistics_file(path)
    found = Statistics.load(path)
    found.labels(), found.class_names
    return found.fid(found), found.kid(found, 2, 2), found.spatial and found.sfid(found)


def _moments():
    x = np.random.RandomState(0).normal(size=(50, 4))
    notes = {"classifier": "x", "images": "y", "class_names": ["a", "b"]}
    about = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    moments = {"mu": x.mean(0), "sigma": np.cov(x.T)}
    kept = {"features": x.astype(np.float32), "seen": np.int64(50), "count": np.int64(50)}
    kept |= {"mu_s": x.mean(0), "sigma_s": np.cov(x.T), "labels": np.arange(50) % 2}
    kept |= {"logits": x.astype(np.float32)}
    return _npz(**moments), _npz(**moments, **kept, about=about), moments["sigma"]


CLUSTER = {
    "cluster": {"chief": ["host:1234"], "worker": ["a:1", "[::1]:65535"]},
    "task": {"type": "worker", "index": 0},
}


def _names(folder, text):
    with contextlib.chdir(folder):
        return data.open(text, data_dir=folder, download=False)


def _readers(folder):
    few, ours, sigma = _moments()
    parts = ("mu", "sigma", "mu_s", "sigma_s", "count", "features", "seen", "labels", "logits")
    parts += ("about",)
    names = (*SPLITS, "x_unlabeled")
    arrays = (_npy(PIXELS), _npy(NUMBERS), _npy(NUMBERS.astype(float)), _npy(PIXELS / 255.0))
    grey = _npy(np.asfortranarray(PIXELS[..., 0]))
    text = b"0\n1\n-1\nnan\n" * 3, b"name,label\n1.png,cat\na/2.png,1\n3.png,none\n"
    cluster = st.one_of(
        changed_json(CLUSTER).map(json.dumps), strategies.JSON.map(json.dumps), st.text(),
        strategies.damaged((json.dumps(CLUSTER).encode(),)).map(lambda b: b.decode("latin-1")),
        st.sampled_from(("[" * 100_000, '{"a":' * 100_000)),
    )  # fmt: skip
    letters = st.characters(exclude_characters="/~.", exclude_categories=("Cs",))
    kinds = st.sampled_from(("", "npz:", "folder:", "records:", "digits@", "mnist:", "x" * 300))
    return {
        "npz": Reader(
            contents(_npz(**SPLITS), _npz(True, **SPLITS))
            | strategies.archives_of_arrays(names, arrays),
            of_file("a.npz", _labeled),
        ),
        "npz-images": Reader(
            contents(_npz(images=PIXELS), _npz(True, images=PIXELS / 255.0, other=NUMBERS))
            | strategies.archives_of_arrays(("images", "b"), arrays),
            of_file("a.npz", _images),
        ),
        "npy": Reader(contents(*arrays, grey) | array_files(), of_file("a.npy", _images)),
        "labels-npy": Reader(contents(*arrays) | array_files(), of_file("a.npy", _labels)),
        "labels-text": Reader(contents(*text), of_file("a.txt", _labels)),
        "pictures": Reader(contents(*PICTURES), of_file("a.png", _images)),
        "folder": Reader(
            st.tuples(contents(*PICTURES), *3 * [st.sampled_from(PICTURES)]), _folder
        ),
        "zip": Reader(contents(_zip(), _zip(zipfile.ZIP_DEFLATED)), of_file("a.zip", _images)),
        "tar": Reader(
            contents(_tar(), _tar(format=tarfile.GNU_FORMAT), _tar("w:gz"), _tar("w:xz"),
                     _tar("w:bz2")),
            of_file("a.tar", _images),
        ),
        "statistics": Reader(
            contents(few, ours)
            | strategies.archives_of_arrays(parts, (_npy(np.zeros(4)), _npy(sigma), _npy(-sigma))),
            of_file("a.npz", _statistics),
        ),
        **weight_files.readers(PICTURES, folder, of_file, contents, Reader),
        **run_files.readers(Reader),
        "tf-config": Reader(cluster, lambda folder, text: check_cluster(text)),
        "names": Reader(
            st.tuples(kinds, st.text(letters, max_size=20)).map("".join), _names
        ),
    }  # fmt: skip


with tempfile.TemporaryDirectory() as _made:
    READERS = _readers(Path(_made))
