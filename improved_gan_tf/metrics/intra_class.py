"""Intra-class FID: the Frechet distance between the generated and the real images of each class.

FID_c = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), over the images of class c alone. It sees what
FID of all images together does not: classes that are exchanged, and one that always looks the same.

Miyato and Koyama, "cGANs with Projection Discriminator", 2018 (section 4, "intra FID"), who report
its mean over the classes. FID is biased by an amount that depends on the number of images, and a
class has fewer images than the whole set: compare values only for equal numbers of images per
class. `frechet.py` computes the distance of each class.
"""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.classes import checked_numbers
from improved_gan_tf.metrics.frechet import frechet_distance_of_features
from improved_gan_tf.metrics.pairs import comparable


def intra_class_distances(
    generated: Any, generated_labels: Any, real: Any, real_labels: Any
) -> dict[int, float]:
    """The Frechet distance between the features of each class.

    Args:
        generated: Features of the generated images, an array (N, F) of floats.
        generated_labels: Their class numbers, N integers from 0; -1 leaves an image out.
        real: Features of the real images, (M, F).
        real_labels: Their class numbers.

    Returns:
        The distances by class number.

    Raises:
        UserError: Features of different sizes or that are not finite, labels of another number, or
            a class with fewer than 2 images on a side.

    Example: two classes; the generator has exchanged them.

    >>> real = np.random.default_rng(0).normal(size=(400, 4)) + np.repeat([[0], [10]], 200, axis=0)
    >>> labels = np.repeat([0, 1], 200)
    >>> found = intra_class_distances(real, 1 - labels, real, labels)
    >>> bool(min(found.values()) > 300) and abs(frechet_distance_of_features(real, real)) < 1e-6
    True
    """
    generated, real = comparable(generated, real)
    sides = []
    for features, labels in ((generated, generated_labels), (real, real_labels)):
        sides.append((features, checked_numbers(labels, len(features))))
    check_classes(sides[0][1], sides[1][1])
    return {
        label: frechet_distance_of_features(*(side[labels == label] for side, labels in sides))
        for label in np.unique(sides[1][1][sides[1][1] >= 0]).tolist()
    }


def check_classes(
    generated_labels: np.ndarray, real_labels: np.ndarray, names: dict[int, str] | None = None
) -> None:
    """Raises `UserError` unless every class has 2 images or more on either side.

    Args:
        generated_labels: Class numbers, integers; -1 counts as none.
        real_labels: Likewise.
        names: What the classes are called. None (default): by their numbers.
    """
    sides = {"generated": generated_labels, "real": real_labels}
    for label in np.unique(np.concatenate([*sides.values()])).tolist():
        for side, labels in sides.items():
            count = int(np.count_nonzero(labels == label))
            if label >= 0 and count < 2:
                raise UserError(
                    f"class {(names or {}).get(label, label)} has {count} {side} images; the "
                    "distance within classes takes 2 or more of every class on either side"
                )
