"""Features for the tests of distances between them."""

import numpy as np


def random_features(seed, n=300, f=16, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.gamma(1.0, 0.4, (n, f)) @ rng.uniform(0, 0.3, (f, f)) + 0.1 * seed).astype(dtype)
