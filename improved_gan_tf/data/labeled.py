"""Which training images carry a label: the original's subset, or a file of labels."""

from __future__ import annotations

import numpy as np

from ..errors import UserError


def labeled_indices(labels, labels_per_class: int, seed: int = 1, num_classes: int | None = None):
    """Chooses the labelled subset as the original scripts do.

    The rows are permuted by `numpy.random.RandomState(seed).permutation(N)`; the first
    `labels_per_class` rows of each class in that order are taken, class after class. In the
    original order of the files these are the original's very images (paper, section 5).

    Args:
        labels: [N] integers, 0 <= label < num_classes.
        labels_per_class: labels for each class, >= 1.
        seed: the original's `--seed_data`.
        num_classes: number of classes; by default the largest label plus one.

    Returns:
        [num_classes * labels_per_class] int64 row numbers, class after class.

    Raises:
        UserError: fewer than one label a class, or more than some class has, or an empty class.

    Source: train_mnist_feature_matching.py, "select labeled data".
    """
    labels = np.asarray(labels)
    if labels_per_class < 1:
        raise UserError(f"{labels_per_class} labels per class given; expected 1 or more.")
    if not 0 <= seed < 2**32:
        raise UserError(f"data seed {seed} given; expected an integer from 0 to 2**32 - 1.")
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    counts = np.bincount(labels, minlength=num_classes)
    if counts.min() == 0:
        missing = ", ".join(map(str, np.flatnonzero(counts == 0)[:5]))
        raise UserError(
            f"class {missing} of {num_classes} has no example; every class needs at least one."
        )
    if labels_per_class > counts.min():
        raise UserError(
            f"{labels_per_class} labels per class asked for, but class {int(counts.argmin())} has "
            f"only {counts.min()} examples; ask for at most {counts.min()}."
        )
    permuted = permutation(len(labels), seed)
    classes = labels[permuted]
    return np.concatenate(
        [permuted[classes == j][:labels_per_class] for j in range(num_classes)]
    )


def permutation(n: int, seed: int) -> np.ndarray:
    """The original's permutation of the training rows before it selects labels, [n] int64."""
    return np.random.RandomState(seed).permutation(n)
