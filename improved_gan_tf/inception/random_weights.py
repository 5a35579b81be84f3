"""Random weights for the network: for tests, benchmarks and trying the tools without a download."""

import numpy as np

from improved_gan_tf.inception.network import parameters
from improved_gan_tf.inception.weights import Weights


def random_weights(seed=0, random_gamma=False):
    """`Weights` that keep activations near unit size through all layers. Scores by them mean
    nothing.

    Kernels are normal with variance 2 / fan-in, the statistics of the batch normalisation are not
    trivial: beta and moving mean N(0, .1), variance U(.5, 1.5).

    Args:
        seed: of all of them.
        random_gamma: gamma U(.8, 1.2) instead of the published weights' ones.
    """
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in parameters().items():
        kind = name.rsplit("/", 1)[1]
        if kind == "conv2d_params":
            value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:3]))
        elif kind == "gamma":
            value = rng.uniform(0.8, 1.2, shape) if random_gamma else np.ones(shape)
        elif kind == "moving_variance":
            value = rng.uniform(0.5, 1.5, shape)
        elif kind == "weights":
            value = rng.standard_normal(shape, np.float32) * 3 / np.sqrt(shape[0])
        else:
            value = rng.normal(0.0, 0.1, shape)
        arrays[name] = value.astype(np.float32)
    return Weights(arrays, source=f"random weights of seed {seed}", digest=f"random:{seed}")
