"""MiFID, the memorization-informed FID: FID that rises where images are copies of real ones.

    MiFID = FID / D,  D = d where d < 0.1, else 1
    d = mean_j min_i (1 - |cos(g_j, r_i)|)

d is how far a generated image is from the nearest real one, by the angle between their features.
Images without any feature, all zeros, have no angle and are left out.

Bai et al., "On Training Sample Memorization: Lessons from Benchmarking Generative Modeling with a
Large-scale Competition", 2021: the mean is over the *generated* images, as in the paper and in the
competition's program (Kaggle, Generative Dog Images), to which this is equal. Torchmetrics takes
the mean over the real images, of the nearest generated one: exchanged arguments give its d.
"""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.frechet import frechet_distance_of_features
from improved_gan_tf.metrics.pairs import BLOCK, comparable

THRESHOLD = 0.1  # the competition's, of Inception's features
_TINY = 1e-14  # likewise, so that copies do not divide by 0


def memorization_informed_distance(
    generated: Any, real: Any, threshold: float = THRESHOLD
) -> float:
    """The memorization-informed Frechet distance between two sets of features.

    Args:
        generated: Features of the generated images, an array (N, F) of floats.
        real: Those of the images that the generator was trained on, (M, F).
        threshold: Float, from which distance on nothing counts as memorized. Defaults to 0.1.

    Returns:
        A float: the Frechet distance itself unless d is below the threshold.

    Raises:
        UserError: Features of different sizes, fewer than 2 images, no features but zeros, or
            values that are not finite.

    Example: images close to real ones, and others.

    >>> real, other = np.random.default_rng(0).uniform(size=(2, 100, 40))
    >>> found = memorization_informed_distance(real + 0.01, real)
    >>> found > 100 * frechet_distance_of_features(real + 0.01, real)
    True
    >>> memorization_informed_distance(other, real, 0.01) < 1.0
    True
    """
    distance = frechet_distance_of_features(generated, real)
    return informed(distance, memorization_distance(generated, real), threshold)


def informed(fid: float, distance: float, threshold: float = THRESHOLD) -> float:
    """FID / D, of a FID and of `memorization_distance`."""
    return fid / (distance + _TINY if distance < threshold else 1.0)


def memorization_distance(generated: Any, real: Any) -> float:
    """d, the mean over generated images of the smallest 1 - |cos| to a real one.

    Of every generated image the nearest real one is found in float32; their distance is computed
    in float64, from the difference of the two directions.

    Example:

    >>> features = np.random.default_rng(0).uniform(size=(50, 8))
    >>> memorization_distance(2.0 * features[:10], features)
    0.0
    """
    generated, real = (_with_directions(side) for side in comparable(generated, real))
    if not (len(generated) and len(real)):
        raise UserError("all features are 0, so that no image has a direction to compare")
    directions = _directions(real, np.float32)
    total, step = 0.0, max(1, BLOCK // (4 * len(real)))
    for start in range(0, len(generated), step):
        rows = _directions(generated[start : start + step])
        cosines = rows.astype(np.float32) @ directions.T
        near = np.abs(cosines).argmax(axis=1)
        sign = np.sign(cosines[np.arange(len(rows)), near])[:, None]
        apart = rows - sign * _directions(real[near])
        total += 0.5 * np.einsum("ij,ij->", apart, apart)  # 1 - |cos| of vectors of length 1
    return float(total / len(generated))


def _with_directions(features: np.ndarray) -> np.ndarray:
    """The rows that are not all 0."""
    nonzero = features.any(axis=1)
    return features if nonzero.all() else features[nonzero]


def _directions(features: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    """Rows of length 1."""
    lengths = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    return features.astype(dtype, copy=False) / lengths[:, None].astype(dtype)
