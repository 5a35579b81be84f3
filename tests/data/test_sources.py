"""`data.open`: digits, .npz files, class folders, and errors for those that cannot be used."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data
from tests.helpers.one_line import refusal_of


def read(name, **options):
    """(source, {split: (images, labels)})."""
    source = data.open(name, **options)
    return source, {split: source.arrays(split) for split in source.split_names}


fails = refusal_of(read)


def test_import_needs_no_heavy_library():
    code = (
        "import sys; from improved_gan_tf import data; data.EpochOrder(10, 2, 5).epoch(1);"
        "heavy = {'tensorflow', 'keras', 'tensorflow_datasets', 'sklearn', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# digits


def test_digits_are_scikit_learns_and_every_one_is_used_once():
    from sklearn.datasets import load_digits

    expected, (source, arrays) = load_digits(), read("digits")
    assert source.splits == {"train": 1297, "test": 500} and source.image_shape == (8, 8, 1)
    images, labels = arrays["train"]
    assert images.shape == (1297, 8, 8, 1) and len(arrays["test"][0]) == 500
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    assert (source.num_classes, source.maximum, images.max()) == (10, 16.0, 16)
    test = np.sort(np.random.RandomState(0).permutation(1797)[:500])
    train = np.setdiff1d(np.arange(1797), test)
    for rows, images, labels in (
        (train, *arrays["train"]),
        (test, *arrays["test"]),
    ):
        np.testing.assert_array_equal(images[..., 0], expected.images[rows])
        np.testing.assert_array_equal(labels, expected.target[rows])


# npz


def example(**changes):
    rng = np.random.RandomState(0)
    arrays = {
        "x_train": rng.randint(0, 256, (12, 4, 5, 3)).astype(np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": rng.randint(0, 256, (6, 4, 5, 3)).astype(np.uint8),
        "y_test": np.arange(6) % 3,
    }
    arrays.update(changes)
    return {key: value for key, value in arrays.items() if value is not None}


def save(tmp_path, **changes):
    path = tmp_path / "data.npz"
    np.savez(path, **example(**changes))
    return f"npz:{path}"


def test_npz(tmp_path):
    name = save(tmp_path)
    (source, arrays), expected = read(name), example()
    for split in ("train", "test"):
        np.testing.assert_array_equal(arrays[split][0], expected[f"x_{split}"])
        np.testing.assert_array_equal(arrays[split][1], expected[f"y_{split}"])
        np.testing.assert_array_equal(source.labels(split), expected[f"y_{split}"])
        assert arrays[split][1].dtype == np.int32
    assert (source.num_classes, source.name, source.maximum) == (3, name, 255.0)
    assert source.image_shape == (4, 5, 3) and source.class_names == ("0", "1", "2")


def test_npz_grey_without_channel_labels_in_a_column_other_integers(tmp_path):
    x, x_test = example()["x_train"][..., 0], example()["x_test"][..., 0]
    _, arrays = read(
        save(
            tmp_path,
            x_train=x.astype(np.int64),
            x_test=x_test,
            y_train=(np.arange(12) % 3)[:, None].astype(np.uint8),
        )
    )
    images, labels = arrays["train"]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, x[..., None])
    np.testing.assert_array_equal(labels, np.arange(12) % 3)


def test_npz_floats(tmp_path):
    x, x_test = example()["x_train"] / 255.0, example()["x_test"] / 255.0
    source, arrays = read(save(tmp_path, x_train=x, x_test=x_test))
    assert arrays["train"][0].dtype == np.float32 and source.maximum == 1.0
    np.testing.assert_array_equal(arrays["train"][0], x.astype(np.float32))


def changed(value):
    x = example()["x_train"] / 255.0
    x[3, 1, 2, 0] = value
    return {"x_train": x, "x_test": example()["x_test"] / 255.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_test": None},
            "x_test missing .found: x_train, y_train, y_test.; expected a .npz file",
        ),
        (
            {"x_train": np.zeros((12, 60), np.uint8)},
            r"training images have shape \(12, 60\); expected",
        ),
        ({"x_train": np.zeros((12, 3, 4, 5), np.uint8)}, "5 channels; .*channels to the last axis"),
        (
            {"x_test": np.zeros((6, 4, 5, 2), np.uint8)},
            "test images .* 2 channels; .*store 1 channel or 3",
        ),
        ({"x_train": np.zeros((0, 4, 5, 3), np.uint8)}, "there must be at least one image"),
        (
            {"x_test": np.zeros((6, 4, 4, 3), np.uint8)},
            "training images are 4 x 5 x 3 uint8 but test images 4 x 4 x 3 uint8",
        ),
        (
            {"x_test": np.zeros((6, 4, 5, 3))},
            "training images are 4 x 5 x 3 uint8 but test images 4 x 5 x 3 float32",
        ),
        ({"x_train": np.full((12, 4, 5, 3), 256)}, "hold integers 256 to 256; expected 0 to 255"),
        ({"x_train": np.full((12, 4, 5, 3), -1)}, "hold integers -1 to -1; expected 0 to 255"),
        (changed(1.5), "hold floats 0 to 1.5; expected 0 to 1"),
        (changed(-0.5), "hold floats -0.5 to 1; expected 0 to 1"),
        (changed(np.nan), "not finite"),
        (changed(np.inf), "not finite"),
        ({"x_train": np.zeros((12, 4, 5, 3), bool)}, "are of type bool"),
        ({"y_train": np.arange(11)}, "training labels are 11 but the images 12"),
        ({"y_test": np.arange(6) % 3 + 1}, "test label 3 is out of range; the 3 classes"),
        ({"y_train": np.arange(12) - 2}, "hold -2; classes count from 0.*-1 is unlabeled"),
        ({"y_test": np.arange(6) % 3 - 1}, "hold -1; .*every image needs one here"),
        ({"y_train": np.eye(12)}, "one-hot it seems; expected .N. integers, one class number"),
        ({"y_train": np.arange(12) / 2}, "hold 0.5; expected class numbers"),
        ({"y_train": np.full(12, -1)}, "no training image is labeled"),
        ({"x_unlabeled": np.zeros((2, 4, 4, 3), np.uint8)}, "but unlabeled images 4 x 4 x 3"),
    ],
)
def test_bad_npz_contents(tmp_path, changes, message):
    fails(message, save(tmp_path, **changes))


def test_bad_npz_files(tmp_path):
    path = tmp_path / "data.npz"
    fails("there is no such file; expected a .npz file with the arrays", f"npz:{path}")
    path.write_bytes(b"not an archive")
    fails("cannot be read as numbers", f"npz:{path}")
    path.write_bytes(b"")
    fails("cannot be read as numbers", f"npz:{path}")
    save(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    fails("cannot be read as numbers", f"npz:{path}")
    with open(path, "wb") as file:
        np.save(file, np.arange(3))
    fails("holds a single array", f"npz:{path}")
    fails("cannot be read as numbers", save(tmp_path, x_train=np.array([None] * 12)))
    fails("names no path; expected npz:PATH", "npz:")


# folders


def picture(path, value, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode in ("L", "1", "I;16") else (value,) * len(mode)
    Image.new(mode, size, colour).save(path)  # size is (width, height)


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folder_with_train_and_test(tmp_path, held_out):
    for part, count in (("train", 3), (held_out, 2)):
        for number, name in enumerate(("apple", "pear")):
            for i in range(count):
                picture(tmp_path / part / name / f"{i}.png", 100 * number + 10 * i + count)
    (tmp_path / "train" / "apple" / "notes.txt").write_text("passed over")
    (tmp_path / "train" / "apple" / ".hidden.png").write_text("passed over")
    (tmp_path / "train" / ".cache").mkdir()
    source, arrays = read(f"folder:{tmp_path}")
    assert source.class_names == ("apple", "pear") and source.image_shape == (4, 6, 3)
    assert (source.test_split, source.held_out) == (held_out, None)
    assert arrays["train"][0].dtype == np.uint8
    np.testing.assert_array_equal(arrays["train"][1], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(arrays[held_out][1], [0, 0, 1, 1])
    assert [int(x[0, 0, 0]) for x in arrays["train"][0]] == [3, 13, 23, 103, 113, 123]
    assert [int(x[0, 0, 0]) for x in arrays[held_out][0]] == [2, 12, 102, 112]


@pytest.mark.parametrize("inside", ["", "train"])
def test_folder_split_is_stated_and_repeatable(tmp_path, inside):
    for number, name in enumerate("ab"):
        for i in range(10):
            picture(tmp_path / inside / name / f"{i}.png", 20 * number + i, mode="L")
    source, arrays = read(f"folder:{tmp_path}")
    assert source.splits == {"train": 16, "test": 4} and source.held_out == 0.2
    assert source.image_shape == (4, 6, 1)  # all grey: one channel
    for number in range(2):
        held = np.sort(np.random.RandomState(number).permutation(10)[:2])
        kept = np.setdiff1d(np.arange(10), held)
        for split, expected in (("test", held), ("train", kept)):
            images, labels = arrays[split]
            np.testing.assert_array_equal(images[labels == number, 0, 0, 0], 20 * number + expected)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("plane", "train"):
        for i in range(5):
            picture(tmp_path / name / f"{i}.png", i)
    assert data.open(f"folder:{tmp_path}").class_names == ("plane", "train")


def test_folder_mixed_kinds_of_pictures_become_colour(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png", 7, mode="L")
    picture(tmp_path / "train" / "a" / "1.png", 8, mode="RGBA")
    picture(tmp_path / "test" / "a" / "0.bmp", 9)
    source, arrays = read(f"folder:{tmp_path}")
    assert source.image_shape == (4, 6, 3)
    assert arrays["train"][0][:, 0, 0].tolist() == [[7] * 3, [8] * 3]


def test_folder_resizes_if_asked(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png", 7, size=(6, 4))
    picture(tmp_path / "train" / "a" / "1.png", 8, size=(3, 3))
    picture(tmp_path / "test" / "a" / "0.png", 9, size=(5, 2))
    fails("1.png is 3 x 3 but .*0.png 4 x 6; make them equal or .*, where", f"folder:{tmp_path}")
    source, arrays = read(f"folder:{tmp_path}", image_size=(2, 3), resize="stretch")
    assert source.image_shape == (2, 3, 3)
    assert arrays["train"][0][:, 0, 0, 0].tolist() == [7, 8]
    source, arrays = read(f"folder:{tmp_path}", image_size=5)
    assert source.image_shape == (5, 5, 3) and arrays["test"][0].shape == (1, 5, 5, 3)
    fails("image size 0 given", f"folder:{tmp_path}", image_size=0)
    fails("is no square; choose resize 'stretch'", f"folder:{tmp_path}", image_size=(2, 3))
    fails("unknown resize 'crop'", f"folder:{tmp_path}", image_size=2, resize="crop")
    fails(r"image size \(1, 2, 3\) given", f"folder:{tmp_path}", image_size=(1, 2, 3))


def test_bad_folders(tmp_path):
    name = f"folder:{tmp_path}"
    fails("there is no such folder", name + "/nothing")
    (tmp_path / "x.jpg").touch()
    fails("x.jpg: this is a file; expected a folder", name + "/x.jpg")
    fails("names no path; expected folder:PATH", "folder:")
    fails("has no sub-folder", name)
    (tmp_path / "a").mkdir()
    fails("class 'a' has no example; put pictures", name)
    picture(tmp_path / "a" / "0.png", 1)
    refusal_of(data.load)("no image is left for testing", name, 1, batch_size=1)
    picture(tmp_path / "a" / "1.png", 1)
    picture(tmp_path / "a" / "2.png", 1)
    broken = tmp_path / "a" / "3.png"
    broken.write_bytes((tmp_path / "a" / "2.png").read_bytes()[:50])
    fails("3.png cannot be .*; replace or remove it .*-unreadable where a command has it", name)
    broken.write_text("no picture at all")
    fails("3.png cannot be read as a picture", name)
    picture(broken, 70000 % 65536, mode="I;16")
    fails("3.png cannot be read .*pixels of mode I;16; expected 8 bits per channel", name)


def test_folder_with_other_classes_in_test(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png", 1)
    picture(tmp_path / "test" / "b" / "0.png", 1)
    fails("test/ has the class 'b' and train/ has not", f"folder:{tmp_path}")


# names


@pytest.mark.parametrize("name", ["nzp:x", "huggingface:foo", "", "no such name"])
def test_unknown_names(name):
    fails("unknown data set .*expected digits .no network needed., npz:FILE, folder:DIR", name)


def test_paths_without_their_kind(tmp_path):
    fails("no such file or folder; did you mean npz:/some/file.npz", "/some/file.npz")
    fails("no such file or folder", "../mnist")
    picture(tmp_path / "a" / "0.png", 1)
    refusal_of(data.load)(f"has no class labels, .*did you mean folder:{tmp_path}", str(tmp_path))
    save(tmp_path)
    fails(f"name the one with the images.*did you mean npz:{tmp_path}", str(tmp_path / "data.npz"))
