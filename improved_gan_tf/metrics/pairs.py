"""Two sets of features that a metric compares: what every such metric refuses."""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError

BLOCK = 64 << 20  # bytes of a block of products, of those that visit all pairs


def comparable(features_1: Any, features_2: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, (N, F) and (M, F).

    Raises:
        UserError: They have other shapes, or values that are not finite.
    """
    features_1, features_2 = np.asarray(features_1), np.asarray(features_2)
    if features_1.ndim != 2 or features_1.shape[1:] != features_2.shape[1:]:
        raise UserError(
            f"features of shape {features_1.shape} and {features_2.shape} cannot be compared; "
            "both must come from the same classifier"
        )
    for side in (features_1, features_2):
        with np.errstate(over="ignore", invalid="ignore"):
            # Of rows' sums, which takes no array of the features' size.
            suspect = ~np.isfinite(side.sum(axis=1).astype(np.float32))
            if not np.isfinite(side[suspect].astype(np.float32)).all():
                raise UserError("the features hold values that are not finite; compute them again")
    return features_1, features_2
