"""The replicas of a `tf.distribute` strategy, each of which has its part of every batch.

Where there is one replica (no strategy, another backend, or a call outside `strategy.run`), these
functions return what they are given.
"""

from typing import Any

import keras


def context() -> Any:
    """Returns TensorFlow's context of a replica that is one of several; None where there is one."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    found = tf.distribute.get_replica_context()
    return None if found is None or found.num_replicas_in_sync == 1 else found


def count() -> int:
    """Returns the number of replicas that share the batch of the present call."""
    found = context()
    return 1 if found is None else found.num_replicas_in_sync


def sums(values: list[Any]) -> list[Any]:
    """Returns the sums of tensors over all replicas, which are differentiable."""
    found = context()
    return values if found is None else list(found.all_reduce("SUM", values))


def whole(x: Any) -> Any:
    """Returns the examples of all replicas, in their order; differentiable.

    Args:
        x: A float tensor (N, ...), of this replica's examples, as many as any other's.

    Returns:
        A float tensor (replicas * N, ...), the same on every replica.
    """
    found = context()
    if found is None:
        return x
    place = keras.ops.one_hot(found.replica_id_in_sync_group, found.num_replicas_in_sync)
    place = keras.ops.reshape(keras.ops.cast(place, x.dtype), (-1, *[1] * len(x.shape)))
    (parts,) = sums([place * keras.ops.expand_dims(x, 0)])
    return keras.ops.reshape(parts, (-1, *x.shape[1:]))
