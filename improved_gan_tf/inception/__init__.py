"""The network of inception-2015-12-05, the one behind every published Inception score.

README.md beside this file is the chapter for users.
"""

from improved_gan_tf.inception.graph_def import write_graph
from improved_gan_tf.inception.network import build_network
from improved_gan_tf.inception.random_weights import random_weights
from improved_gan_tf.inception.weights import (
    Weights,
    fingerprint,
    load_weights,
    save_weights,
)

__all__ = [
    "Weights",
    "build_network",
    "fingerprint",
    "load_weights",
    "random_weights",
    "save_weights",
    "write_graph",
]
