"""Streams of labeled images: their order, the workers' shares, decoding, errors."""

import os
import re

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import data
from improved_gan_tf.data import folders, pictures
from improved_gan_tf.data import source as sources
from improved_gan_tf.data.records import source as stream_records
from improved_gan_tf.errors import UserError
from tests.helpers.stream_data import (
    class_folders,
    encoded,
    epochs,
    fails,
    numbered,
    numbers_of,
    smooth,
    square,
)


def npz(path, n, test=7, seed=0):
    """Colour images of 4x4 pixels, each of its number; the labels are number % 3."""
    x = np.zeros((n + test, 4, 4, 3), np.uint8)
    x[..., 0] = np.arange(n + test)[:, None, None]
    y = np.arange(n + test) % 3
    np.savez(path, x_train=x[:n], y_train=y[:n], x_test=x[n:], y_test=y[n:])
    return f"npz:{path}"


def rows(batches):
    return np.concatenate([np.rint((x[:, 0, 0, 0] + 1) * 127.5).astype(int) for x, _ in batches])


def equal(found, expected):
    assert len(found) == len(expected)
    for (x, y), (a, b) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, a)
        np.testing.assert_array_equal(y, b)


def test_arrays_in_memory(tmp_path):
    stream = data.load_stream(npz(tmp_path / "a.npz", 50), image_size=None, batch_size=8)
    assert isinstance(stream, data.ImageStream)
    assert (stream.num_train, stream.num_test, stream.num_classes) == (50, 7, 3)
    assert stream.class_names == ("0", "1", "2") and stream.image_shape == (4, 4, 3)
    assert stream.steps_per_epoch == 6 and stream.batch_size == 8
    assert stream.image_range == (-1.0, 1.0) and stream.scaling.name == "symmetric"
    assert stream.train().element_spec == (
        tf.TensorSpec((8, 4, 4, 3), tf.float32),
        tf.TensorSpec((8,), tf.int32),
    )
    assert stream.train().cardinality() == tf.data.INFINITE_CARDINALITY
    first, second = epochs(stream, 0, 2)
    for epoch in (first, second):
        assert len(set(rows(epoch))) == 48  # no row twice
        np.testing.assert_array_equal(np.concatenate([y for _, y in epoch]), rows(epoch) % 3)
    assert (rows(first) != rows(second)).mean() > 0.8
    left_out = {row for epoch in epochs(stream, 0, 12) for row in set(range(50)) - set(rows(epoch))}
    assert len(left_out) > 10  # others every time
    assert stream.test is None  # 7 are fewer than a batch
    small = data.load_stream(npz(tmp_path / "a.npz", 50), image_size=None, batch_size=3)
    (x, y), (x2, _) = small.test.as_numpy_iterator()
    np.testing.assert_array_equal(rows([(x, y), (x2, y)]), np.arange(50, 56))
    np.testing.assert_array_equal(y, np.arange(50, 53) % 3)
    assert small.test.cardinality() == 2


def test_order_is_a_function_of_seed_and_epoch_alone(tmp_path):
    name = npz(tmp_path / "a.npz", 50)
    stream = data.load_stream(name, image_size=None, batch_size=8, seed=3)
    whole = epochs(stream, 0, 4)
    tf.random.set_seed(99)
    again = data.load_stream(name, image_size=None, batch_size=8, seed=3)
    for first in range(4):
        equal(sum(epochs(again, first, 4 - first), []), sum(whole[first:], []))
    other = data.load_stream(name, image_size=None, batch_size=8, seed=4)
    assert (rows(epochs(other, 0, 1)[0]) != rows(whole[0])).mean() > 0.8


def test_order_of_rows_stays_what_it_was():
    """A checkpoint written by an earlier version resumes in the order it began with."""
    part = sources.Part(steps=2, rows=5)
    found = [
        list(sources.shuffled_rows(10, 1, tf.constant(epoch, tf.int64), part).as_numpy_iterator())
        for epoch in (0, 1)
    ]
    assert found == ROWS


ROWS = [[9, 2, 1, 6, 5, 0, 8, 4, 3, 7], [6, 4, 5, 3, 7, 9, 0, 2, 1, 8]]


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_workers_slices_make_the_single_workers_batches(tmp_path, workers):
    stream = data.load_stream(npz(tmp_path / "a.npz", 50), image_size=None, batch_size=8)
    alone = sum(epochs(stream, 1, 2), [])
    shares = [sum(epochs(stream, 1, 2, workers=workers, worker=w), []) for w in range(workers)]
    joined = [
        tuple(np.concatenate(parts) for parts in zip(*batch, strict=True))
        for batch in zip(*shares, strict=True)
    ]
    equal(joined, alone)


FILES = {
    "equal": [20] * 8,
    "unequal": [1, 30, 7, 52, 3, 12, 40, 11],
    "two": [100, 57],
    "one": [157],
}


def record_folder(folder, lengths):
    start = 0
    for i, length in enumerate(lengths):
        numbered(folder / f"part-{i}.tfrecord", range(start, start + length))
        start += length
    return f"records:{folder}"


@pytest.mark.parametrize("files", list(FILES))
def test_workers_of_records_are_disjoint_and_cover_all(tmp_path, files):
    name = record_folder(tmp_path, FILES[files])
    total = sum(FILES[files])
    seen = set()
    for batch_size, workers in ((8, 2), (12, 3), (8, 8) if files == "two" else (8, 1)):
        stream = data.load_stream(name, image_size=None, batch_size=batch_size)
        assert stream.num_train == total and stream.num_classes == 10
        assert stream.steps_per_epoch == total // batch_size
        shares = [epochs(stream, 0, 2, workers=workers, worker=w) for w in range(workers)]
        for epoch in range(2):
            numbers = np.concatenate([numbers_of(x) for share in shares for x, _ in share[epoch]])
            assert len(numbers) == stream.steps_per_epoch * batch_size
            assert len(set(numbers)) == len(numbers) and set(numbers) <= set(range(total))
            seen |= set(numbers)
        x, y = shares[0][0][0]
        assert x.shape == (batch_size // workers, 2, 2, 3) and y.dtype == np.int32
        np.testing.assert_array_equal(y, numbers_of(x) % 10)
        if files == "equal" and workers == 2:  # of 8 files: own ones, and shared ones at the ends
            for share in shares:
                touched = {number // 20 for x, _ in share[0] for number in numbers_of(x)}
                assert len(touched) <= 6
    assert len(seen) == total


@pytest.mark.parametrize("options", [{}, {"workers": 2, "worker": 1}])
def test_records_resume_at_an_epoch(tmp_path, monkeypatch, options):
    monkeypatch.setattr(stream_records, "BLOCK_BYTES", 1500)  # several blocks an epoch
    stream = data.load_stream(record_folder(tmp_path, FILES["unequal"]), image_size=None, seed=5)
    assert 1 < stream.source.block < 30
    whole = epochs(stream, 0, 3, **options)
    tf.random.set_seed(5)
    equal(sum(epochs(stream, 1, 2, **options), []), whole[1] + whole[2])
    orders = [np.concatenate([numbers_of(x) for x, _ in epoch]) for epoch in whole]
    assert (orders[0] != orders[1]).mean() > 0.8
    other = data.load_stream(f"records:{tmp_path}", image_size=None, seed=6)
    found = np.concatenate([numbers_of(x) for x, _ in epochs(other, 0, 1, **options)[0]])
    assert (found != orders[0]).mean() > 0.8


def test_records_are_shuffled_within_files_and_every_record_may_be_left_out(tmp_path):
    stream = data.load_stream(record_folder(tmp_path, [30]), image_size=None, batch_size=8)
    left_out, falls = set(), 0
    for epoch in epochs(stream, 0, 40):
        numbers = np.concatenate([numbers_of(x) for x, _ in epoch])
        falls += np.mean(np.diff(numbers) < 0) / 40
        left_out |= set(range(30)) - set(numbers)
    assert 0.4 < falls < 0.6  # a random order falls half the time
    assert len(left_out) > 25


def test_no_python_and_no_autotuning_in_the_pipeline(tmp_path, monkeypatch):
    """Python decodes only the unusual pictures."""
    class_folders(tmp_path / "f", {"a": 2, "b": 2})
    (tmp_path / "f" / "a" / "grey.png").write_bytes(encoded(smooth(0, 9, 9)[..., 0], "PNG"))
    (tmp_path / "f" / "b" / "colour.png").write_bytes(encoded(smooth(0, 9, 9), "PNG"))
    streams = [
        data.load_stream(name, image_size=8, batch_size=4)
        for name in (
            npz(tmp_path / "a.npz", 20),
            record_folder(tmp_path, [9, 9]),
            f"folder:{tmp_path / 'f'}",
        )
    ]
    monkeypatch.setattr(pictures, "decode", lambda stream: pytest.fail("Python was called"))
    for stream in streams:
        dataset = stream.train()
        options = dataset.options()
        assert options.autotune.enabled is False and options.deterministic is True
        assert (
            options.experimental_distribute.auto_shard_policy
            == tf.data.experimental.AutoShardPolicy.OFF
        )
        list(dataset.take(3 * stream.steps_per_epoch))


def test_class_folders_with_their_labels(tmp_path):
    made = class_folders(tmp_path / "train", {"n03": 4, "n01": 5, "n02": 3})
    class_folders(tmp_path / "val", {"n01": 2})
    stream = data.load_stream(f"folder:{tmp_path}", image_size=12, batch_size=4)
    assert stream.class_names == ("n01", "n02", "n03") and stream.image_shape == (12, 12, 3)
    assert (stream.num_train, stream.num_test, stream.test) == (12, 2, None)
    expected = {file: square(pixels, 12).astype(float) for file, pixels in made.items()}
    seen = set()
    for x, y in epochs(stream, 0, 1)[0]:
        for image, label in zip((x + 1) * 127.5, y, strict=True):
            file = min(expected, key=lambda f: np.abs(expected[f] - image).mean())
            assert np.abs(expected[file] - image).mean() < 3
            assert file.startswith(stream.class_names[label] + "/")
            seen.add(file)
    assert seen == set(made)


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_train_and_held_out_folders(tmp_path, held_out):
    class_folders(tmp_path / "train", {"a": 3, "b": 3})
    class_folders(tmp_path / held_out, {"b": 5})
    folder = f"folder:{tmp_path}"
    stream = data.load_stream(folder, image_size=8, batch_size=2)
    assert (stream.num_train, stream.num_test) == (6, 5)
    labels = [y.tolist() for _, y in stream.test.as_numpy_iterator()]
    assert labels == [[1, 1], [1, 1]]
    class_folders(tmp_path / held_out, {"a": 5})
    ((_, y),) = data.load_stream(folder, image_size=8, batch_size=5).test.take(1)
    assert set(y.numpy()) == {0, 1}  # not class by class
    class_folders(tmp_path / held_out, {"c": 1})
    fails(f"{held_out}/ has the class 'c' and train/ has not", f"folder:{tmp_path}")


def test_unusual_pictures_in_folders(tmp_path):
    pixels, folder = smooth(0, 16, 16), tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    (tmp_path / "test").mkdir()
    class_folders(tmp_path / "test", {"a": 1}, sizes=((16, 16),))
    for name, content in {
        "cmyk.jpg": encoded(pixels, mode="CMYK"),
        "disguised.jpg": encoded(pixels, "PNG"),
        "alpha.png": encoded(pixels, "PNG", mode="RGBA"),
        "palette.gif": encoded(pixels, "GIF"),
        "plain.bmp": encoded(pixels, "BMP"),
        "ordinary.jpg": encoded(pixels),
    }.items():
        (folder / name).write_bytes(content)
    stream = data.load_stream(f"folder:{tmp_path}", image_size=None, batch_size=1)
    assert stream.image_shape == (16, 16, 3)
    for ((x, _),) in zip(epochs(stream, 0, 1)[0], strict=True):
        # CMYK and GIF's palette are the inexact ones.
        assert np.abs((x[0] + 1) * 127.5 - pixels).mean() < 8
    (folder / "grey.jpg").write_bytes(encoded(pixels[..., 0]))
    stream = data.load_stream(f"folder:{tmp_path}", image_size=None, batch_size=7)
    ((x, _),) = epochs(stream, 0, 1)[0]
    assert sum((image == image[..., :1]).all() for image in x) == 1


def test_unreadable_pictures_in_folders(tmp_path, monkeypatch):
    name, train = f"folder:{tmp_path}", tmp_path / "train"
    class_folders(train, {"a": 3, "b": 2})
    class_folders(tmp_path / "test", {"a": 1})
    cut, no_picture = train / "a" / "cut.jpg", train / "b" / "text.jpg"
    cut.write_bytes(encoded(smooth(0, 60, 60))[:600])
    fails(f"{cut} cannot be read", name, image_size=8, batch_size=1)
    no_picture.write_text("no picture")
    with pytest.warns(UserWarning, match=f"left out as unreadable: {cut} and 1 more"):
        stream = data.load_stream(name, image_size=8, batch_size=5, skip_unreadable=True)
    assert stream.num_train == 5
    stream.check()
    assert sorted(epochs(stream, 0, 1)[0][0][1].tolist()) == [0, 0, 0, 1, 1]
    # Of very many pictures only the beginning is looked at.
    monkeypatch.setattr(folders, "FULLY_CHECKED", 3)
    fails(f"{no_picture} cannot be read", name, image_size=8, batch_size=1)
    no_picture.unlink()
    stream = data.load_stream(name, image_size=8, batch_size=1)
    with pytest.raises(UserError, match=f"{cut} cannot be read"):
        stream.check()
    for path in (train / "b").iterdir():
        path.write_text("no picture")
    with pytest.warns(UserWarning, match="readable|unreadable") as caught:
        data.load_stream(name, image_size=8, batch_size=3, skip_unreadable=True)
    assert any("class 'b' has no readable picture" in str(w.message) for w in caught)


def test_names_that_are_no_text(tmp_path):
    """Linux takes any bytes as the name of a file."""
    odd = os.fsdecode(b"b\xff")
    try:
        class_folders(tmp_path, {"a": 5, odd: 5})
    except OSError:
        pytest.skip("this file system takes text alone")
    name = f"folder:{tmp_path}"
    for skip in (False, True):
        d = data.load(name, 2, batch_size=2, image_size=8, skip_unreadable=skip)
        assert d.num_train == 8
        stream = data.load_stream(name, image_size=8, batch_size=4, skip_unreadable=skip)
        assert len(epochs(stream, 0, 1)[0]) == 2


def test_pictures_of_many_sizes_need_an_image_size(tmp_path):
    class_folders(tmp_path, {"a": 2})
    fails(
        r"a_001.JPEG is 24 x 16 but .*a_000.JPEG 20 x 30; make them equal or choose an image",
        f"folder:{tmp_path}",
        image_size=None,
        batch_size=1,
    )


def test_digits_stay_grey():
    stream = data.load_stream("digits", image_size=16, batch_size=100, scaling="unit")
    assert stream.image_shape == (16, 16, 1) and stream.image_range == (0.0, 1.0)
    assert (stream.num_train, stream.num_test) == (1297, 500)
    x, y = next(iter(stream.test))
    images, labels = data.open("digits").arrays("test")
    np.testing.assert_array_equal(y, labels[:100])
    expected = tf.image.resize(images[:100].astype(np.float32), (16, 16)) / 16
    np.testing.assert_allclose(x, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (
            "batch size 51 is more than the 50 training images; use .* at most 50",
            {"batch_size": 51},
        ),
        ("batch size 0 given; expected a whole number", {"batch_size": 0}),
        ("image size 0 given", {"image_size": 0}),
        ("image size 1.5 given", {"image_size": 1.5}),
        ("seed -1 given", {"seed": -1}),
        ("seed 4294967296 given", {"seed": 2**32}),
        ("unknown scaling 'best'", {"scaling": "best"}),
        ("has 3 classes, but 4 were asked for", {"num_classes": 4}),
    ],
)
def test_options_out_of_range(tmp_path, message, options):
    fails(message, npz(tmp_path / "a.npz", 50), **options)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("batch size 16 cannot be shared by 3 workers; use a multiple of 3", {"workers": 3}),
        ("worker 2 of 2 given", {"workers": 2, "worker": 2}),
        ("worker 0 of 0 given", {"workers": 0}),
        ("first epoch -1 given", {"first_epoch": -1}),
    ],
)
def test_shares_out_of_range(tmp_path, message, options):
    stream = data.load_stream(npz(tmp_path / "a.npz", 50), image_size=None)
    with pytest.raises(UserError, match=message):
        stream.train(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("records:", "'records:' names no path; expected records:PATH"),
        ("folder:", "'folder:' names no path"),
        ("npz:", "'npz:' names no path"),
        ("folder:/no/such/place", "there is no such folder"),
        ("records:/no/such/place", "there is no such folder or file"),
        ("no such name", "unknown data set 'no such name'"),
    ],
)
def test_names_that_lead_nowhere(name, message):
    fails(re.escape(message), name)
