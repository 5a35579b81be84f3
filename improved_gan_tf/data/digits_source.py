"""scikit-learn's embedded digits: the data set that needs no network."""

from __future__ import annotations

import numpy as np

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.errors import UserError

TEST_SIZE = 500


def read_digits() -> Arrays:
    """1,797 handwritten digits, [8, 8, 1] pixels of 17 grey levels.

    500 images, the first of `RandomState(0).permutation(1797)`, are held out for testing; the
    other 1,297 are for training. Both keep the order of the source. Pixels stay the integers
    0..16 that the source has (maximum 16), so that nothing is rounded.

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise UserError(
            "digits: reading them needs scikit-learn; run: pip install scikit-learn"
        ) from None
    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int32)
    shuffled = np.random.RandomState(0).permutation(len(labels))
    test, train = np.sort(shuffled[:TEST_SIZE]), np.sort(shuffled[TEST_SIZE:])
    return Arrays(
        images[train],
        labels[train],
        images[test],
        labels[test],
        num_classes=10,
        name="digits",
        class_names=tuple("0123456789"),
        maximum=16.0,
    )
