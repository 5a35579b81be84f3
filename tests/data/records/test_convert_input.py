"""`improved-gan convert`: unusual pictures are listed, and unusable input is refused."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data
from improved_gan_tf.data.records import convert as convert_records
from improved_gan_tf.data.records.convert import convert
from tests.helpers.conversions import command, content, written
from tests.helpers.one_line import refusal_of
from tests.helpers.stream_data import class_folders, encoded, smooth, square


@pytest.fixture
def source(tmp_path):
    class_folders(tmp_path / "source", {"n03": 9, "n01": 14, "n02": 11})
    return tmp_path / "source"


def unusual(folder):
    """Writes unusual files; returns their pixels, and their notes, or None for ordinary ones."""
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
        "text.JPEG": (b"no picture", "skipped: not one of JPEG"),
        "empty.JPEG": (b"", "skipped: not one of JPEG"),
        "cut.JPEG": (encoded(pixels)[:-300], "skipped: image file is truncated"),
        "cutpng.JPEG": (encoded(pixels, "PNG")[:-600], "skipped: "),
        "deep.png": (deep.getvalue(), "skipped: pixels of mode I;16; expected 8 bits per channel"),
        "notes.txt": (b"passed over", None),
    }
    folder.mkdir(parents=True)
    for name, (bytes_, _) in files.items():
        (folder / name).write_bytes(bytes_)
    return pixels, {name: note for name, (_, note) in files.items()}


def test_unusual_pictures(tmp_path, capsys):
    pixels, notes = unusual(tmp_path / "source" / "n1")
    class_folders(tmp_path / "source", {"n2": 2})
    (tmp_path / "source" / "n3").mkdir()
    (tmp_path / "source" / "n3" / "x.JPEG").write_text("no picture")
    out = tmp_path / "out"
    assert command(tmp_path / "source", out, "--size", "16", "--workers", "1") == 0
    printed = capsys.readouterr()
    assert f"{out}: 8 records of 3 classes in 1 shards\n" in printed.out
    assert f"6 pictures skipped, 3 unusual ones kept: see {out}/skipped.txt\n" in printed.out
    assert "warning: no picture of class n3 can be read" in printed.err
    lines = [line.split("\t") for line in (out / "skipped.txt").read_text().splitlines()]
    expected = {f"n1/{name}": note for name, note in notes.items() if note}
    expected["n3/x.JPEG"] = "skipped: not one of JPEG"
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
        # Inverted colors, as of CMYK read wrongly, would differ by far more.
        assert np.abs(found[file] - reference).mean() < (12 if file[:3] in ("pal", "gif") else 5)
    grey = found["grey.JPEG"].astype(int)
    assert np.abs(grey - reference[..., :1]).mean() < 4 and (grey.std(-1) == 0).all()
    index = json.loads((out / "records.json").read_text())
    assert (index["records"], index["skipped"], index["class_counts"]) == (8, 6, [6, 2, 0])
    data.load_stream(f"records:{out}", batch_size=8).check()


@pytest.fixture
def refused(capsys, tmp_path):
    """refused(message, source, out, *options): one line, exit code 2, and no file changes."""

    def check(message, *arguments):
        before = {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}
        capsys.readouterr()
        assert command(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
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
    message = f"{source} has 3 class folders (n01, n02, n03), expected 1000"
    refused(message, source, out, "--classes", 1000)
    (source / "n04").mkdir()
    refused("class 'n04' has no example; put pictures", source, out)
    refused("has 4 class folders (n01, n02, n03, n04), expected 3", source, out, "--classes", 3)
    (source / "n04").rename(source / "extra")
    refused("has 4 class folders (extra among synsets), expected 3", source, out, "--classes", 3)
    (source / "extra").rename(source / ".hidden")
    synsets = tmp_path / "synsets.txt"
    synsets.write_text("n03 tench, Tinca tinca\nn01 goldfish\n\nn05 a shark\n")
    message = (
        "lacks the class folder n05 and has, unlisted, the class folder n02; it must have a "
        "folder for each of the 3 listed classes and no other"
    )
    refused(message, source, out, "--synsets", synsets)
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
        ("size 0 given; expected a whole number from 1", {"size": 0}),
        ("quality 101 given", {"quality": 101}),
        ("seed -1 given", {"seed": -1}),
        ("number of shards 0 given", {"shards": 0}),
        ("35 shards given, but there are 34 pictures", {"shards": 35}),
        ("number of classes 0 given", {"classes": 0}),
        ("0 workers given", {"workers": 0}),
    ],
)
def test_values_out_of_range(tmp_path, source, message, options):
    refusal_of(convert)(message, source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_listed_classes_pass(tmp_path, source):
    (tmp_path / "synsets.txt").write_text("n03\nn01 fish\nn02\n")
    options = ["--size", 4, "--workers", 1, "--synsets", tmp_path / "synsets.txt", "--classes", 3]
    assert command(source, tmp_path / "out", *options) == 0


@pytest.mark.parametrize("name", ["unlabeled", "_unlabeled"])
def test_pictures_without_a_label_are_left_out(tmp_path, source, name):
    """As in training from the folder itself; records carry a label each."""
    class_folders(source, {name: 3})
    (source / "synsets.txt").write_text("n01\nn02\nn03\n")
    options = {"classes": 3, "synsets": source / "synsets.txt"}
    done = convert(source, tmp_path / "out", size=8, workers=1, progress=False, **options)
    assert (done.records, done.classes) == (34, 3)
    assert data.open(f"records:{tmp_path / 'out'}").class_names == ("n01", "n02", "n03")


def test_folders_in_use(tmp_path, source, refused):
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
    assert command(*common, "--size", 8, "--shards", 2) == 0
    refused("holds a conversion of size 8, not 9", *common, "--size", 9, "--shards", 2)
    refused("holds a conversion of shards 2, not 3", *common, "--size", 8, "--shards", 3)
    options = ["--size", 8, "--shards", 2]
    refused("holds a conversion of quality 95, not 90", *common, *options, "--quality", 90)
    refused("holds a conversion of seed 1, not 2", *common, *options, "--seed", 2)
    changed = source / "n01" / "n01_000.JPEG"
    changed.write_bytes(changed.read_bytes() + b"\0")
    refused(f"conversion of other pictures than are in {source} now", *common, *options)


def test_begun_with_other_options(tmp_path, source, monkeypatch, refused):
    """The same if the conversion did not finish."""

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


def test_no_picture_can_be_read(tmp_path, capsys):
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.JPEG").write_text("no picture")
    assert command(tmp_path / "source", tmp_path / "out", "--workers", "1") == 2
    assert "none of the 1 pictures in" in capsys.readouterr().err.splitlines()[-1]
    assert content(tmp_path / "out") == {}  # so that a better source may follow
