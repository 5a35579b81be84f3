"""`improved-gan convert`: what it writes, what it lists, and that a kill does no harm."""

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

from improved_gan_tf import data
from improved_gan_tf.cli.main import main
from improved_gan_tf.data.records import convert as convert_records
from improved_gan_tf.data.records import pictures as convert_pictures
from improved_gan_tf.data.records.convert import convert
from improved_gan_tf.errors import UserError
from tests.helpers.stream_data import class_folders, encoded, smooth, square

COUNTS = {"n03": 9, "n01": 14, "n02": 11}


@pytest.fixture(scope="module")
def tool():
    """The command `convert` as a function of its arguments."""
    return lambda arguments: main(["convert", *arguments])


@pytest.fixture
def source(tmp_path):
    class_folders(tmp_path / "source", COUNTS)
    return tmp_path / "source"


def content(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def written(folder):
    """All records in order: (pixels, label, synset, file name)."""
    import tensorflow as tf

    found = []
    for path in sorted(folder.glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            with Image.open(io.BytesIO(feature["image/encoded"].bytes_list.value[0])) as picture:
                assert picture.format == "JPEG" and picture.mode == "RGB"
                pixels = np.asarray(picture)
            found.append(
                (
                    pixels,
                    feature["image/class/label"].int64_list.value[0],
                    feature["image/class/synset"].bytes_list.value[0].decode(),
                    feature["image/filename"].bytes_list.value[0].decode(),
                )
            )
    return found


def test_what_is_written(tmp_path, source, tool, capsys):
    out = tmp_path / "out"
    assert (
        tool(
            [
                str(source),
                str(out),
                "--size",
                "12",
                "--shards",
                "5",
                "--seed",
                "3",
                "--workers",
                "1",
            ]
        )
        == 0
    )
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


def test_a_killed_conversion_goes_on_to_the_same_bytes(tmp_path, tool):
    """SIGKILL in the middle, with unusual pictures to be noted before and after."""
    source, out = tmp_path / "source", tmp_path / "out"
    class_folders(source, {"a": 100, "b": 100}, sizes=((60, 60),))
    for i in range(0, 100, 10):
        (source / "a" / f"a_{i:03d}.JPEG").write_bytes(encoded(smooth(i, 30, 30), "PNG"))
        (source / "b" / f"b_{i:03d}.JPEG").write_text("no picture")
    options = ["--size", "64", "--shards", "100", "--workers", "2"]
    command = [sys.executable, "-m", "improved_gan_tf", "convert", str(source), str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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
    assert tool([str(source), str(out), *options]) == 0
    for name, when in times.items():
        assert (out / name).stat().st_mtime_ns == when  # kept, not written again
    convert(source, tmp_path / "whole", size=64, shards=100, workers=1, progress=False)
    assert content(out) == content(tmp_path / "whole")
    assert len(content(out)) == 102  # shards, index, skipped.txt: nothing is left over
    assert len((out / "skipped.txt").read_text().splitlines()) == 20


def unusual(folder):
    """Files of every odd kind; their notes, or None where there is nothing to note."""
    pixels = smooth(3, 40, 40)
    deep = io.BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(deep, "PNG")
    files = {
        "cmyk.JPEG": (encoded(pixels, mode="CMYK"), "kept: was CMYK"),
        "png.JPEG": (encoded(pixels, "PNG"), "kept: was PNG"),
        "gif.jpg": (encoded(pixels, "GIF"), "kept: was GIF"),
        "grey.JPEG": (encoded(pixels[..., 0]), None),
        "alpha.png": (encoded(pixels, "PNG", mode="RGBA"), None),
        "palette.png": (encoded(pixels, "PNG", mode="P"), None),
        "text.JPEG": (b"no picture", "skipped: cannot identify image file"),
        "empty.JPEG": (b"", "skipped: cannot identify image file"),
        "cut.JPEG": (encoded(pixels)[:-300], "skipped: image file is truncated"),
        "cutpng.JPEG": (encoded(pixels, "PNG")[:-600], "skipped: "),
        "deep.png": (deep.getvalue(), "skipped: pixels of mode I;16, not 8 bits a channel"),
        "notes.txt": (b"passed over", None),
    }
    folder.mkdir(parents=True)
    for name, (bytes_, _) in files.items():
        (folder / name).write_bytes(bytes_)
    return pixels, {name: note for name, (_, note) in files.items()}


def test_unusual_pictures(tmp_path, tool, capsys):
    pixels, notes = unusual(tmp_path / "source" / "n1")
    class_folders(tmp_path / "source", {"n2": 2})
    (tmp_path / "source" / "n3").mkdir()
    (tmp_path / "source" / "n3" / "x.JPEG").write_text("no picture")
    out = tmp_path / "out"
    assert tool([str(tmp_path / "source"), str(out), "--size", "16", "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert f"{out}: 8 records of 3 classes in 1 shards\n" in printed.out
    assert f"6 pictures skipped, 3 unusual ones kept: see {out}/skipped.txt\n" in printed.out
    assert "warning: no picture of class n3 can be read" in printed.err
    lines = [line.split("\t") for line in (out / "skipped.txt").read_text().splitlines()]
    expected = {f"n1/{name}": note for name, note in notes.items() if note}
    expected["n3/x.JPEG"] = "skipped: cannot identify image file"
    assert [file for file, _ in lines] == sorted(expected)
    for file, note in lines:
        assert note.startswith(expected[file]) and str(tmp_path) not in note
    found = {file: image for image, _, _, file in written(out)}
    assert {f for f in found if not f.startswith("n2")} == {
        "cmyk.JPEG",
        "png.JPEG",
        "gif.jpg",
        "grey.JPEG",
        "alpha.png",
        "palette.png",
    }
    reference = square(pixels, 16).astype(int)
    for file in ("cmyk.JPEG", "png.JPEG", "alpha.png", "palette.png", "gif.jpg"):
        # Colours reversed, as a CMYK misread would have them, would be off by far more.
        assert np.abs(found[file] - reference).mean() < (12 if file[:3] in ("pal", "gif") else 5)
    grey = found["grey.JPEG"].astype(int)
    assert np.abs(grey - reference[..., :1]).mean() < 4 and (grey.std(-1) == 0).all()
    index = json.loads((out / "records.json").read_text())
    assert (index["records"], index["skipped"], index["class_counts"]) == (8, 6, [6, 2, 0])
    data.load_stream(f"records:{out}", batch_size=8).check()


def lines_of(error):
    return [line for line in error.splitlines() if line]


@pytest.fixture
def refused(tool, capsys, tmp_path):
    """refused(message, source, out, *options): one line, exit code 2, nothing touched."""

    def check(message, *arguments):
        before = {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}
        capsys.readouterr()
        assert tool([*map(str, arguments)]) == 2
        (line,) = lines_of(capsys.readouterr().err)
        assert line.startswith("improved-gan: error: ") and message in line
        assert before == {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}

    return check


def test_folders_that_cannot_be_converted(tmp_path, source, refused):
    out = tmp_path / "out"
    refused("there is no such folder", tmp_path / "x", out)
    (tmp_path / "none").mkdir()
    refused("has no sub-folder; expected one sub-folder of pictures", tmp_path / "none", out)
    refused("lies within", source, source / "out")
    refused("lies within", source, source)
    refused(
        f"{source} has 3 class folders (n01, n02, n03), expected 1000",
        source,
        out,
        "--classes",
        "1000",
    )
    (source / "n04").mkdir()
    refused("class 'n04' has no example; put pictures", source, out)
    refused("has 4 class folders (n01, n02, n03, n04), expected 3", source, out, "--classes", 3)
    (source / "n04").rename(source / "extra")
    refused("has 4 class folders (extra among synsets), expected 3", source, out, "--classes", 3)
    (source / "extra").rename(source / ".hidden")
    synsets = tmp_path / "synsets.txt"
    synsets.write_text("n03 tench, Tinca tinca\nn01 goldfish\n\nn05 a shark\n")
    refused(
        "lacks the class folder n05 and has, unlisted, the class folder n02; it must have a "
        "folder for each of the 3 listed classes and no other",
        source,
        out,
        "--synsets",
        synsets,
    )
    synsets.write_text("n01\nn02\nn01\n")
    refused("names n01 twice", source, out, "--synsets", synsets)
    synsets.write_text("\n")
    refused("names no class", source, out, "--synsets", synsets)
    refused(
        "cannot be read (No such file or directory)", source, out, "--synsets", tmp_path / "x.txt"
    )
    synsets.write_bytes(b"\xff\xfe\x00")
    refused("cannot be read (not text)", source, out, "--synsets", synsets)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("size 0 given; expected a whole number from 1", ("--size", 0)),
        ("quality 101 given", ("--quality", 101)),
        ("seed -1 given", ("--seed", -1)),
        ("number of shards 0 given", ("--shards", 0)),
        ("35 shards given, but there are 34 pictures", ("--shards", 35)),
        ("number of classes 0 given", ("--classes", 0)),
        ("0 workers given", ("--workers", 0)),
    ],
)
def test_options_out_of_range(tmp_path, source, refused, message, options):
    refused(message, source, tmp_path / "out", *options)


def test_listed_classes_pass(tmp_path, source, tool):
    (tmp_path / "synsets.txt").write_text("n03\nn01 fish\nn02\n")
    assert (
        tool(
            [
                str(source),
                str(tmp_path / "out"),
                "--size",
                "4",
                "--workers",
                "1",
                "--synsets",
                str(tmp_path / "synsets.txt"),
                "--classes",
                "3",
            ]
        )
        == 0
    )


def test_folders_in_use(tmp_path, source, refused, tool):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("x")
    refused("is not empty and holds no conversion; name another folder", source, out)
    refused("is a file; name a folder", source, out / "thesis.txt")
    (out / "thesis.txt").rename(out / "records.json")
    refused("records.json cannot be read", source, out)
    (out / "records.json").write_text("{}")
    refused("records.json was not written by this program", source, out)
    (out / "records.json").unlink()
    common = [source, out, "--workers", 1]
    assert tool([*map(str, common), "--size", "8", "--shards", "2"]) == 0
    refused("holds a conversion of size 8, not 9", *common, "--size", 9, "--shards", 2)
    refused("holds a conversion of shards 2, not 3", *common, "--size", 8, "--shards", 3)
    refused(
        "holds a conversion of quality 95, not 90",
        *common,
        "--size",
        8,
        "--shards",
        2,
        "--quality",
        90,
    )
    refused("holds a conversion of seed 1, not 2", *common, "--size", 8, "--shards", 2, "--seed", 2)
    changed = source / "n01" / "n01_000.JPEG"
    changed.write_bytes(changed.read_bytes() + b"\0")
    refused(
        f"holds a conversion of other pictures than are in {source} now",
        *common,
        "--size",
        8,
        "--shards",
        2,
    )


def test_begun_with_other_options(tmp_path, source, monkeypatch, refused):
    """The same where the conversion did not finish."""

    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    monkeypatch.setattr(convert_records, "_finish", stop)
    with pytest.raises(Stop):
        convert(source, tmp_path / "out", size=8, shards=2, workers=1, progress=False)
    refused(
        "holds a conversion of size 8, not 9", source, tmp_path / "out", "--size", 9, "--shards", 2
    )


def test_no_picture_can_be_read(tmp_path, tool, capsys):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.JPEG").write_text("no picture")
    assert tool([str(tmp_path / "source"), str(tmp_path / "out"), "--workers", "1"]) == 2
    assert (
        "none of the 1 pictures in" in lines_of(capsys.readouterr().err)[-1]
        and content(tmp_path / "out") == {}
    )  # so that a better source may follow


def test_a_full_disk(tmp_path, source, tool, capsys, monkeypatch):
    import tensorflow as tf

    class Full(tf.io.TFRecordWriter):
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(tf.io, "TFRecordWriter", Full)
        assert tool([str(source), str(out), "--size", "8", "--workers", "1"]) == 2
    assert "cannot write" in lines_of(capsys.readouterr().err)[-1]
    assert list(content(out)) == ["conversion.json"]
    assert tool([str(source), str(out), "--size", "8", "--workers", "1"]) == 0


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
