"""Seeds of what the metrics draw at random."""

from typing import Any

from improved_gan_tf.data.order import LARGEST_SEED
from improved_gan_tf.errors import check_whole


def check_seed(what: str, seed: Any) -> None:
    """Raises `UserError` unless `numpy.random.RandomState` takes `seed`, called `what`."""
    check_whole(what, seed, 0, LARGEST_SEED)
