"""Which training images carry a label: the original's subset, or a file of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from improved_gan_tf.data.order import checked_seed
from improved_gan_tf.errors import UserError


def permutation(n: int, seed: int) -> np.ndarray:
    """The original's permutation of the training rows before it selects labels, [n] int64."""
    return np.random.RandomState(checked_seed(seed, "data seed")).permutation(n)


def labeled_indices(
    labels, labels_per_class: int, seed: int = 1, num_classes: int | None = None
) -> np.ndarray:
    """Chooses the labelled subset as the original scripts do.

    The rows are permuted by `numpy.random.RandomState(seed).permutation(N)`; the first
    `labels_per_class` rows of each class in that order are taken, class after class. Where the
    rows are in the order of the original files, these are the original's very images (paper,
    section 5).

    Args:
        labels: [N] integers, 0 <= label < num_classes.
        labels_per_class: labels for each class, >= 1.
        seed: the original's `--seed_data`, 0 <= seed < 2**32.
        num_classes: number of classes; by default the largest label plus one.

    Returns:
        [num_classes * labels_per_class] int64 row numbers, class after class.

    Raises:
        UserError: fewer than one label a class, more than some class has, a class without an
            example, or a label or seed out of range.

    Source: train_mnist_feature_matching.py, train_cifar_feature_matching.py and their kin,
    "select labeled data".
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    num_classes = _num_classes(labels, num_classes)
    return _first_of_each_class(permuted, labels, labels_per_class, num_classes)


def custom_labeled_indices(
    labels,
    labels_per_class: int | None,
    seed: int = 1,
    num_classes: int | None = None,
    balance: bool | str = True,
    true_labels=None,
) -> np.ndarray:
    """Chooses the labelled rows when the labels come from a file, -1 meaning unlabelled.

    Args:
        labels: [N] integers, -1 <= label < num_classes.
        labels_per_class: labels for each class, >= 1; None for as many as the rarest class has
            (all labelled rows where `balance` is False).
        seed: as for `labeled_indices`.
        num_classes: number of classes; by default the largest label plus one.
        balance: True for the same number of each class, by the file's labels, as
            `labeled_indices`; False for the first labels_per_class * num_classes labelled rows in
            permuted order, whatever their class (fewer if there are not as many); "original" for
            what the original script does when asked to balance. That one permutes images and
            labels but not the true labels by which it balances, so that it takes random rows,
            labels_per_class * num_classes of them, of no particular class.
        true_labels: [N] integers, for "original" only.

    Returns:
        [L] int64 row numbers.

    Raises:
        UserError: as `labeled_indices`; no labelled row at all; unknown `balance`; "original"
            with unlabelled rows.

    Source: train_mnist_fm_custom_labels.py, "select labeled data". Our True deviates from it on
    purpose; False and "original" give its rows.
    """
    labels = np.asarray(labels)
    permuted = permutation(len(labels), seed)
    labeled = permuted[labels[permuted] >= 0]
    if len(labeled) == 0:
        raise UserError("the labels file marks every row as unlabelled (-1); label at least one.")
    num_classes = _num_classes(labels, num_classes)
    if balance == "original":
        return _as_published(permuted, labels, labels_per_class, num_classes, true_labels)
    if balance not in (True, False):
        raise UserError(f"balance {balance!r} given; expected True, False or 'original'.")
    if balance:
        if labels_per_class is None:
            labels_per_class = int(np.bincount(labels[labeled], minlength=num_classes).min())
            labels_per_class = max(labels_per_class, 1)  # an empty class is reported below
        return _first_of_each_class(labeled, labels, labels_per_class, num_classes)
    if labels_per_class is None:
        return labeled
    _check_count(labels_per_class)
    return labeled[: labels_per_class * num_classes]


def labels_from_file(path, n: int, num_classes: int, total: int | None = None) -> np.ndarray:
    """Reads labels for `n` training rows.

    Args:
        path: a .npy file of integers, or a text file of one integer a line; -1 is unlabelled.
        n: how many labels are needed.
        num_classes: labels must be below it.
        total: another length that will do, the first `n` being used: that of the whole set of
            which the n rows are the beginning (the original reads such files so).

    Returns:
        [n] int32.

    Raises:
        UserError: no such file, not integers, of the wrong length, or out of range; names the
            first row at fault.

    Source: train_mnist_fm_custom_labels.py, `np.load(args.labels)[0:8000]`.
    """
    path = Path(path).expanduser()
    what = f"labels file {path}"
    if not path.is_file():
        raise UserError(f"{what} does not exist; expected {n} integers, as .npy or text.")
    labels = _read_npy(path, what) if path.suffix == ".npy" else _read_text(path, what)
    if len(labels) not in (n, total):
        alternatives = f"{n}" if total in (None, n) else f"{n} (or {total}, the first {n} used)"
        raise UserError(
            f"{what} holds {len(labels)} labels; expected {alternatives}, one a training image."
        )
    labels = labels[:n]
    wrong = np.flatnonzero((labels < -1) | (labels >= num_classes))
    if len(wrong):
        raise UserError(
            f"{what}: label {labels[wrong[0]]} of row {wrong[0]} (from 0) is out of range; "
            f"expected 0 to {num_classes - 1}, or -1 for unlabelled."
        )
    return labels.astype(np.int32)


def _num_classes(labels, num_classes):
    return int(labels.max()) + 1 if num_classes is None else int(num_classes)


def _check_count(labels_per_class):
    if labels_per_class < 1:
        raise UserError(f"{labels_per_class} labels per class given; expected 1 or more.")


def _first_of_each_class(rows, labels, labels_per_class, num_classes):
    """The first `labels_per_class` of `rows` of each class, class after class."""
    _check_count(labels_per_class)
    classes = labels[rows]
    if len(rows) and (classes.min() < 0 or classes.max() >= num_classes):
        wrong = classes.min() if classes.min() < 0 else classes.max()
        raise UserError(f"label {wrong} is out of range; expected 0 to {num_classes - 1}.")
    counts = np.bincount(classes, minlength=num_classes)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        raise UserError(
            f"class {empty[0]} of {num_classes} has no example; every class needs at least one "
            f"(classes count from 0; labels that count from 1 must be shifted)."
        )
    if labels_per_class > counts.min():
        raise UserError(
            f"{labels_per_class} labels per class asked for, but class {counts.argmin()} has only "
            f"{counts.min()} examples; ask for at most {counts.min()}."
        )
    return np.concatenate([rows[classes == j][:labels_per_class] for j in range(num_classes)])


def _as_published(permuted, labels, labels_per_class, num_classes, true_labels):
    if true_labels is None or labels_per_class is None:
        raise UserError("balance 'original' needs true labels and labels per class.")
    _check_count(labels_per_class)
    if labels.min() < 0:
        raise UserError("balance 'original' needs a label for every row; the file has -1.")
    true_labels = np.asarray(true_labels)
    # The selector counts in the order of the files, the rows it selects are permuted.
    return np.concatenate(
        [permuted[true_labels == j][:labels_per_class] for j in range(num_classes)]
    )


def _read_npy(path, what):
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{what} is not a readable .npy file of integers.") from None
    if not isinstance(labels, np.ndarray):
        labels.close()
        raise UserError(f"{what} is an archive of arrays; expected a single .npy array.")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{what} holds {labels.dtype} of shape {labels.shape}; expected integers, [N]."
        )
    return labels


def _read_text(path, what):
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{what} is neither .npy nor text; expected one integer a line.") from None
    while lines and not lines[-1].strip():
        lines.pop()
    labels = np.empty(len(lines), np.int64)
    for number, line in enumerate(lines):
        try:
            labels[number] = int(line)
        except (ValueError, OverflowError):
            raise UserError(
                f"{what}, line {number + 1}: {line.strip()[:40]!r} is not an integer; expected "
                f"one integer a line."
            ) from None
    return labels
