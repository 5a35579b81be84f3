"""Which training images carry a label, -1 meaning none: the original's subset, or a file."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data.order import checked_seed
from improved_gan_tf.errors import UserError
from improved_gan_tf.numpy_files import DamagedFile, read_array

HELD_OUT = 0.2  # of each class, where there is no test set
_NONE = ("", "nan", "none")  # in text files, besides -1


def permutation(n: int, seed: int) -> np.ndarray:
    """The original's permutation of the training images before it selects labels, [n] int64."""
    return np.random.RandomState(checked_seed(seed, "data seed")).permutation(n)


def class_numbers(labels: Any, what: str) -> np.ndarray:
    """The class numbers that a user gave, [N] int64; -1, None and NaN become -1.

    Args:
        labels: [N] or [N, 1] integers, floats of whole numbers, or objects.
        what: What they are, in the plural, for messages.

    Raises:
        UserError: Another shape, one-hot labels, or what are no class numbers.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        raise UserError(
            f"{what} have shape {labels.shape}, one-hot it seems; expected [N] integers, one class "
            f"number per image: give y.argmax(axis=1)"
        )
    if labels.dtype == object and labels.ndim == 1:
        with contextlib.suppress(TypeError, ValueError):  # reported below
            labels = np.array([np.nan if label is None else label for label in labels], float)
    if np.issubdtype(labels.dtype, np.floating):
        labels = np.where(np.isnan(labels), -1, labels)
        wrong = labels[(labels != np.rint(labels)) | (np.abs(labels) >= 2**31)]
        if wrong.size:
            raise UserError(f"{what} hold {wrong[0]:g}; expected class numbers, -1 for unlabeled")
        labels = labels.astype(np.int64)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{what} have shape {labels.shape} and type {labels.dtype}; expected [N] integers, "
            f"one class number per image, -1 for unlabeled"
        )
    return labels


def held_out(labels: np.ndarray, per_class: int | None = None) -> np.ndarray:
    """Which examples are held out to test on, [M] int64, in order.

    Of each class's n labeled examples these are the ones that come first in
    `RandomState(class number).permutation(n)`.

    Args:
        labels: The class number of each example, -1 is unlabeled.
        per_class: How many; None (default) for round(0.2 n).
    """
    chosen = [np.zeros(0, np.int64)]
    for number in np.unique(labels[labels >= 0]):
        examples = np.flatnonzero(labels == number)
        shuffled = np.random.RandomState(number).permutation(len(examples))
        count = round(HELD_OUT * len(examples)) if per_class is None else per_class
        chosen.append(examples[shuffled[:count]])
    return np.sort(np.concatenate(chosen))


def validation_split(
    images: np.ndarray, labels: np.ndarray, per_class: int, num_classes: int, name: str
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The images and labels to train on, and those to choose a recipe's values by.

    Args:
        images, labels: The training set; the label -1 is unlabeled.
        per_class: How many images of each class are held out, see `held_out`.
        num_classes: The number of classes.
        name: What the data set is called.

    Raises:
        UserError: Some class has no more labeled images than that, or it is below 1.
    """
    rarest = np.bincount(labels[labels >= 0], minlength=num_classes).min()
    if not 0 < per_class < rarest:
        raise UserError(
            f"{name}: {per_class} validation images per class given; expected 1 to {rarest - 1}, "
            f"since the rarest class has {rarest} labeled images"
        )
    tested = held_out(labels, per_class)
    trained = np.setdiff1d(np.arange(len(labels)), tested)
    return (images[trained], labels[trained]), (images[tested], labels[tested])


def labeled_indices(
    labels: Any,
    labels_per_class: int | None,
    seed: int = 1,
    num_classes: int | None = None,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Chooses the labeled subset as the original scripts do (paper, section 5).

    The images are permuted by `numpy.random.RandomState(seed).permutation(N)`; the first
    `labels_per_class` of each class in that order are taken, class after class. Where the images
    are in the order of the original files, these are the original's very images.

    Args:
        labels: The class number of each training image, [N] integers, label < num_classes; -1 is
            unlabeled.
        labels_per_class: The number of labels for each class, at least 1; None for all labels.
        seed: The original's `--seed_data`, 0 <= seed < 2**32, by default 1.
        num_classes: The number of classes; by default the largest label plus one.
        class_names: One name per class, for messages; none by default.

    Returns:
        The places of the labeled images, [num_classes * labels_per_class] int64.

    Raises:
        UserError: Fewer than one label per class, more than some class has, no label, a class
            without one, or a label or seed out of range.

    Example:

    >>> improved_gan_tf.data.labeled_indices([0, 1, 0, 1, 0, 1], labels_per_class=2, seed=1)
    array([2, 4, 1, 3])

    Source: train_mnist_feature_matching.py, train_cifar_feature_matching.py and their kin,
    "select labeled data"; the seed is `seed_data` in all recipes (D12).
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    permuted = permuted[labels[permuted] != -1]
    if len(permuted) == 0:
        raise UserError("no image is labeled; give every class at least one label")
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    count = 1 if labels_per_class is None else labels_per_class
    balanced = _first_of_each_class(permuted, labels, count, classes, class_names)
    return permuted if labels_per_class is None else balanced


def custom_labeled_indices(
    labels: Any,
    labels_per_class: int | None,
    seed: int = 1,
    num_classes: int | None = None,
    balance: bool | str = True,
    true_labels: Any = None,
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Chooses the labeled images when the labels come from a file, -1 meaning unlabeled.

    Args:
        labels: The file's labels, [N] integers, -1 <= label < num_classes.
        labels_per_class: The number of labels for each class; None for as many as the rarest class
            has (all labeled images where `balance` is False).
        seed: As for `labeled_indices`.
        num_classes: As for `labeled_indices`.
        balance: True for the same number of each class, by the file's labels, as
            `labeled_indices`; False for the first labels_per_class * num_classes labeled images
            in permuted order, whatever their class (fewer if there are not as many); "original"
            for what the original script does when asked to balance. That one permutes images and
            labels but not the true labels by which it balances, so that it takes random images,
            labels_per_class * num_classes of them, of no particular class.
        true_labels: The true class numbers, [N] integers, for "original" only.
        class_names: As for `labeled_indices`.

    Returns:
        The places of the labeled images, [L] int64.

    Raises:
        UserError: As `labeled_indices`; no labeled image at all; unknown `balance`; "original"
            with unlabeled images.

    Source: train_mnist_fm_custom_labels.py, "select labeled data". Our True deviates from it on
    purpose (D15); False and "original" give its images.
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    labeled = permuted[labels[permuted] >= 0]
    if len(labeled) == 0:
        raise UserError("the labels file marks every image as unlabeled (-1); label at least one")
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    if balance == "original":
        if true_labels is None or labels_per_class is None:
            raise UserError("balance 'original' needs true labels and labels per class")
        if len(labeled) < len(labels):
            raise UserError("balance 'original' needs a label for every image; the file has -1")
        _check_count(labels_per_class)
        # The selector counts in the order of the files, the images it selects are permuted.
        true = np.asarray(true_labels)
        return np.concatenate([permuted[true == j][:labels_per_class] for j in range(classes)])
    if balance not in (True, False):
        raise UserError(f"balance {balance!r} given; expected True, False or 'original'")
    if balance:
        if labels_per_class is None:
            labels_per_class = int(np.bincount(labels[labeled], minlength=classes).min())
            labels_per_class = max(labels_per_class, 1)  # an empty class is reported below
        return _first_of_each_class(labeled, labels, labels_per_class, classes, class_names)
    if labels_per_class is None:
        return labeled
    _check_count(labels_per_class)
    return labeled[: labels_per_class * classes]


def labels_from_file(
    path: str | os.PathLike,
    n: int,
    num_classes: int,
    total: int | None = None,
    file_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Reads labels for `n` training images.

    Args:
        path: A .npy file of class numbers, or a text file of one per line; -1, NaN and, in text,
            none are unlabeled. For picture files also a text file of lines `name,label`, where
            the label may be a class's name (which goes before its number), and the name is the
            file's, or its path where several have that name. Pictures that it does not name are
            unlabeled.
        n: How many labels are needed.
        num_classes: The number of classes; labels must be below it.
        total: Another length that will do, the first `n` labels being used: that of the whole set
            of which the n images are the beginning (the original reads such files so).
        file_names: The paths of the picture files, if the images are such.
        class_names: The names of the classes, for `name,label`.

    Returns:
        The labels, [n] int32.

    Raises:
        UserError: No such file, not class numbers, of the wrong length, or out of range; an
            unknown or repeated name; names the first label at fault.

    Source: train_mnist_fm_custom_labels.py, `np.load(args.labels)[0:8000]`.
    """
    path = Path(path).expanduser()
    what = f"labels file {path}"
    if not path.is_file():
        raise UserError(f"{what} does not exist; expected {n} integers, as .npy or text")
    if path.suffix == ".npy":
        labels = _read_npy(path, what)
    else:
        lines = _lines(path, what)
        if lines and "," in lines[0]:
            labels = _by_name(lines, what, file_names, class_names)
        else:
            labels = _numbers(lines, what)
    if len(labels) not in (n, total):
        alternatives = f"{n}" if total in (None, n) else f"{n} (or {total}, the first {n} used)"
        raise UserError(
            f"{what} holds {len(labels)} labels; expected {alternatives}, one per image"
        )
    labels = labels[:n]
    wrong = np.flatnonzero((labels < -1) | (labels >= num_classes))
    if len(wrong):
        raise UserError(
            f"{what}: label {labels[wrong[0]]} of image {wrong[0]} (from 0) is out of range; "
            f"expected 0 to {num_classes - 1}, or -1 for unlabeled"
        )
    return labels.astype(np.int32)


def _check_count(labels_per_class):
    if labels_per_class < 1:
        raise UserError(f"{labels_per_class} labels per class given; expected 1 or more")


def _first_of_each_class(rows, labels, labels_per_class, num_classes, class_names):
    """The first `labels_per_class` of `rows` of each class, class after class."""
    _check_count(labels_per_class)
    classes = labels[rows]
    wrong = classes[(classes < 0) | (classes >= num_classes)]
    if len(wrong):
        raise UserError(f"label {wrong[0]} is out of range; expected 0 to {num_classes - 1}")
    counts = np.bincount(classes, minlength=num_classes)
    rarest = int(counts.argmin())
    name = class_names[rarest] if class_names else str(rarest)
    called = f"class {rarest}" if name == str(rarest) else f"class {rarest} ({name})"
    if counts[rarest] == 0:
        raise UserError(
            f"{called} of {num_classes} has no labeled example; every class needs at least "
            f"one: label one, or leave the class out (classes count from 0; labels that count from "
            f"1 must be shifted)"
        )
    if labels_per_class > counts[rarest]:
        raise UserError(
            f"{labels_per_class} labels per class asked for, but {called} has only "
            f"{counts[rarest]} labeled examples; ask for at most {counts[rarest]}"
        )
    return np.concatenate([rows[classes == j][:labels_per_class] for j in range(num_classes)])


def _read_npy(path, what):
    try:
        labels = read_array(path)
    except DamagedFile as error:
        if zipfile.is_zipfile(path):
            raise UserError(f"{what} is an archive of arrays; expected a single array") from None
        raise UserError(f"{what} is not a readable .npy file of integers ({error})") from None
    return class_numbers(labels, f"{what}: the labels")


def _lines(path, what):
    if excess := limits.BYTES.excess(path.stat().st_size):
        raise UserError(f"{what} has {excess}")
    try:
        return path.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{what} is neither .npy nor text; expected one integer per line") from None


def _numbers(lines, what):
    labels = np.empty(len(lines), np.int64)
    for number, line in enumerate(lines):
        try:
            labels[number] = -1 if line.strip().lower() in _NONE else int(line)
        except (ValueError, OverflowError):
            raise UserError(
                f"{what}, line {number + 1}: {line.strip()[:40]!r} is not an integer; "
                f"expected one integer per line, -1 for unlabeled"
            ) from None
    return labels


def _by_name(lines, what, file_names, class_names):
    """Labels of lines `name,label`; a first line `...,label` is a heading."""
    if not file_names:
        raise UserError(
            f"{what} has lines of name,label, but the images are no picture files; expected one "
            f"integer per line"
        )
    places: dict[str, list[int]] = {}
    for place, file in enumerate(file_names):
        parts = Path(file).parts
        for start in range(len(parts)):
            places.setdefault(str(Path(*parts[start:])), []).append(place)
    labels, seen = np.full(len(file_names), -1, np.int64), set()
    for number, line in enumerate(lines):
        name, _, label = (part.strip() for part in line.rpartition(","))
        if number == 0 and label.lower() == "label":
            continue
        where = f"{what}, line {number + 1}"
        found = places.get(str(Path(name)), [])
        if len(found) != 1 or found[0] in seen:
            wrong = "is no training image" if not found else "is named twice"
            wrong = "is the name of several files; write its folder too" if found[1:] else wrong
            raise UserError(f"{where}: {name!r} {wrong}")
        seen.add(found[0])
        if label in class_names:
            labels[found[0]] = class_names.index(label)
            continue
        try:
            labels[found[0]] = -1 if label.lower() in _NONE else int(label)
        except (ValueError, OverflowError):
            known = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
            raise UserError(
                f"{where}: {label!r} is neither a class ({known}) nor a class number; -1 for none"
            ) from None
    return labels
