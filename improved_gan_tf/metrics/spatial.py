"""sFID, the spatial FID: the Frechet distance of features that say where in the image things are.

sFID = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), m and C the mean and covariance of the spatial
features: the first 7 channels of the 17 x 17 map `mixed_6/conv` of Inception, 2,023 numbers. FID's
own features are means over all places.

Nash et al., "Generating images with sparse representations", 2021. The choice of
channels is that of the program of guided diffusion (Dhariwal and Nichol, 2021;
evaluations/evaluator.py), by which published figures are made and to which this is equal: the
activations after the relu. Its reference files (`mu_s`, `sigma_s`) are read.

The arithmetic is `frechet.py`.
"""

import numpy as np

LAYER = "mixed_6.conv"  # of the Keras model; "mixed_6/conv:0" in the original's graph
CHANNELS = 7
NUM_SPATIAL = 17 * 17 * CHANNELS


def spatial_features(activations: np.ndarray) -> np.ndarray:
    """The spatial features of activations: (N, 17, 17, 192) -> (N, 2023).

    Example:

    >>> spatial_features(np.zeros((2, 17, 17, 192))).shape
    (2, 2023)
    """
    return activations[..., :CHANNELS].reshape(len(activations), -1)
