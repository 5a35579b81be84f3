"""`as_images`: arrays, files, folders, archives, data sets; and what holds no images."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data
from improved_gan_tf.errors import UserError
from tests.helpers.one_line import refusal_of


def images_of(what, **options):
    """All images of a source, as they come."""
    return list(data.as_images(what, **options).images(lambda image: image, 3))


def _pixels(seed, shape=(9, 8, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _png(pixels, mode=None, file_format="PNG"):
    stream = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    (picture.convert(mode) if mode else picture).save(stream, file_format)
    return stream.getvalue()


def _same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_arrays(tmp_path):
    x = _pixels(0, (600, 5, 4, 3))
    _same(images_of(x), list(x))
    _same(images_of(x.astype(np.int64)), list(x))
    _same(images_of(x.astype(np.float32)), list(x.astype(np.float32)))
    _same(images_of(x[..., 0]), list(x[..., :1]))  # grey without a channel axis
    _same(images_of(np.concatenate([x, x[..., :1]], -1)), list(x))  # alpha is dropped
    # Floats with a range become the bytes that they stand for.
    _same(images_of(x / np.float32(255), image_range=(0, 1)), list(x))
    _same(images_of((x / 127.5 - 1).astype("f4"), image_range=(-1, 1)), list(x))
    for save, name in ((np.save, "a.npy"), (np.savez, "a.npz"), (np.savez_compressed, "b.npz")):
        save(tmp_path / name, x)
        _same(images_of(tmp_path / name), list(x))
    np.savez(tmp_path / "two.npz", x_train=x, x_test=x[:3], y=np.zeros(600))
    _same(images_of(f"{tmp_path}/two.npz@x_test"), list(x[:3]))
    with pytest.raises(UserError, match="x_train, x_test, y; name the one.*two.npz@x_train"):
        data.as_images(tmp_path / "two.npz")


def test_names_and_one_picture(tmp_path):
    x = _pixels(0)
    assert list(data.as_images(np.stack([x, x])).names()) == ["0", "1"]
    (tmp_path / "b.png").write_bytes(_png(x))
    (tmp_path / "a.png").write_bytes(_png(x))
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert list(data.as_images(tmp_path, image_size=4).names()) == paths
    _same(images_of(paths[1]), [x])
    assert list(data.as_images(paths[1]).names()) == paths[1:]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("in/one.png", _png(x))
    assert list(data.as_images(tmp_path / "x.zip").names()) == [f"{tmp_path}/x.zip/in/one.png"]


def test_lists_of_several_sizes():
    x = [_pixels(0, (5, 4, 3)), _pixels(1, (7, 9, 1)), np.zeros((3, 3, 3), np.uint8)]
    _same(images_of(x), x)
    with pytest.raises(UserError, match="state their range"):
        data.as_images([a / 255 for a in x])


@pytest.mark.parametrize(
    "array, message",
    [
        (np.random.rand(4, 5, 5, 3), r"0\.\.1, expected 0\.\.255.*--range 0 1"),
        (np.random.rand(4, 5, 5, 3) * 2 - 1, r"-1\.\.1, expected 0\.\.255.*--range -1 1"),
        (np.ones((4, 5, 5, 3), np.uint8), "multiply them by 255"),
        (np.full((4, 5, 5, 3), 300), "300 to 300; expected 0..255"),
        (np.full((4, 5, 5, 3), -3.0), "expected 0..255"),
        (np.zeros((4, 3, 5, 5), np.uint8), "move the channels to the last axis"),
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\)"),
        (np.zeros((0, 5, 5, 3), np.uint8), "at least one image"),
        (np.array(["a"] * 4).reshape(1, 2, 2, 1), "expected integers or floats"),
        (np.full((2, 4, 4, 3), 9 + 1j), "values of type complex128; expected integers or floats"),
        (np.array([[[0.0, 200.0, np.nan]]]), "some values are NaN or infinite"),
    ],
)
def test_arrays_that_are_refused(array, message):
    refusal_of(images_of)(message, array)


def test_not_a_number_is_noticed_wherever_it_is():
    x = np.full((600, 4, 4, 3), 100.0)
    x[500, 1, 1, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        images_of(x)
    with pytest.raises(UserError, match="beyond the stated range"):
        images_of(np.full((4, 4, 4, 3), 1.5), image_range=(0, 1))


def _write_tree(folder):
    """Six pictures of several kinds; returns what should be read, in order."""
    colour, grey, other = _pixels(1), _pixels(2, (9, 8, 1)), _pixels(3, (20, 31, 3))
    alpha = np.concatenate([other, _pixels(4, (20, 31, 1))], -1)
    files = {
        "a/1.png": _png(colour),
        "a/2.PNG": _png(grey),
        "b/c/3.bmp": _png(other, file_format="BMP"),
        "b/c/4.png": _png(alpha),
        "b/palette.png": _png(grey, "P"),
        "z.ppm": _png(other, file_format="PPM"),
        "a/notes.txt": b"no picture",
        ".hidden.png": b"",
        "__MACOSX/1.png": b"",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {
        "a/1.png": colour,
        "a/2.PNG": grey,
        "b/c/3.bmp": other,
        "b/c/4.png": other,
        "b/palette.png": np.repeat(grey, 3, axis=2),
        "z.ppm": other,
    }


def test_folders_and_archives(tmp_path):
    folder = tmp_path / "tree"
    expected = _write_tree(folder)
    _same(images_of(folder), list(expected.values()))
    names = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(folder / name, name)
        archive.writestr("__MACOSX/a.png", b"not a picture")
    ordered = [expected[name] for name in names if name in expected]
    _same(images_of(tmp_path / "t.zip"), ordered)
    for mode, name in (("w", "t.tar"), ("w:gz", "t.tar.gz"), ("w:xz", "t.txz")):
        with tarfile.open(tmp_path / name, mode) as archive:
            for member in names:
                archive.add(folder / member, f"./{member}")
        source = data.as_images(tmp_path / name)
        assert source.count == 6
        for _ in range(2):  # a source can be read again
            _same(list(source.images(lambda image: image, 2)), ordered)


def test_unreadable_pictures_are_named_or_skipped_and_counted(tmp_path):
    expected = _write_tree(tmp_path)
    (tmp_path / "b" / "bad.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:60])
    deep = Image.fromarray(np.full((5, 5), 40_000, np.uint16))
    deep.save(tmp_path / "deep.png")
    with pytest.raises(UserError, match=r"bad\.png cannot be read.*--skip-unreadable"):
        images_of(tmp_path)
    source = data.as_images(tmp_path, skip_unreadable=True)
    _same(list(source.images(lambda image: image, 2)), list(expected.values()))
    # The truncated one and the one of 16 bits a channel.
    assert [name.split("/")[-1] for name in source.skipped] == ["bad.png", "deep.png"]
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.png", _png(_pixels(0)))
        archive.writestr("b.png", b"?")
    content = bytearray((tmp_path / "t.zip").read_bytes())
    content[60] ^= 1  # inside the first picture: its checksum is wrong
    (tmp_path / "t.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.zip/a\.png cannot be read"):
        images_of(tmp_path / "t.zip")
    source = data.as_images(tmp_path / "t.zip", skip_unreadable=True)
    assert list(source.images(lambda image: image, 2)) == [] and len(source.skipped) == 2


def test_nothing_to_score(tmp_path):
    for what, message in (
        (tmp_path, "holds no pictures"),
        (tmp_path / "absent", "no such file or folder"),
        ("absent.png", "no such file or folder"),
        (tmp_path / "absent.npz", "no such file or folder"),
        ("no-data-set?", "unknown data set 'no-data-set.'"),
        ("digits@validation", "no split 'validation'; choose one of train, test"),
    ):
        with pytest.raises(UserError, match=message) as error:
            data.as_images(what)
        assert "\n" not in str(error.value)
    (tmp_path / "x.bin").write_bytes(b"12345678" * 100)
    with pytest.raises(UserError, match="not a file of images"):
        data.as_images(tmp_path / "x.bin")
    for name in ("x.zip", "x.tar", "x.tgz", "x.npz", "x.npy"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 truncated")
        with pytest.raises(UserError, match="damaged|no .np"):
            data.as_images(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(UserError, match="holds no pictures"):
        data.as_images(tmp_path / "empty.zip")


@pytest.mark.parametrize("name", ("../a.png", "a/../../b.png", "/etc/a.png", "C:\\a.png"))
def test_archives_that_would_unpack_outside_their_folder_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("fine.png", _png(_pixels(0)))
        archive.writestr(zipfile.ZipInfo(name), _png(_pixels(0)))
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        archive.addfile(member)
    for archive in ("t.zip", "t.tar"):
        with pytest.raises(UserError, match="would unpack outside its folder"):
            data.as_images(tmp_path / archive)


def test_tar_links_out_of_the_archive_are_refused(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(UserError, match="would unpack outside its folder"):
        data.as_images(tmp_path / "t.tar")


def test_truncated_arrays_are_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", images=_pixels(0, (600, 8, 8, 3)))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:-2000])
    with pytest.raises(UserError, match=r"a\.npz is no \.npz file"):
        data.as_images(tmp_path / "a.npz")


def test_digits_are_bytes():
    found = images_of("digits@test")
    assert len(found) == 500 and found[0].shape == (8, 8, 1)
    assert found[0].dtype == np.uint8 and max(x.max() for x in found) == 255


def test_tfds(shared_data):
    images = data.as_images("mnist@test").images(lambda image: image, 2)
    with np.load(shared_data / "mnist.npz") as arrays:
        _same([next(images) for _ in range(5)], list(arrays["x_test"][:5, ..., None]))
    # Images of several sizes are streamed.
    images = data.as_images("imagenet2012").images(lambda image: image, 2)
    shapes = {next(images).shape for _ in range(6)}
    assert len(shapes) > 1 and all(shape[2] in (1, 3) for shape in shapes)
    with pytest.raises(UserError, match="has no split 'nonsense'"):
        data.as_images("imagenet2012@nonsense")


def test_decoding_ahead_is_bounded_and_in_order(tmp_path):
    for i in range(60):
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(tmp_path / f"{i:02d}.png")
    started = []

    def prepare(image):
        started.append(int(image[0, 0, 0]))
        return image

    images = data.as_images(tmp_path).images(prepare, 3)
    first = [int(next(images)[0, 0, 0]) for _ in range(2)]
    assert first == [0, 1]
    assert max(started) < 2 + 3 * 4  # no more than four a thread in flight
    assert [int(image[0, 0, 0]) for image in images] == list(range(2, 60))


def _tar(path, count=4, mode="w"):
    with tarfile.open(path, mode) as archive:
        for i in range(count):
            member = tarfile.TarInfo(f"{i}.png")
            content = _png(_pixels(i))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_damaged_tar_archive_is_an_error_and_not_a_short_one(tmp_path, mode):
    """tarfile takes a damaged entry after the first for the end of the archive."""
    plain = _tar(tmp_path / "t.tar").read_bytes()
    entry = next(
        at for at in range(512, len(plain), 512) if plain[at : at + 5] == b"1.png"
    )  # the second
    compress = {
        "w": bytes,
        "w:gz": gzip.compress,
        "w:bz2": bz2.compress,
        "w:xz": lzma.compress,
    }[mode]
    for content in (
        plain[:entry] + b"\xff" * 512 + plain[entry + 512 :],
        plain[:entry] + bytes(512) + plain[entry + 512 :],
        plain[:entry],  # cut between two entries
        plain[: entry + 512 + 100],  # and within one
    ):
        (tmp_path / "t.tar").write_bytes(compress(content))
        with pytest.raises(UserError, match=r"t\.tar is a damaged archive"):
            data.as_images(tmp_path / "t.tar")
    whole = compress(plain)
    (tmp_path / "t.tar").write_bytes(whole)
    assert data.as_images(tmp_path / "t.tar").count == 4
    if mode != "w":
        (tmp_path / "t.tar").write_bytes(whole[:-10])
        with pytest.raises(UserError, match=r"t\.tar is a damaged archive"):
            data.as_images(tmp_path / "t.tar")


def test_archives_damaged_between_opening_and_reading(tmp_path):
    for name in ("t.tar", "t.zip"):
        path = tmp_path / name
        if name == "t.tar":
            _tar(path)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.png", _png(_pixels(0)))
        images = data.as_images(path)
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(UserError, match="is a damaged archive"):
            list(images.images(lambda image: image, 1))


def test_npz_files_that_promise_too_much(tmp_path):
    """A header of 10^12 images, in a small file."""
    np.savez(tmp_path / "a.npz", images=_pixels(0, (600, 8, 8, 3)))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = archive.read("images.npy")
    long = content.replace(b"(600, 8, 8, 3), }" + 12 * b" ", b"(600000000000, 8, 8, 3), }   ")
    assert len(long) == len(content) and long != content
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", long)
    with pytest.raises(UserError, match="ends before its last number"):
        data.as_images(tmp_path / "a.npz")


def test_floats_in_files_need_their_range(tmp_path):
    x = _pixels(0, (5, 4, 4, 3))
    np.save(tmp_path / "a.npy", x / np.float32(255))
    np.savez(tmp_path / "b.npz", images=x / np.float32(255))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(UserError, match=r"state their range .*--range 0 1"):
            data.as_images(tmp_path / name)
        _same(images_of(tmp_path / name, image_range=(0, 1)), list(x))
        source = data.open(tmp_path / name)  # which does not look at the values yet
        assert source.splits == {"images": 5} and source.image_shape == (4, 4, 3)


def test_sources_and_images_are_taken_as_they_are(tmp_path):
    source = data.open("digits@test")
    assert source.split == "test" and data.as_images(source).name == "digits@test"
    images = source.images("train")
    assert images.count == 1297 and data.as_images(images) is images


def test_labeled_folders_are_looked_at_split_by_split(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        folder = tmp_path / split / "a"
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(_png(_pixels(i)))
    assert data.as_images(f"folder:{tmp_path}").count == 3
    assert data.as_images(f"folder:{tmp_path}@val").count == 2
    assert data.as_images(tmp_path).count == 5  # a path: all pictures
    (tmp_path / "val" / "a" / "bad.png").write_bytes(b"no picture")
    images = data.as_images(f"folder:{tmp_path}@val", skip_unreadable=True)
    assert images.count == 3 and len(list(images.images(lambda image: image, 2))) == 2
    assert images.skipped == [str(tmp_path / "val" / "a" / "bad.png")]


def test_a_path_may_hold_an_at_sign(tmp_path):
    folder = tmp_path / "me@home"
    folder.mkdir()
    (folder / "a.png").write_bytes(_png(_pixels(0)))
    assert data.as_images(folder).count == 1
    with pytest.raises(UserError, match="has no split 'train'; choose one of images"):
        data.as_images(f"{folder}@train")


def test_names_of_data_sets_are_never_folders(tmp_path, monkeypatch):
    """A run's folder called digits does not hide the data set."""
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "a.png").write_bytes(_png(_pixels(0)))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(_png(_pixels(0)))
    monkeypatch.chdir(tmp_path)
    assert data.open("digits").splits == {"train": 1297, "test": 500}
    assert data.open("./digits").splits == data.open("other").splits == {"images": 1}


@pytest.mark.parametrize("marker", ["saved_model.pb", "checkpoints"])
def test_a_run_is_no_folder_of_images(tmp_path, marker):
    (tmp_path / marker).mkdir()
    (tmp_path / "samples.png").write_bytes(_png(_pixels(0)))
    with pytest.raises(UserError, match="is a run or an exported model.*improved-gan sample"):
        data.open(tmp_path)
