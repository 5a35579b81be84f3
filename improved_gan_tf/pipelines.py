"""How the `tf.data` pipelines of training are run."""

from typing import Any


def options() -> Any:
    """Returns what they are run with, as new `tf.data.Options`."""
    import tensorflow as tf

    chosen = tf.data.Options()
    # The autotuner has nothing to tune, and its thread can hold up the end of an epoch or of `fit`
    # by seconds.
    chosen.autotune.enabled = False
    chosen.deterministic = True
    return chosen
