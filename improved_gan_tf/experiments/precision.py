"""The precision in which networks are built."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def dtype_policy(policy: Any) -> Iterator[None]:
    """Has Keras build layers with a policy, and puts its own one back at the end.

    Args:
        policy: A `keras.DTypePolicy` or the name of one.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
