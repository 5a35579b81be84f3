"""The labeled subset: the original's choice, and labels from a file."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.errors import UserError
from tests.helpers.one_line import refusal_of

COUNTS = (2, 5, 10, 20)


@pytest.mark.parametrize("seed", range(1, 6))
def test_subset_is_the_originals_whatever_the_other_labels(golden, seed):
    """Without MNIST's labels: those of the recorded images follow from their places."""
    recorded = golden("theano/mnist_labelled_subsets")
    labels = np.full(60000, 10)  # an eleventh class for all other rows
    labels[recorded[f"seed{seed}_count20"]] = np.repeat(np.arange(10), 20)
    for count in COUNTS:
        chosen = data.labeled_indices(labels, count, seed, num_classes=11)
        np.testing.assert_array_equal(chosen[: 10 * count], recorded[f"seed{seed}_count{count}"])


@pytest.mark.parametrize("seed", range(1, 6))
def test_subset_of_real_mnist_is_the_originals(golden, shared_data, seed):
    recorded = golden("theano/mnist_labelled_subsets")
    with np.load(shared_data / "mnist.npz") as mnist:
        labels = mnist["y_train"]
    for count in COUNTS:
        chosen = data.labeled_indices(labels, count, seed)
        np.testing.assert_array_equal(chosen, recorded[f"seed{seed}_count{count}"])


def test_subset_by_hand():
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    permuted = np.random.RandomState(7).permutation(8)
    expected = [i for i in permuted if labels[i] == 0][:3] + [
        i for i in permuted if labels[i] == 1
    ][:3]
    chosen = data.labeled_indices(labels, 3, seed=7)
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize(
    ("labels", "count", "classes", "message"),
    [
        ([0, 1, 0], 2, 2, "2 labels per class asked for, but class 1 has only 1 labeled examples"),
        ([0, 2, 0], 1, 3, "class 1 of 3 has no labeled example"),
        ([0, 1], 1, 3, "class 2 of 3 has no labeled example"),
        ([1, 2], 1, None, "class 0 of 3 has no labeled example.*count from 1 must be shifted"),
        ([0, 1], 0, 2, "0 labels per class given"),
        ([0, 1], -3, 2, "-3 labels per class given"),
        ([0, 2], 1, 2, "label 2 is out of range"),
        ([0, -2], 1, 2, "label -2 is out of range"),
        ([-1, -1], 1, 2, "no image is labeled"),
        ([-1, 0, -1], None, 2, "class 1 of 2 has no labeled example.*label one, or leave"),
    ],
)
def test_impossible_subsets(labels, count, classes, message):
    with pytest.raises(UserError, match=message):
        data.labeled_indices(labels, count, 1, classes)


def test_classes_are_called_by_their_names():
    labels, names = [0, 1, 0, -1], ("cat", "dog", "2")
    message = r"but class 1 \(dog\) has only 1 labeled examples"
    for function in (data.labeled_indices, data.custom_labeled_indices):
        fails = refusal_of(function)
        fails(message, labels, 2, num_classes=2, class_names=names)
        fails("class 2 of 3 has no", labels, 1, num_classes=3, class_names=names)
    images = np.zeros((4, 4, 4), np.uint8)
    source = data.source_from_arrays(images, labels, images, [0, 1, 0, 1], class_names=names[:2])
    refusal_of(data.load)(message, source, 2, batch_size=2)


def test_custom_labels_balanced_skip_unlabeled_rows():
    labels = np.array([0, -1, 1, 0, 1, -1, 0, 1, 1, 0])
    permuted = [i for i in np.random.RandomState(2).permutation(10) if labels[i] >= 0]
    for count, used in ((2, 2), (None, 4)):
        chosen = data.custom_labeled_indices(labels, count, seed=2)
        expected = [i for i in permuted if labels[i] == 0][:used] + [
            i for i in permuted if labels[i] == 1
        ][:used]
        np.testing.assert_array_equal(chosen, expected)


def test_custom_labels_without_balance_are_the_first_rows():
    """As the original's `--balance False`: the first count * classes of the permuted rows."""
    labels = np.random.RandomState(0).randint(0, 10, 400)
    permuted = np.random.RandomState(3).permutation(400)
    chosen = data.custom_labeled_indices(labels, 7, seed=3, num_classes=10, balance=False)
    np.testing.assert_array_equal(chosen, permuted[:70])
    chosen = data.custom_labeled_indices(labels, None, seed=3, num_classes=10, balance=False)
    np.testing.assert_array_equal(chosen, permuted)


def test_custom_labels_as_the_original_balances_them():
    true = np.random.RandomState(1).randint(0, 10, 400)
    permuted = np.random.RandomState(3).permutation(400)
    chosen = data.custom_labeled_indices(
        true, 4, seed=3, num_classes=10, balance="original", true_labels=true
    )
    expected = []
    for j in range(10):  # places in the permuted rows, picked by the labels of unpermuted ones
        expected += [permuted[i] for i in range(400) if true[i] == j][:4]
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([-1, -1], {}, "marks every image as unlabeled"),
        ([0, -1, 0], {"num_classes": 2}, "class 1 of 2 has no labeled example"),
        (
            [0, -1, 0],
            {"num_classes": 2, "labels_per_class": None},
            "class 1 of 2 has no labeled example",
        ),
        ([0, 1], {"balance": "no"}, "balance 'no' given"),
        ([0, 1], {"balance": False, "labels_per_class": 0}, "0 labels per class"),
        ([0, -1], {"balance": "original", "true_labels": [0, 1]}, "needs a label for every image"),
        ([0, 1], {"balance": "original"}, "needs true labels"),
    ],
)
def test_impossible_custom_labels(labels, options, message):
    with pytest.raises(UserError, match=message):
        data.custom_labeled_indices(labels, **{"labels_per_class": 1, **options})


def test_labels_file_as_npy_and_as_text(tmp_path):
    labels = np.array([3, -1, 0, 9])
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "labels.txt").write_text("3\n-1\n 0\n9\n\n")
    for name in ("labels.npy", "labels.txt"):
        read = data.labels_from_file(tmp_path / name, 4, 10)
        assert read.dtype == np.int32
        np.testing.assert_array_equal(read, labels)
        # A file for the whole set, of which the rows are the beginning, will do too.
        np.testing.assert_array_equal(
            data.labels_from_file(tmp_path / name, 3, 10, total=4), labels[:3]
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n2\n", "holds 2 labels; expected 3"),
        ("1\n2\n3\n4\n", "holds 4 labels; expected 3"),
        ("", "holds 0 labels; expected 3"),
        ("1\n10\n3\n", "label 10 of image 1 .from 0. is out of range; expected 0 to 9, or -1"),
        ("1\n-2\n3\n", "label -2 of image 1"),
        ("1\nseven\n3\n", "line 2: 'seven' is not an integer"),
        ("1\n1.5\n3\n", "line 2: '1.5' is not an integer"),
        ("1\n99999999999999999999\n3\n", "line 2: '9+' is not an integer"),
        (np.array([1, 2]), "holds 2 labels; expected 3"),
        (np.array([1, 2, 99]), "label 99 of image 2"),
        (np.array([1.0, 2.5, np.nan]), "the labels hold 2.5; expected class numbers"),
        (np.array([1.0, np.inf, 3.0]), "the labels hold inf; expected class numbers"),
        (np.eye(3), "the labels have shape .3, 3., one-hot it seems; .*argmax"),
        (np.array(["a", "b", "c"]), "not a readable .npy file of integers .values of type <U1"),
        (np.array([1, "a", None], dtype=object), "not a readable .npy"),
        (b"\xff\xfe\x00rubbish", "neither .npy nor text"),
        (None, "does not exist; expected 3 integers"),
    ],
)
def test_bad_labels_files(tmp_path, content, message):
    path = tmp_path / "labels"
    if isinstance(content, np.ndarray):
        path = path.with_suffix(".npy")
        np.save(path, content, allow_pickle=True)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        data.labels_from_file(path, 3, 10)
    assert "\n" not in str(caught.value)


def test_labels_file_that_is_an_archive_or_damaged(tmp_path):
    path = tmp_path / "labels.npy"
    with open(path, "wb") as file:
        np.savez(file, labels=np.arange(3))
    with pytest.raises(UserError, match="archive of arrays"):
        data.labels_from_file(path, 3, 10)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match="not a readable .npy"):
        data.labels_from_file(path, 3, 10)
