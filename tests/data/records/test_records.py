"""TFRecord files: every kind of record and of damage, and the index."""

import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import data
from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records.files import open_records
from improved_gan_tf.errors import UserError
from tests.helpers import stream_data
from tests.helpers.stream_data import (
    encoded,
    number_picture,
    numbered,
    numbers_of,
    raw_example,
    smooth,
    write_index,
    write_records,
)


def fails(message, path, **options):
    options = {"image_size": None, "batch_size": 1, **options}
    stream_data.fails(message, f"records:{path}", **options)


def parsed(path):
    return [
        (image.numpy(), int(label))
        for image, label in map(records.parse, tf.data.TFRecordDataset(str(path)))
    ]


def test_the_originals_raw_records_are_their_own_bytes(tmp_path):
    noise = np.random.RandomState(0).randint(0, 256, (3, 128, 128, 3)).astype(np.uint8)
    wide = np.random.RandomState(1).randint(0, 256, (6, 4, 3)).astype(np.uint8)
    bare = {"image_raw": noise[2].tobytes(), "label": 5}  # no height and width: a square
    write_records(
        tmp_path / "a.tfrecord",
        [raw_example(noise[0], 0), raw_example(noise[1], 999), bare, raw_example(wide, 7)],
    )
    found = parsed(tmp_path / "a.tfrecord")
    for (image, label), expected in zip(
        found, [(noise[0], 0), (noise[1], 999), (noise[2], 5), (wide, 7)], strict=True
    ):
        np.testing.assert_array_equal(image, expected[0])
        assert image.dtype == np.uint8 and label == expected[1]
    # And x * 2 / 255 - 1, the original's scaling, through a stream.
    write_records(tmp_path / "a.tfrecord", [raw_example(x, i) for i, x in enumerate(noise)])
    stream = data.load_stream(f"records:{tmp_path}", batch_size=3)
    x, y = next(stream.train().as_numpy_iterator())
    assert stream.num_classes == 3 and stream.image_shape == (128, 128, 3)
    np.testing.assert_allclose(x, noise[y] * (2 / 255) - 1, atol=1e-6)
    found = data.as_images(f"records:{tmp_path}")  # with their labels, for figures per class
    assert found.labels().tolist() == [0, 1, 2] and found.class_names == ("0", "1", "2")
    x_same = data.load_stream(f"records:{tmp_path}", batch_size=3, image_size=None)
    np.testing.assert_array_equal(x, next(x_same.train().as_numpy_iterator())[0])


def test_jpegs_of_ours_are_the_raw_ones_up_to_jpegs_error(tmp_path):
    pictures = [smooth(i, 128, 128) for i in range(6)]
    write_records(tmp_path / "raw.tfrecord", [raw_example(x, i) for i, x in enumerate(pictures)])
    write_records(
        tmp_path / "jpeg.tfrecord",
        [records.example(encoded(x), i, f"n{i}", "x.JPEG") for i, x in enumerate(pictures)],
    )
    streams = [
        data.load_stream(f"records:{tmp_path / kind}.tfrecord", batch_size=6)
        for kind in ("raw", "jpeg")
    ]
    (raw, y), (jpeg, y2) = (next(stream.train().as_numpy_iterator()) for stream in streams)
    raw, jpeg = raw[np.argsort(y)], jpeg[np.argsort(y2)]
    assert 0 < np.abs(raw - jpeg).max() * 127.5 < 8
    # TensorFlow decodes to Pillow's bytes, and not by its faster method.
    pillow = np.array([np.asarray(Image.open(io.BytesIO(encoded(x)))) for x in pictures])
    np.testing.assert_allclose(jpeg, pillow / np.float32(127.5) - 1, atol=1e-6)


def test_kinds_are_told_apart_record_by_record(tmp_path):
    pixels = smooth(0, 8, 8)
    png = encoded(pixels, "PNG")
    write_records(
        tmp_path / "a.tfrecord",
        [
            raw_example(pixels, 1),
            records.example(png, 2, "n2", "a.png"),
            {"image": png, "label": 3, "file_name": b"x"},
            {"image": encoded(pixels[..., 0], "PNG"), "label": 0},
        ],
    )
    found = parsed(tmp_path / "a.tfrecord")
    assert [label for _, label in found] == [1, 2, 3, 0]
    for image, _ in found[:3]:
        np.testing.assert_array_equal(image, pixels)
    np.testing.assert_array_equal(found[3][0], np.repeat(pixels[..., :1], 3, -1))  # grey
    scan = records.scan(tmp_path / "a.tfrecord")
    assert scan.damage is None and scan.labels.tolist() == [1, 2, 3, 0]


def test_what_a_record_of_ours_holds():
    example = tf.train.Example.FromString(records.example(b"jpeg", 7, "n07", "n07_1.JPEG"))
    feature = example.features.feature
    values = {name: list(f.bytes_list.value or f.int64_list.value) for name, f in feature.items()}
    assert values == {
        "image/encoded": [b"jpeg"],
        "image/class/label": [7],
        "image/class/synset": [b"n07"],
        "image/filename": [b"n07_1.JPEG"],
    }


# How a file of 10 equal records is damaged, how many whole ones are left, and the message.
DAMAGE = {
    "cut in the content": (lambda b, n: b[:-20], 9, "is damaged or truncated after 9 whole"),
    "cut in the length": (lambda b, n: b[: 9 * n + 4], 9, "is damaged or truncated after 9 whole"),
    "a byte of the content": (
        lambda b, n: b[: 4 * n + 30] + b"?" + b[4 * n + 31 :],
        4,
        "is damaged or truncated after 4 whole",
    ),
    "a length": (
        lambda b, n: b[: 4 * n] + b"????" + b[4 * n + 4 :],
        4,
        "is damaged or truncated after 4 whole",
    ),
    "empty": (lambda b, n: b"", 0, "is empty"),
    "three bytes": (lambda b, n: b"abc", 0, "is damaged or truncated after 0 whole"),
    "text": (
        lambda b, n: b"This is a text and no record at all.\n",
        0,
        "is damaged or truncated after 0 whole",
    ),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
@pytest.mark.parametrize("indexed", [False, True])
def test_damaged_files_are_named_or_used_up_to_there(tmp_path, damage, indexed):
    spoil, whole, message = DAMAGE[damage]
    numbered(tmp_path / "a.tfrecord", range(10))
    numbered(tmp_path / "b.tfrecord", range(10, 20))
    if indexed:
        names = [f"n{i}" for i in range(10)]
        write_index(tmp_path, names, {f: list(range(10)) for f in ("a.tfrecord", "b.tfrecord")})
    path = tmp_path / "b.tfrecord"
    content = path.read_bytes()
    path.write_bytes(spoil(content, len(content) // 10))
    same_size = path.stat().st_size == len(content)
    if (
        indexed and same_size and damage != "a length"
    ):  # the index is believed; training stops, and `check` says why
        stream = data.load_stream(f"records:{tmp_path}", image_size=None, batch_size=20)
        with pytest.raises(tf.errors.DataLossError):
            next(iter(stream.train()))
        with pytest.raises(UserError, match=re.escape(f"{path} {message}")):
            stream.check()
    elif indexed and not same_size:
        fails(
            re.escape(
                f"{path} is truncated or changed ({path.stat().st_size} bytes, "
                f"records.json says {len(content)})"
            ),
            tmp_path,
        )
    else:
        fails(re.escape(f"{path} {message}") + ".*replace it .*skip unreadable", tmp_path)
    with pytest.warns(UserWarning, match=re.escape(f"{path} {message}")):
        stream = data.load_stream(
            f"records:{tmp_path}", image_size=None, batch_size=10 + whole, skip_unreadable=True
        )
    assert (stream.num_train, stream.steps_per_epoch) == (10 + whole, 1)
    for x, _ in stream.train().take(3):
        assert sorted(numbers_of(x)) == list(range(10 + whole))
    assert records.count(path) == (
        whole if damage != "a byte of the content" else 10,
        damage == "a byte of the content",
    )


def test_damage_far_into_a_file(tmp_path):
    """Hundreds of records are parsed together; the whole ones of the last batch count."""
    numbered(tmp_path / "a.tfrecord", range(1300))
    scan = records.scan(tmp_path / "a.tfrecord")
    assert scan.damage is None and scan.labels.tolist() == [n % 10 for n in range(1300)]
    assert records.count(tmp_path / "a.tfrecord") == (1300, True)
    content = (tmp_path / "a.tfrecord").read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(content[:-5])
    scan = records.scan(tmp_path / "a.tfrecord")
    assert "after 1299 whole" in scan.damage and len(scan.labels) == 1299


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"not an example", "has a record 2 that is no tf.train.Example"),
        ({"label": 1}, "has no picture of a known kind in record 2"),
        ({"image_raw": bytes(11), "label": 1}, "has no picture of a known kind in record 2"),
        (
            {"image_raw": bytes(12), "height": 3, "width": 2, "label": 1},
            "has no picture .* record 2",
        ),
        ({"image": encoded(smooth(0, 2, 2)), "label": [1, 2]}, "has a record 2 that is no"),
    ],
)
def test_records_of_another_kind(tmp_path, bad, message):
    good = [raw_example(number_picture(i), i) for i in range(4)]
    write_records(tmp_path / "a.tfrecord", [*good[:2], bad, *good[2:]])
    fails(f"a.tfrecord {message}", tmp_path)
    with pytest.warns(UserWarning, match="2 records of it are used"):
        assert open_records(tmp_path, skip_unreadable=True).counts == (2,)


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        (
            -1,
            {},
            "record 1 of .*b.tfrecord has the label -1, which is out of range; expected 0 to 3",
        ),
        (4, {"num_classes": 4}, "record 1 of .*b.tfrecord has the label 4, .*expected 0 to 3"),
        (2**40, {}, "labels up to 1099511627776 were found, which are hardly class numbers"),
        (None, {}, "record 1 of .*b.tfrecord has no label; expected one under image/class/label"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_labels_out_of_range(tmp_path, label, options, message, skip):
    numbered(tmp_path / "a.tfrecord", range(4))
    bad = raw_example(number_picture(1), 0 if label is None else label)
    if label is None:
        del bad["label"]
    write_records(tmp_path / "b.tfrecord", [raw_example(number_picture(0), 3), bad])
    fails(message, tmp_path, skip_unreadable=skip, **options)


def test_number_of_classes(tmp_path):
    numbered(tmp_path / "a.tfrecord", range(4))
    assert open_records(tmp_path).class_names == ("0", "1", "2", "3")
    stream = data.load_stream(f"records:{tmp_path}", num_classes=1000, batch_size=1)
    assert stream.num_classes == 1000 and stream.class_names[999] == "999"
    write_index(tmp_path, ["a", "b", "c", "d"], {"a.tfrecord": [0, 3]})
    fails("its index has 4 classes, but 1000 were asked for", tmp_path, num_classes=1000)


def indexed_folder(folder):
    numbered(folder / "train-00000-of-00002.tfrecord", range(6))
    numbered(folder / "train-00001-of-00002.tfrecord", range(6, 10))
    shards = {
        "train-00000-of-00002.tfrecord": [n % 10 for n in range(6)],
        "train-00001-of-00002.tfrecord": [n % 10 for n in range(6, 10)],
    }
    names = [f"n{i}" for i in range(10)]
    write_index(folder, names, shards)
    return names, shards


def test_the_index_is_believed_and_files_named_singly(tmp_path, monkeypatch):
    names, _ = indexed_folder(tmp_path)
    monkeypatch.setattr(records, "scan", None)  # not called
    files = open_records(tmp_path)
    assert (files.counts, files.size, files.class_names) == ((6, 4), 2, tuple(names))
    for path, counts in (
        (tmp_path / "train-00001-of-00002.tfrecord", (4,)),
        (tmp_path / "train-*", (6, 4)),
        (tmp_path / "*0-of*.tfrecord", (6,)),
    ):
        assert open_records(path).counts == counts
        assert open_records(path).class_names == tuple(names)


def test_shards_without_a_record_are_passed_over(tmp_path):
    indexed_folder(tmp_path)
    (tmp_path / "train-00000-of-00002.tfrecord").write_bytes(b"")
    write_index(
        tmp_path,
        [f"n{i}" for i in range(10)],
        {"train-00000-of-00002.tfrecord": [], "train-00001-of-00002.tfrecord": [6, 7, 8, 9]},
    )
    assert open_records(tmp_path).counts == (4,)


def test_what_is_wrong_with_an_index(tmp_path):
    names, shards = indexed_folder(tmp_path)
    write_index(tmp_path, names[:8], shards)
    fails(
        "record 2 of .*train-00001-of-00002.tfrecord has the label 8, .*expected 0 to 7", tmp_path
    )
    write_index(tmp_path, names, shards, version=2)
    fails("records.json is not an index of this program's format, version 1", tmp_path)
    write_index(tmp_path, [*names[:9], "n0"], shards)
    fails("records.json names no class, or one twice", tmp_path)
    write_index(tmp_path, names, shards, size=None)
    fails("records.json lacks entries", tmp_path)
    (tmp_path / "records.json").write_text("[1]")
    fails("records.json is no JSON object", tmp_path)
    (tmp_path / "records.json").write_text('{"format": ')
    fails("records.json cannot be read", tmp_path)
    write_index(tmp_path, names, shards)
    numbered(tmp_path / "other.tfrecord", [1])
    fails("other.tfrecord is not in records.json; move the file away", tmp_path)
    (tmp_path / "other.tfrecord").unlink()
    (tmp_path / "train-00000-of-00002.tfrecord").unlink()
    fails("train-00000-of-00002.tfrecord is missing, one of 2 shards", tmp_path)


SHARD = {"file": "a.tfrecord", "records": 1, "bytes": 1, "labels": [0, 0]}


@pytest.mark.parametrize(
    "changes, message",
    [
        *(({"class_names": value}, "lacks entries") for value in ("ab", [1, 2], [["a"]], {}, None)),
        *(({"size": value}, "lacks entries") for value in (0, -1, True, "4", 1e400, 2**20)),
        *(({"shards": value}, "lacks entries") for value in ({}, [[]], [3], "ab")),
        *(
            ({"shards": [{**SHARD, key: value}]}, "lacks entries")
            for key, value in (
                ("file", 3), ("records", -1), ("records", True), ("records", 2.0),
                ("bytes", 1e400), ("bytes", 2**70), ("labels", ["a", "b"]), ("labels", []),
                ("labels", [0]), ("labels", 3), ("notes", [["a"]]), ("notes", {}),
            )
        ),
        ({"class_names": [str(n) for n in range(100_001)]}, "100,001 classes, .*_MAX_CLASSES"),
    ],
)  # fmt: skip
def test_entries_of_an_index_that_are_of_another_kind(tmp_path, changes, message):
    numbered(tmp_path / "a.tfrecord", [0])
    write_index(tmp_path, ["a"], {"a.tfrecord": [0]})
    index = json.loads((tmp_path / "records.json").read_text())
    (tmp_path / "records.json").write_text(json.dumps({**index, **changes}))
    fails(f"records.json .*{message}", tmp_path)


def test_shards_that_are_not_all_there(tmp_path):
    numbered(tmp_path / "x-00001-of-00003.tfrecord", range(3))
    numbered(tmp_path / "x-00000-of-00003.tfrecord", range(3))
    fails("x-00002-of-00003.tfrecord is missing, one of 3 shards", tmp_path)
    (tmp_path / "conversion.json").write_text("{}")
    fails("its conversion has not finished; run improved-gan convert again", tmp_path)
    for path in tmp_path.glob("*.tfrecord"):
        path.unlink()
    fails("its conversion has hardly begun", tmp_path)
    named = {"file": "a.tfrecord", "records": 1, "bytes": 1, "labels": [0, 0]}
    gone = {**named, "file": "gone.tfrecord"}
    (tmp_path / "conversion.json").unlink()
    numbered(tmp_path / "a.tfrecord", [0])
    named["bytes"] = (tmp_path / "a.tfrecord").stat().st_size
    (tmp_path / "records.json").write_text(
        json.dumps(
            {
                "format": "improved_gan_tf records",
                "version": 1,
                "size": 2,
                "class_names": ["a"],
                "shards": [named, gone],
            }
        )
    )
    fails("gone.tfrecord is missing, though records.json has it", tmp_path)


def test_places_without_records(tmp_path):
    fails("there is no such folder or file, nor any that matches", tmp_path / "x")
    fails("there is no such folder or file, nor any that matches", tmp_path / "x*.tfrecord")
    (tmp_path / "a.txt").write_text("x")
    fails("the folder has no file that ends in .tfrecord or .tfrecords", tmp_path)


def test_pictures_that_are_not_alike(tmp_path):
    write_records(
        tmp_path / "a.tfrecord", [raw_example(smooth(0, 4, 4), 0), raw_example(smooth(0, 5, 4), 0)]
    )
    stream = data.load_stream(f"records:{tmp_path}", image_size=None, batch_size=2)
    assert stream.image_shape == (4, 4, 3)
    with pytest.raises(UserError, match="record 1 of .*a.tfrecord cannot .*is of another size"):
        stream.check()
    data.load_stream(f"records:{tmp_path}", image_size=4, batch_size=2).check()
    write_records(tmp_path / "a.tfrecord", [{"image": b"no picture", "label": 0}])
    fails("the picture in record 0 of .*a.tfrecord cannot be decoded", tmp_path)
    stream = data.load_stream(f"records:{tmp_path}", batch_size=1)
    with pytest.raises(UserError, match="picture in record 0 of .*a.tfrecord cannot be decoded"):
        stream.check()
