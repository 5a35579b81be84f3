"""Files that announce more than they are worth: refused by a line that names the limit."""

import gzip
import io
import os
import tarfile
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data, limits
from improved_gan_tf.data import archives
from improved_gan_tf.data.labels import labels_from_file
from improved_gan_tf.errors import UserError
from improved_gan_tf.inception.weights import load_weights
from improved_gan_tf.metrics.other_classifier import load_classifier
from improved_gan_tf.metrics.statistics import Statistics
from improved_gan_tf.numpy_files import directory_bytes
from tests.helpers.one_line import refusal_of
from tools.fuzzing.weight_files import framed

ZEROS = 70 * 2**20


def images_of(path):
    return list(data.as_images(path).images(lambda image: image, 2))


def labels_of(path):
    return labels_from_file(path, 2, 2)


def labeled(path):
    return data.open(f"npz:{path}").arrays("train")


opens, counts_images = refusal_of(data.open), refusal_of(images_of)


@pytest.fixture(scope="module")
def zeros(tmp_path_factory):
    """Some kilobytes that announce, and hold, many megabytes of zeros."""
    path = tmp_path_factory.mktemp("zeros") / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (ZEROS // 64, 8, 8)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("x_train", "images", "mu"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(ZEROS))
        for name in ("y_train", "sigma"):
            archive.writestr(f"{name}.npy", b"")
    return path


@pytest.mark.parametrize("read", [labeled, images_of, Statistics.load])
def test_zeros_are_not_decompressed(zeros, read):
    tracemalloc.start()
    with pytest.raises(
        UserError, match=r"announces [\d,]+ bytes from each .*MAX_EXPANSION raises it"
    ):
        read(zeros)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_limit_is_raised_by_its_variable(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((8, 4, 4), np.uint8), y_train=np.arange(8) % 2)
    name = f"npz:{tmp_path / 'a.npz'}"
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_BYTES", "191")
    opens("announces 192 bytes in memory, above the limit of 191; .*_MAX_BYTES raises it", name)
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_BYTES", "192")
    assert data.open(name).splits["test"] == 2
    for value in ("0", "-1", "1e9", "²", "9" * 30):
        monkeypatch.setenv("IMPROVED_GAN_TF_MAX_BYTES", value)
        opens("MAX_BYTES is .*; expected a whole number of bytes in memory, 1 or more", name)
    monkeypatch.delenv("IMPROVED_GAN_TF_MAX_BYTES")
    assert limits.BYTES.value == limits.BYTES.default


def _forged(path, **changes):
    """A .npz file whose member y_train.npy (also: mu, images) has a header of its own."""
    fields = {"descr": "'<i8'", "shape": "(12,)", **changes}
    text = f"{{'descr': {fields['descr']}, 'fortran_order': False, 'shape': {fields['shape']}, }}\n"
    content = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + bytes(96)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "y_train", "images", "mu", "sigma"):
            archive.writestr(f"{name}.npy", content)
    return path


def _changed(path, at, value):
    """The archive with a field changed in each of its entries and its directory: encryption..."""
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", at), (b"PK\1\2", at + 2)):
        place = -1
        while (place := content.find(magic, place + 1)) >= 0:
            content[place + offset : place + offset + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("read", [labeled, images_of, Statistics.load])
@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda p: _forged(p, shape="(10**12,)"), "malformed|Cannot parse|cannot be parsed"),
        (lambda p: _forged(p, shape="(1000000000000,)"), "ends before its last number"),
        (lambda p: _forged(p, shape="(-12,)"), "shape .-12"),
        (lambda p: _forged(p, descr="'<f4'", shape="(1048576, 1048576, 1048576, 0)"), "shape .104"),
        (lambda p: _forged(p, shape="(True, 12)"), "shape .True"),
        (lambda p: _forged(p, shape="(6,)"), "goes on behind its last number"),
        (lambda p: _forged(p, descr="'|O'"), "values of type object; expected numbers"),
        (lambda p: _forged(p, shape="[" * 5000), "header|EOF in multi-line"),
        (lambda p: _changed(_forged(p), 6, b"\1\0"), "it is encrypted"),
        (lambda p: _changed(_forged(p), 8, b"\x63\0"), "unknown method 99"),
        (lambda p: _changed(_forged(p), 14, b"abcd"), "CRC"),
    ],
)  # fmt: skip
def test_forged_arrays(tmp_path, read, make, reason):
    path = make(tmp_path / "a.npz")
    refusal_of(read)(reason if read is not images_of else f"{reason}|images of shape", path)


@pytest.mark.parametrize(
    "read",
    [labeled, images_of, labels_of, Statistics.load, load_weights, load_classifier,
     lambda path: data.open(f"records:{path}"), lambda path: data.open(f"folder:{path}")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["pipe.npz", "pipe.npy", "pipe.png", "pipe"])
def test_named_pipes_are_refused_at_once(tmp_path, read, name):
    os.mkfifo(tmp_path / name)
    refusal_of(read)(str(tmp_path / name), tmp_path / name)


def test_a_label_of_a_hundred_million(tmp_path):
    x, y = np.zeros((4, 2, 2), np.uint8), np.array([0, 1, 0, 10**8])
    refusal_of(data.source_from_arrays)("100,000,001 classes, .*MAX_CLASSES raises it", x, y)


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    for name in ("a/1.png", "a/2.jpg", "b/1.gif", "b/2.png", "a/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_PIXELS", "199")
    message = "200 pixels in a picture, above the limit of 199; IMPROVED_GAN_TF_MAX_PIXELS raises"
    counts_images(message, tmp_path)
    refusal_of(lambda name: data.open(name, image_size=4).check())(message, f"folder:{tmp_path}")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a/1.png", "1.png")
        archive.writestr("2.png", bytes(2**20 + 1000))
    counts_images(f"1.png cannot be read as a picture .{message}", tmp_path / "a.zip")
    images = data.as_images(tmp_path / "a.zip", skip_unreadable=True)
    assert list(images.images(lambda image: image, 2)) == [] and len(images.skipped) == 2
    np.save(tmp_path / "x.npy", np.full((3, 20, 10), 9, np.uint8))
    counts_images(message, tmp_path / "x.npy")
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_PIXELS", "200")
    assert len(images_of(tmp_path / "a")) == 3


def test_few_large_pictures_are_in_memory_at_a_time(tmp_path, monkeypatch):
    """In order, and however many threads there are: the next one and 1,000 pixels besides."""
    monkeypatch.setattr(archives, "_PIXELS_AHEAD", 1000)
    for i in range(20):
        Image.new("L", (20, 20), i).save(tmp_path / f"{i:02d}.png")
    lock, held, most = threading.Lock(), set(), []

    def prepare(image):
        with lock:
            held.add(int(image[0, 0, 0]))
            most.append(len(held))
        return image

    for place, image in enumerate(data.as_images(tmp_path).images(prepare, 8)):
        assert image[0, 0, 0] == place
        with lock:
            held.discard(place)
    assert len(most) == 20 and 1 <= max(most) <= 1 + 3  # one is with the reader of this loop
    stopped = data.as_images(tmp_path).images(lambda image: image, 8)
    next(stopped)
    stopped.close()  # those that wait are let go


def test_archives_of_zeros(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(ZEROS), compresslevel=1)
    counts_images(r"announces [\d,]+ bytes from each .*MAX_EXPANSION raises", tmp_path / "a.zip")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = ZEROS
        archive.addfile(member, io.BytesIO(bytes(ZEROS)))
    counts_images(r"becomes [\d,]+ bytes from each .*MAX_EXPANSION raises", tmp_path / "a.tar.gz")


def test_a_tar_header_of_many_bytes(tmp_path):
    """Extended headers are read at once, whatever size they announce."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 5 * 10**8
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + bytes(2048))
    counts_images("a.tar is a damaged archive|neither a zip nor a tar", tmp_path / "a.tar")


def _leading_back(path, size):
    """A compressed archive whose second member announces `size` bytes."""
    archive = bytearray()
    for i in range(2):
        member = tarfile.TarInfo(f"{i}.png")
        member.size = 512
        archive += member.tobuf(tarfile.GNU_FORMAT) + bytes(512)
    archive[1024 + 124 : 1024 + 136] = b"\xff" + (256**11 + size).to_bytes(11, "big")
    archive[1024 + 148 : 1024 + 156] = b" " * 8
    archive[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(archive[1024:1536])
    with gzip.open(path, "wb") as stream:
        stream.write(archive + bytes(1024))
    return path


@pytest.mark.parametrize("size", [-512, -1024])
def test_tar_members_that_lead_back(tmp_path, monkeypatch, size):
    """Python's reader comes to the same member again, for ever (CVE-2025-8194)."""
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_MEMBERS", "20")
    path = _leading_back(tmp_path / "a.tgz", size)
    counts_images("a.tgz is a damaged archive", path)
    refusal_of(load_weights)("a.tgz is damaged: ", path)


def test_members_of_an_archive_of_weights_are_counted(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        for i in range(3):
            archive.addfile(tarfile.TarInfo(f"{i}.txt"))
    refusal_of(load_weights)("a.tgz holds no classify_image_graph_def.pb", tmp_path / "a.tgz")
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_MEMBERS", "2")
    refusal_of(load_weights)("3 members in an archive, above the limit", tmp_path / "a.tgz")


def test_members_are_counted_before_they_are_listed(tmp_path, monkeypatch):
    for name, writer in (("a.zip", zipfile.ZipFile), ("a.npz", zipfile.ZipFile)):
        with writer(tmp_path / name, "w") as archive:
            for i in range(30):
                archive.writestr(f"{i}.png", b"")
    assert directory_bytes(tmp_path / "a.zip") == sum(46 + len(f"{i}.png") for i in range(30))
    monkeypatch.setenv("IMPROVED_GAN_TF_MAX_MEMBERS", "29")
    for name in ("a.zip", "a.npz"):
        counts_images("members in an archive, above .*MAX_MEMBERS raises it", tmp_path / name)


def test_a_forged_length_of_a_record(tmp_path):
    """TensorFlow asks for so much memory, and the process is gone."""
    (tmp_path / "a.tfrecord").write_bytes(framed(b"record", 2**60) + bytes(100))
    opens("is damaged or truncated after 0 whole records", f"records:{tmp_path}")


@pytest.mark.parametrize(
    "name, message",
    [("\0", "unknown data set"), ("npz:a\0b", "unknown data set"),
     ("x" * 300, "cannot be read: File name too"),
     ("folder:" + "x" * 300, "no such folder|too long"), ("a\nb.npz", r"a\\nb.npz: there is no"),
     ("~nobody-at-all/x.npz", "no such|home directory")],
)  # fmt: skip
def test_names_that_are_no_paths(name, message):
    opens(message, name)
