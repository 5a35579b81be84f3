"""Two sets of features that a metric compares: what every such metric refuses."""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError

BLOCK = 64 << 20  # bytes of a block of products, of those that visit all pairs
# Of a squared length: float32 holds 34 times as much, and what squared distances about a mean are
# computed from adds up to 16 times as much.
_LARGEST = 1e37


def comparable(features_1: Any, features_2: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, (N, F) and (M, F).

    Raises:
        UserError: They have other shapes, no row, or values whose squares are not finite.
    """
    features_1, features_2 = np.asarray(features_1), np.asarray(features_2)
    if features_1.ndim != 2 or features_1.shape[1:] != features_2.shape[1:]:
        raise UserError(
            f"features of shape {features_1.shape} and {features_2.shape} cannot be compared; "
            "both must come from the same classifier"
        )
    for side in (features_1, features_2):
        if not len(side):
            raise UserError("features of no images cannot be compared; give 1 image or more")
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.einsum("ij,ij->i", side, side, dtype=np.float64)
        if not (lengths < _LARGEST).all():  # NaN fails too
            raise UserError(
                "the features hold values that are not finite, or too large for float32's squares; "
                "compute them again"
            )
    return features_1, features_2
