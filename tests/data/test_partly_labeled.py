"""Partly labeled data: the user's arrays, .npz files, folders and files of labels."""

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data, experiments
from tests.helpers.one_line import refusal_of

fails = refusal_of(data.from_arrays)


def images(count, first=0):
    """uint8 [N, 4, 4], each of which says its number."""
    return np.full((count, 4, 4), 0, np.uint8) + np.arange(first, first + count)[:, None, None]


def numbers(x):
    return np.asarray(x)[:, 0, 0, 0].tolist()


def labels(count, classes=3, labeled=30):
    return np.where(np.arange(count) < labeled, np.arange(count) % classes, -1)


def held_out(y):
    """The held-out part by its description."""
    found = []
    for k in range(max(y) + 1):
        examples = np.flatnonzero(np.asarray(y) == k)
        shuffled = np.random.RandomState(k).permutation(len(examples))
        found += examples[shuffled[: round(0.2 * len(examples))]].tolist()
    return sorted(found)


# arrays


@pytest.mark.parametrize("form", ["integers", "NaN", "None", "column"])
def test_labeled_images_are_held_out_and_all_others_train(form):
    y = labels(50)
    given = {
        "integers": y,
        "NaN": np.where(y < 0, np.nan, y),
        "None": np.array([None if k < 0 else k for k in y], object),
        "column": y[:, None],
    }[form]
    d = data.from_arrays(images(50), given, unlabeled=images(10, 100), batch_size=9)
    assert numbers(d.test_images) == held_out(y) and len(d.test_images) == 6
    train = np.setdiff1d(np.arange(50), held_out(y)).tolist()
    assert numbers(d.train_images) == train + list(range(100, 110))
    np.testing.assert_array_equal(d.train_labels, [*y[train], *[-1] * 10])
    assert d.train_labels.dtype == np.int32
    # All labels are used, and they alone; all images feed the unlabeled streams.
    np.testing.assert_array_equal(np.sort(d.labeled_indices), np.flatnonzero(d.train_labels >= 0))
    seen = {"unlabeled": [], "unlabeled_generator": []}
    for batch in d.train.as_numpy_iterator():
        x, classes = batch["labeled"]
        number = np.rint(255 * x[:, 0, 0, 0]).astype(int)
        np.testing.assert_array_equal(classes, y[number])
        assert not set(number) & set(held_out(y))
        for name in seen:
            seen[name] += np.rint(255 * batch[name][:, 0, 0, 0]).astype(int).tolist()
    assert (
        sorted(seen["unlabeled"]) == sorted(seen["unlabeled_generator"]) == numbers(d.train_images)
    )


def test_labels_per_class_are_chosen_among_the_labeled():
    y = labels(60)
    options = {"test": (images(6, 200), [0, 1, 2] * 2), "batch_size": 10}
    d = data.from_arrays(images(60), y, labels_per_class=4, **options)
    permuted = [i for i in np.random.RandomState(1).permutation(60) if y[i] >= 0]
    expected = np.concatenate([[i for i in permuted if y[i] == k][:4] for k in range(3)])
    np.testing.assert_array_equal(d.labeled_indices, expected)
    assert (d.num_train, d.num_test, d.source.held_out) == (60, 6, None)
    fails("11 labels .* only 10 labeled", images(60), y, labels_per_class=11, **options)


def test_validation_images():
    given = images(5, 60), [0, 1, 2, 0, 1]
    d = data.from_arrays(images(40), labels(40), validation=given, batch_size=10)
    assert d.validation is not None and numbers(d.test_images) == list(range(60, 65))
    d = data.from_arrays(
        images(40), labels(40), validation=given, test=(images(2, 90), [0, 1]), batch_size=10
    )
    ((x, y),) = d.validation.as_numpy_iterator()
    assert numbers(np.rint(255 * x)) == list(range(60, 65)) and y.tolist() == given[1]
    assert sorted(numbers(d.test_images)) == [90, 91]
    assert data.from_arrays(images(40), labels(40), batch_size=10).validation is None


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (images(9), np.eye(9), {}, "one-hot it seems; .*argmax"),
        (images(9), ["a"] * 9, {}, "expected .N. integers"),
        (images(9), [None] * 9, {}, "no training image is labeled"),
        (images(9), labels(8), {}, "are 8 but the images 9"),
        (images(30), [0, -1, 2] * 10, {}, "class 1 of 3 has no labeled example"),
        (images(30), [0, -1] * 15, {}, "only one class, '0'; .*images have label -1"),
        (images(3), [0, 1, -1], {}, "no image is left for testing"),
        (images(9), labels(9), {"test": images(3)}, "test was given as ndarray; expected .images,"),
        (images(9), labels(9), {"unlabeled": images(9) / 255}, "unlabeled images 4 x 4 x 1 float"),
        (images(9), labels(9), {"test": (images(2), [0, -1])}, "test labels hold -1"),
        (images(9), labels(9), {"test": (images(2), [0, 3])}, "test label 3 is out of range"),
    ],
)
def test_impossible_arrays(x, y, options, message):
    fails(message, x, y, batch_size=2, **options)


def test_load_takes_arrays():
    d = data.load((images(50), labels(50)), 3, batch_size=10)
    assert (len(d.labeled_indices), d.num_train, d.num_test) == (9, 44, 6)
    d = data.load(((images(50), labels(50)), (images(3), [0, 1, 2])), None, batch_size=10)
    assert (len(d.labeled_indices), d.num_train, d.num_test) == (30, 50, 3)
    refusal_of(data.load)(r"give arrays to data.from_arrays\(x, y\)", images(50), 3)


def test_summary():
    d = data.from_arrays(images(50), labels(50), name="mine", batch_size=10)
    assert d.summary() == (
        "mine: 24 labeled images (8 of each of 3 classes), 20 without a label, 6 test images "
        "(held out: 20 % of each class's labeled images)"
    )
    y, test = np.array([0, 0, 0, 1] + [-1] * 16), (images(2), [0, 1])
    d = data.from_arrays(images(20), y, test=test, class_names=["cat", "dog"], batch_size=10)
    assert "4 labeled images (class cat: 3, class dog: 1), 16 without a label, 2 test" in (
        d.summary()
    )
    stream = data.load_stream("digits", image_size=None)
    assert stream.summary() == "digits: 1,297 training images of 10 classes, 500 test images"


# names


def test_npz(tmp_path):
    file = tmp_path / "mine.npz"
    np.savez(file, x_train=images(50), y_train=labels(50), x_unlabeled=images(10, 100))
    source = data.open(f"npz:{file}")
    assert source.splits == {"train": 54, "test": 6}
    assert (source.num_unlabeled, source.held_out, source.num_classes) == (30, 0.2, 3)
    assert numbers(source.arrays("test")[0]) == held_out(labels(50))
    d = data.load(f"npz:{file}", None, batch_size=10)
    assert len(d.labeled_indices) == 24 and d.num_train == 54
    refusal_of(data.load_stream)("30 training images carry no label, which", f"npz:{file}")
    np.savez(file, x_train=images(50), y_train=labels(50), x_test=images(5))
    refusal_of(data.open)("y_test missing", f"npz:{file}")


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), value).save(path)


def pictures(root, part=""):
    for k, name in enumerate(("cat", "dog")):
        for i in range(5):
            picture(root / part / name / f"{name}{i}.png", 10 * k + i)


@pytest.mark.parametrize(
    ("part", "folder"),
    [("", "unlabeled"), ("train", "_unlabeled"), ("train", "train/unlabeled")],
)
def test_folder(tmp_path, part, folder):
    pictures(tmp_path, part)
    for i in range(3):
        picture(tmp_path / folder / ("deep" if i else "") / f"{i}.png", 100 + i)
    source = data.open(f"folder:{tmp_path}")
    assert source.class_names == ("cat", "dog") and source.splits == {"train": 11, "test": 2}
    assert (source.num_unlabeled, source.held_out) == (3, 0.2)
    x, y = source.arrays("train")
    np.testing.assert_array_equal(y, [0] * 4 + [1] * 4 + [-1] * 3)
    assert sorted(numbers(x)[8:]) == [100, 101, 102]
    d = data.load(f"folder:{tmp_path}", 2, batch_size=4, skip_unreadable=True)
    assert len(d.labeled_indices) == 4 and d.num_train == 11
    refusal_of(data.load_stream)("3 training images carry no label", source)


def test_folder_of_one_class(tmp_path):
    for i in range(5):
        picture(tmp_path / "unsorted" / f"{i}.png", i)
    message = "has only one class, 'unsorted'; .*into a folder 'unlabeled'"
    refusal_of(data.load)(message, f"folder:{tmp_path}", 1, batch_size=2)


# files of labels


def test_labels_file_labels_the_training_images(tmp_path):
    file = tmp_path / "labels.txt"
    given = np.full(1297, -1)
    given[:20] = np.arange(20) % 10
    file.write_text("\n".join("none" if k < 0 else str(k) for k in given))
    d = data.load("digits", 2, labels_file=file)
    assert (d.num_train, d.num_test) == (1297, 500)
    np.testing.assert_array_equal(np.sort(d.labeled_indices), np.arange(20))
    np.testing.assert_array_equal(d.train_labels, given)
    assert d.source.num_unlabeled == 1277
    np.save(tmp_path / "labels.npy", np.where(given < 0, np.nan, given))
    again = data.load("digits", 2, labels_file=tmp_path / "labels.npy")
    np.testing.assert_array_equal(again.labeled_indices, d.labeled_indices)


def test_labels_file_of_a_recipe(tmp_path):
    """The original's custom-labels script, which trains on test images, is one recipe alone."""
    np.savetxt(tmp_path / "labels.txt", np.arange(1297) % 10, "%d")
    file = str(tmp_path / "labels.txt")
    recipe = experiments.override(experiments.get("digits"), labels_file=file)
    d = experiments.experiment(recipe).load_data()
    np.testing.assert_array_equal(d.train_labels, np.arange(1297) % 10)
    np.savetxt(file, np.arange(400) % 10, "%d")
    recipe = experiments.get("mnist-custom-labels")
    recipe = experiments.override(recipe, labels_file=file, data="digits")
    d = experiments.experiment(recipe).load_data()
    assert (d.num_train, d.num_test) == (400, 100)


def test_labels_by_name(tmp_path):
    pictures(tmp_path, "train")
    pictures(tmp_path, "test")
    for i in range(2):
        picture(tmp_path / "unlabeled" / f"{i}.png", 100 + i)
    file = tmp_path / "labels.csv"
    file.write_text("name,label\ncat0.png,dog\ntrain/dog/dog0.png,0\n1.png, 1\n0.png,-1\n")
    d = data.load(f"folder:{tmp_path}", None, labels_file=file, balance=False, batch_size=4)
    found = zip(numbers(d.train_images), d.train_labels.tolist(), strict=True)
    assert {n: k for n, k in found if k >= 0} == {0: 1, 10: 0, 101: 1}
    assert d.num_train == 12 and len(d.labeled_indices) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.png,0", "line 1: 'none.png' is no training image"),
        ("name,label\na/0.png,0\n./a/0.png,1", "line 3: './a/0.png' is named twice"),
        ("0.png,0", "line 1: '0.png' is the name of several files; write its folder too"),
        ("a/0.png,pear", "line 1: 'pear' is neither a class .cat, dog. nor a class number"),
        ("a/0.png,2", "label 2 of image 0 .from 0. is out of range"),
    ],
)
def test_bad_labels_by_name(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    names = ["/x/a/0.png", "/x/b/0.png"]
    refused = refusal_of(data.labels_from_file)
    refused(message, file, 2, 2, file_names=names, class_names=("cat", "dog"))
    refused("the images are no picture files", file, 2, 2)
