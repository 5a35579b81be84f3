"""`improved-gan convert`: what it writes, and that a kill does no harm."""

import doctest
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data, files
from improved_gan_tf.data.records import convert as convert_records
from improved_gan_tf.data.records import pictures as convert_pictures
from improved_gan_tf.data.records.convert import convert
from improved_gan_tf.errors import UserError
from tests.helpers.conversions import command, content, written
from tests.helpers.stream_data import class_folders, encoded, smooth, square


@pytest.fixture
def source(tmp_path):
    class_folders(tmp_path / "source", {"n03": 9, "n01": 14, "n02": 11})
    return tmp_path / "source"


def test_class_names_that_are_no_text(tmp_path):
    """Linux takes any bytes as the name of a folder."""
    odd = os.fsdecode(b"b\xff")
    try:
        class_folders(tmp_path / "source", {"a": 3, odd: 2})
    except OSError:
        pytest.skip("this file system takes text alone")
    convert(tmp_path / "source", tmp_path / "out", size=8, workers=1, progress=False)
    stream = data.load_stream(f"records:{tmp_path / 'out'}", image_size=None, batch_size=5)
    assert stream.class_names == ("a", odd)


def test_what_is_written(tmp_path, source, capsys):
    out = tmp_path / "out"
    options = "--size 12 --shards 5 --seed 3 --workers 1".split()
    assert command(source, out, *options) == 0
    assert f"{out}: 34 records of 3 classes in 5 shards\n" == capsys.readouterr().out
    files = sorted(f"{p.parent.name}/{p.name}" for p in source.glob("*/*"))
    order = np.random.RandomState(3).permutation(34)
    found = written(out)
    assert [f"{synset}/{file}" for _, _, synset, file in found] == [files[i] for i in order]
    for pixels, label, synset, file in found:
        assert label == {"n01": 0, "n02": 1, "n03": 2}[synset]
        with Image.open(source / synset / file) as picture:
            expected = square(np.asarray(picture), 12)
        # Exactly what Pillow makes of that square.
        stored = np.asarray(Image.open(io.BytesIO(encoded(expected))))
        np.testing.assert_array_equal(pixels, stored)
        assert np.abs(pixels.astype(int) - expected).mean() < 4
    index = json.loads((out / "records.json").read_text())
    assert index["class_names"] == ["n01", "n02", "n03"] and index["class_counts"] == [14, 11, 9]
    assert (index["size"], index["records"], index["skipped"]) == (12, 34, 0)
    assert index["source"] == str(source)
    assert [shard["records"] for shard in index["shards"]] == [6, 7, 7, 7, 7]
    assert sorted(content(out)) == [
        "records.json",
        *(f"train-{i:05d}-of-00005.tfrecord" for i in range(5)),
    ]
    stream = data.load_stream(f"records:{out}", image_size=None, batch_size=17)
    assert stream.class_names == ("n01", "n02", "n03") and stream.image_shape == (12, 12, 3)
    labels = np.concatenate([y for _, y in stream.train().take(2).as_numpy_iterator()])
    np.testing.assert_array_equal(np.bincount(labels), [14, 11, 9])
    stream.check()


def test_number_of_shards_by_default(tmp_path, source, monkeypatch):
    monkeypatch.setattr("improved_gan_tf.data.records.plan.PER_SHARD", 10)
    assert convert(source, tmp_path / "a", size=4, workers=1, progress=False).shards == 4
    monkeypatch.setattr("improved_gan_tf.data.records.plan.MOST_SHARDS", 2)
    assert convert(source, tmp_path / "b", size=4, workers=1, progress=False).shards == 2


def test_workers_and_repetition_change_nothing(tmp_path, source):
    first = convert(source, tmp_path / "a", size=8, shards=3, workers=1, progress=False)
    convert(source, tmp_path / "b", size=8, shards=3, workers=2, progress=False)
    expected = content(tmp_path / "a")
    assert content(tmp_path / "b") == expected
    assert first.kept_shards == 0
    # Once more: nothing to do, nothing touched.
    again = convert(source, tmp_path / "a", size=8, shards=3, workers=1, progress=False)
    assert again.kept_shards == 3 and again.records == 34
    assert content(tmp_path / "a") == expected
    # A shard that was lost or cut since is written again.
    shard = tmp_path / "a" / "train-00001-of-00003.tfrecord"
    for spoil in (shard.unlink, lambda: shard.write_bytes(expected[shard.name][:-9])):
        spoil()
        again = convert(source, tmp_path / "a", size=8, shards=3, workers=1, progress=False)
        assert again.kept_shards == 2 and content(tmp_path / "a") == expected


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as stream:
        return [int(child) for child in stream.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.long
def test_a_killed_conversion_goes_on_to_the_same_bytes(tmp_path):
    """SIGKILL in the middle, with unusual pictures to be noted before and after."""
    source, out = tmp_path / "source", tmp_path / "out"
    class_folders(source, {"a": 100, "b": 100}, sizes=((60, 60),))
    for i in range(0, 100, 10):
        (source / "a" / f"a_{i:03d}.JPEG").write_bytes(encoded(smooth(i, 30, 30), "PNG"))
        (source / "b" / f"b_{i:03d}.JPEG").write_text("no picture")
    options = ["--size", "64", "--shards", "100", "--workers", "2"]
    program = [sys.executable, "-m", "improved_gan_tf", "convert", str(source), str(out), *options]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(out.glob("train-*.tfrecord"))) < 10:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.001)
    workers = children(process.pid) if os.path.isdir("/proc") else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert not (out / "records.json").exists()
    kept = {p.name: p.stat().st_mtime_ns for p in out.glob(".train-*.json")}
    assert 9 <= len(kept) < 100
    with pytest.raises(UserError, match="conversion has not finished; run improved-gan convert"):
        data.load_stream(f"records:{out}", batch_size=1)
    while any(map(alive, workers)):  # the decoding processes follow
        assert time.monotonic() < deadline
        time.sleep(0.01)
    times = {
        p.name: p.stat().st_mtime_ns for p in out.glob("*.tfrecord") if f".{p.stem}.json" in kept
    }
    assert command(source, out, *options) == 0
    for name, when in times.items():
        assert (out / name).stat().st_mtime_ns == when  # kept, not written again
    convert(source, tmp_path / "whole", size=64, shards=100, workers=1, progress=False)
    assert content(out) == content(tmp_path / "whole")
    assert len(content(out)) == 102  # shards, index, skipped.txt: nothing is left over
    assert len((out / "skipped.txt").read_text().splitlines()) == 20


def test_what_another_conversion_writes_stays(tmp_path, source):
    """What a killed one has left goes."""
    out = tmp_path / "out"
    out.mkdir()
    (out / ".7.tmp.train-00001-of-00002.tfrecord").touch()
    with files.temporary(out / "train-00000-of-00002.tfrecord") as living:
        convert(source, out, size=8, shards=2, workers=1, progress=False)
        assert [path for path in out.iterdir() if files.is_temporary(path)] == [living]


@pytest.mark.parametrize("note", ["[]", "[" * 99999, '{"bytes": 1}', '{"file": 3, "bytes": []}'])
def test_a_damaged_note_of_an_unfinished_conversion(tmp_path, source, note):
    """The shard is written again."""
    out = tmp_path / "out"
    convert(source, out, size=8, shards=2, workers=1, progress=False)
    before = content(out)
    index = json.loads((out / "records.json").read_text())
    (out / "records.json").unlink()
    files.write_json(out / "conversion.json", index["conversion"])
    (out / ".train-00000-of-00002.json").write_text(note)
    done = convert(source, out, size=8, shards=2, workers=1, progress=False)
    assert done.kept_shards == 0 and content(out) == before


def test_a_full_disk(tmp_path, source, capsys, monkeypatch):
    import tensorflow as tf

    class Full(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(tf.io, "TFRecordWriter", Full)
        assert command(source, out, "--size", "8", "--workers", "1") == 2
    assert "cannot write" in capsys.readouterr().err.splitlines()[-1]
    assert list(content(out)) == ["conversion.json"]
    assert command(source, out, "--size", "8", "--workers", "1") == 0


def test_decoding_needs_no_tensorflow():
    script = (
        "import sys; from improved_gan_tf.data.records import pictures as convert_pictures; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_pictures_come_back_in_order(source):
    paths = [str(p) for p in sorted(source.glob("*/*"))] * 3
    alone = list(convert_pictures.prepare_all(paths, 8, 90, 1))
    assert list(convert_pictures.prepare_all(paths, 8, 90, 2)) == alone
    assert len({jpeg for jpeg, _ in alone}) == 34


def test_real_imagenet_folder(tmp_path, shared_data):
    source = shared_data / "imagenet_folder"
    done = convert(source, tmp_path, size=32, classes=1000, progress=False)
    assert (done.records, done.skipped, done.noted, done.classes) == (1000, 0, 0, 1000)
    stream = data.load_stream(f"records:{tmp_path}", image_size=None, batch_size=1000)
    folder = data.load_stream(f"folder:{source}", image_size=32, batch_size=1000)
    assert stream.class_names == folder.class_names
    sides = []
    for x, y in (next(s.train().as_numpy_iterator()) for s in (stream, folder)):
        np.testing.assert_array_equal(np.sort(y), np.arange(1000))
        sides.append(x[np.argsort(y)])
    assert np.abs(sides[0] - sides[1]).mean() * 127.5 < 3


def test_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(convert_records).failed == 0
