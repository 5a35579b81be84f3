"""Names of data sets, and reading them into memory."""

from __future__ import annotations

import numpy as np

from .arrays import Arrays


def read(name: str, data_dir=None) -> Arrays:
    if name == "digits":
        return read_digits()
    from .tfds_source import read_tfds

    return read_tfds(name, data_dir)


def read_digits() -> Arrays:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels of 17 grey levels (0..16).

    500 images chosen by `RandomState(0).permutation(1797)` are held out for testing; the other
    1,297 keep their order. Pixels stay 0..16 (maximum 16), so nothing is rounded.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int32)
    shuffled = np.random.RandomState(0).permutation(len(labels))
    test, train = np.sort(shuffled[:500]), np.sort(shuffled[500:])
    return Arrays(
        images[train], labels[train], images[test], labels[test],
        num_classes=10, name="digits", class_names=tuple("0123456789"), maximum=16.0,
    )
