"""Which training images carry a label: the original's subset, or a file of labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data.order import checked_seed
from improved_gan_tf.errors import UserError


def permutation(n: int, seed: int) -> np.ndarray:
    """The original's permutation of the training images before it selects labels, [n] int64."""
    return np.random.RandomState(checked_seed(seed, "data seed")).permutation(n)


def labeled_indices(
    labels: Any, labels_per_class: int, seed: int = 1, num_classes: int | None = None
) -> np.ndarray:
    """Chooses the labelled subset as the original scripts do (paper, section 5).

    The images are permuted by `numpy.random.RandomState(seed).permutation(N)`; the first
    `labels_per_class` of each class in that order are taken, class after class. Where the images
    are in the order of the original files, these are the original's very images.

    Args:
        labels: The class number of each training image, [N] integers, 0 <= label < num_classes.
        labels_per_class: The number of labels for each class, at least 1.
        seed: The original's `--seed_data`, 0 <= seed < 2**32, by default 1.
        num_classes: The number of classes; by default the largest label plus one.

    Returns:
        The places of the labelled images, [num_classes * labels_per_class] int64.

    Raises:
        UserError: Fewer than one label per class, more than some class has, a class without an
            example, or a label or seed out of range.

    Example:

    >>> improved_gan_tf.data.labeled_indices([0, 1, 0, 1, 0, 1], labels_per_class=2, seed=1)
    array([2, 4, 1, 3])

    Source: train_mnist_feature_matching.py, train_cifar_feature_matching.py and their kin,
    "select labeled data"; the seed is `seed_data` in all recipes (D12).
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    return _first_of_each_class(permuted, labels, labels_per_class, classes)


def custom_labeled_indices(
    labels: Any,
    labels_per_class: int | None,
    seed: int = 1,
    num_classes: int | None = None,
    balance: bool | str = True,
    true_labels: Any = None,
) -> np.ndarray:
    """Chooses the labelled images when the labels come from a file, -1 meaning unlabelled.

    Args:
        labels: The file's labels, [N] integers, -1 <= label < num_classes.
        labels_per_class: The number of labels for each class; None for as many as the rarest class
            has (all labelled images where `balance` is False).
        seed: As for `labeled_indices`.
        num_classes: As for `labeled_indices`.
        balance: True for the same number of each class, by the file's labels, as
            `labeled_indices`; False for the first labels_per_class * num_classes labelled images
            in permuted order, whatever their class (fewer if there are not as many); "original"
            for what the original script does when asked to balance. That one permutes images and
            labels but not the true labels by which it balances, so that it takes random images,
            labels_per_class * num_classes of them, of no particular class.
        true_labels: The true class numbers, [N] integers, for "original" only.

    Returns:
        The places of the labelled images, [L] int64.

    Raises:
        UserError: As `labeled_indices`; no labelled image at all; unknown `balance`; "original"
            with unlabelled images.

    Source: train_mnist_fm_custom_labels.py, "select labeled data". Our True deviates from it on
    purpose (D15); False and "original" give its images.
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    labeled = permuted[labels[permuted] >= 0]
    if len(labeled) == 0:
        raise UserError("the labels file marks every image as unlabelled (-1); label at least one")
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
        return _first_of_each_class(labeled, labels, labels_per_class, classes)
    if labels_per_class is None:
        return labeled
    _check_count(labels_per_class)
    return labeled[: labels_per_class * classes]


def labels_from_file(
    path: str | os.PathLike, n: int, num_classes: int, total: int | None = None
) -> np.ndarray:
    """Reads labels for `n` training images.

    Args:
        path: A .npy file of integers, or a text file of one integer per line; -1 is unlabelled.
        n: How many labels are needed.
        num_classes: The number of classes; labels must be below it.
        total: Another length that will do, the first `n` labels being used: that of the whole set
            of which the n images are the beginning (the original reads such files so).

    Returns:
        The labels, [n] int32.

    Raises:
        UserError: No such file, not integers, of the wrong length, or out of range; names the
            first label at fault.

    Source: train_mnist_fm_custom_labels.py, `np.load(args.labels)[0:8000]`.
    """
    path = Path(path).expanduser()
    what = f"labels file {path}"
    if not path.is_file():
        raise UserError(f"{what} does not exist; expected {n} integers, as .npy or text")
    labels = _read_npy(path, what) if path.suffix == ".npy" else _read_text(path, what)
    if len(labels) not in (n, total):
        alternatives = f"{n}" if total in (None, n) else f"{n} (or {total}, the first {n} used)"
        raise UserError(
            f"{what} holds {len(labels)} labels; expected {alternatives}, one per training image"
        )
    labels = labels[:n]
    wrong = np.flatnonzero((labels < -1) | (labels >= num_classes))
    if len(wrong):
        raise UserError(
            f"{what}: label {labels[wrong[0]]} of image {wrong[0]} (from 0) is out of range; "
            f"expected 0 to {num_classes - 1}, or -1 for unlabelled"
        )
    return labels.astype(np.int32)


def _check_count(labels_per_class):
    if labels_per_class < 1:
        raise UserError(f"{labels_per_class} labels per class given; expected 1 or more")


def _first_of_each_class(rows, labels, labels_per_class, num_classes):
    """The first `labels_per_class` of `rows` of each class, class after class."""
    _check_count(labels_per_class)
    classes = labels[rows]
    wrong = classes[(classes < 0) | (classes >= num_classes)]
    if len(wrong):
        raise UserError(f"label {wrong[0]} is out of range; expected 0 to {num_classes - 1}")
    counts = np.bincount(classes, minlength=num_classes)
    rarest = counts.argmin()
    if counts[rarest] == 0:
        raise UserError(
            f"class {rarest} of {num_classes} has no example; every class needs at least one "
            f"(classes count from 0; labels that count from 1 must be shifted)"
        )
    if labels_per_class > counts[rarest]:
        raise UserError(
            f"{labels_per_class} labels per class asked for, but class {rarest} has only "
            f"{counts[rarest]} examples; ask for at most {counts[rarest]}"
        )
    return np.concatenate([rows[classes == j][:labels_per_class] for j in range(num_classes)])


def _read_npy(path, what):
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{what} is not a readable .npy file of integers") from None
    if not isinstance(labels, np.ndarray):
        labels.close()
        raise UserError(f"{what} is an archive of arrays; expected a single .npy array")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{what} holds {labels.dtype} of shape {labels.shape}; expected integers, [N]"
        )
    return labels


def _read_text(path, what):
    try:
        lines = path.read_text(encoding="utf-8").rstrip().split("\n")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{what} is neither .npy nor text; expected one integer per line") from None
    labels = np.empty(len(lines) if lines != [""] else 0, np.int64)
    for number in range(len(labels)):
        try:
            labels[number] = int(lines[number])
        except (ValueError, OverflowError):
            raise UserError(
                f"{what}, line {number + 1}: {lines[number].strip()[:40]!r} is not an integer; "
                f"expected one integer per line"
            ) from None
    return labels
