"""Random weights for the network: for tests, benchmarks and trying things without a download."""

import numpy as np

from improved_gan_tf.inception.network import parameters
from improved_gan_tf.inception.weights import Weights


def random_weights(seed: int = 0, random_gamma: bool = False) -> Weights:
    """Draws weights that keep activations near unit size through all layers.

    Scores by them mean nothing. Kernels are normal with variance 2 / fan-in; of the batch
    normalization, beta and the moving mean are N(0, 0.1) and the moving variance U(0.5, 1.5).

    Args:
        seed: Seed of all the weights. Defaults to 0.
        random_gamma: Whether gamma is drawn from U(0.8, 1.2) instead of being 1, as it is in the
            published weights. Defaults to False.

    Returns:
        The weights, as a `Weights` dictionary of float32 arrays.

    Example:

    >>> from improved_gan_tf import inception
    >>> model = inception.build_network(inception.random_weights(seed=1))
    >>> model(np.zeros((1, 64, 64, 3), "uint8"))["pool_3"].shape
    TensorShape([1, 2048])
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
    return Weights(arrays, f"random weights of seed {seed}", f"random:{seed}")
