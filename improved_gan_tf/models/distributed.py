"""Training on several replicas of a `tf.distribute` strategy, which share every batch.

After each step all variables (parameters, averages, statistics) are equal on all replicas. An
interrupted run can therefore be resumed exactly.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from improved_gan_tf import replicas
from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.layers import walk
from improved_gan_tf.models.random_states import random_states

_APART = 0x9E3779B9  # between the seeds of two replicas


def batches(strategy: Any, make: Callable[[int, int, int], Any]) -> Any:
    """Returns a strategy's data set: one batch for each replica, each worker reading its own part.

    Args:
        strategy: The strategy.
        make: Function (replicas, workers, worker) -> tf.data.Dataset of worker `worker`, whose
            batches have the examples of one replica, of `replicas` in this process.
    """
    if strategy.num_replicas_in_sync == 1:
        return make(1, 1, 0)

    def part(context):
        workers = context.num_input_pipelines
        return make(strategy.num_replicas_in_sync // workers, workers, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(part)


def check_compile(own: Any, jit_compile: Any, steps_per_execution: int) -> None:
    """Refuses another strategy, and what TensorFlow cannot do with replicas on CPU devices.

    Args:
        own: The model's strategy.
        jit_compile, steps_per_execution: Arguments of `compile`.

    Raises:
        ValueError: The optimizers would belong to another strategy than the model; or, on CPU
            devices, `jit_compile` is True or there is more than one step per execution.
    """
    strategy = tf.distribute.get_strategy()
    if strategy is not own:
        raise ValueError(
            "the GAN was made in the scope of a tf.distribute strategy; make its optimizers and "
            "compile it in the same scope, so that each replica has its part of their state"
        )
    if strategy.num_replicas_in_sync > 1 and "CPU" in strategy.extended.worker_devices[0]:
        if jit_compile is True or steps_per_execution > 1:
            raise ValueError(
                "several replicas on CPU devices train without jit_compile and with "
                "steps_per_execution=1 only"
            )


def check_batches(x: Any, strategy: Any) -> None:
    """Refuses training data whose batches the replicas of a strategy cannot share equally.

    Args:
        x: What `fit` is given; data that are distributed already are not looked at.
        strategy: The model's strategy.

    Raises:
        ValueError: The size of a batch is not known, or does not divide.
    """
    several = strategy.num_replicas_in_sync
    sizes: list[int | None] = []
    if several == 1:
        return
    if isinstance(x, InMemory):
        sizes = [*x.batch_sizes]
    elif isinstance(x, tf.data.Dataset):
        sizes = [each.shape[0] for each in tf.nest.flatten(x.element_spec)]
    for size in sizes:
        if size is None:
            raise ValueError(
                f"batches of unknown size cannot be shared by {several} replicas; make them by "
                "batch(n, drop_remainder=True)"
            )
        if size % several:
            raise ValueError(
                f"a batch of {size} images does not divide among {several} replicas; take a "
                f"multiple of {several}"
            )


def possible(gan: Any) -> bool:
    """Returns whether a model was made under a strategy, be it of one replica."""
    with gan.distribute_strategy.scope():
        return tf.distribute.has_strategy()


def fit(
    gan: Any, train: Callable, data: InMemory, y: Any = None, **kwargs: Any
) -> keras.callbacks.History:
    """Trains on data in memory, of whose batches each replica is given its part.

    Args:
        gan: The compiled model.
        train: Keras' `fit` of it.
        data: The data. Their `start_epoch` is moved on by the epochs that are trained.
        y: None.
        **kwargs: As `keras.Model.fit` has them.

    Raises:
        ValueError: The batch size does not divide among the replicas.
    """
    first, strategy = data.start_epoch, gan.distribute_strategy
    check_batches(data, strategy)
    found = batches(strategy, lambda own, workers, worker: data.part(first, workers, worker, own))
    kwargs |= {"steps_per_epoch": data.steps_per_epoch, "shuffle": False}
    history = train(found, y, **kwargs)
    data.start_epoch = first + len(history.epoch)
    return history


def share(loss: Any) -> Any:
    """Returns this replica's part of a mean over all replicas, whose gradients are summed."""
    several = replicas.count()
    return loss if several == 1 else loss / several


@contextlib.contextmanager
def step(model: Any) -> Iterator[None]:
    """Has each replica draw its own random numbers in a step, and all end it with the same state.

    In the step each random generator has the seed of the replica; the first one's is what a single
    device has. The statistics that layers keep (the running averages of batch normalization)
    change by the mean of the replicas' changes.

    Args:
        model: A `GAN`.
    """
    context = replicas.context()
    if context is None:
        yield
        return
    states, statistics = random_states(model), _statistics(model)
    replica = tf.cast(context.replica_id_in_sync_group, "int64")
    offset = tf.stack([replica * _APART, 0])
    for state in states:
        state.assign_add(tf.cast(offset, state.dtype))
    before = [keras.ops.copy(v) for v in statistics]
    yield
    for state in states:
        state.assign_sub(tf.cast(offset, state.dtype))
    if statistics:
        changes = [v - old for v, old in zip(statistics, before, strict=True)]
        means = context.all_reduce("MEAN", changes)
        for v, old, change in zip(statistics, before, means, strict=True):
            v.assign(old + change)


def _statistics(model):
    """The variables that the networks' layers change by themselves in training."""
    found = {}
    for network in filter(None, (getattr(model, name) for name in model.networks)):
        layers = walk(network)
        frozen = {id(v) for layer in layers if not layer.trainable for v in layer.weights}
        for v in network.non_trainable_weights:
            own = v.aggregation in (None, "none") and id(v) not in frozen
            if own and keras.backend.is_float_dtype(v.dtype):
                found[id(v)] = v
    return list(found.values())


def update(metric: keras.metrics.Mean, value: Any, count: Any = None) -> None:
    """Takes a batch's mean into a metric.

    Args:
        metric: The metric.
        value: The mean, a scalar.
        count: The number of examples, with which each counts once also in a smaller last batch
            (D11), of which a replica may have none; None (the default): every batch counts once.
    """
    if count is not None:
        value = tf.where(count > 0, value, tf.zeros_like(value))
    metric.update_state(value, sample_weight=count)


def logs(means: list[keras.metrics.Mean], others: dict[str, Any]) -> dict[str, Any]:
    """Returns what a step reports: means over the examples of all replicas, and other scalars.

    Args:
        means: Metrics, which are reported by their names.
        others: More scalars by name; of several replicas Keras takes the mean.
    """
    if replicas.count() == 1:
        found = {mean.name: mean.result() for mean in means}
    else:
        states = [keras.ops.copy(v) for m in means for v in (m.total, m.count)]
        states = replicas.sums(states)
        found = {
            mean.name: tf.math.divide_no_nan(total, tf.cast(count, total.dtype))
            for mean, total, count in zip(means, states[::2], states[1::2], strict=True)
        }
    return {name: log(value) for name, value in (found | others).items()}


def log(value: Any) -> Any:
    """Returns a scalar as `fit` wants it: across several workers Keras averages over an axis."""
    strategy = tf.distribute.get_strategy()
    several = strategy.num_replicas_in_sync
    if several == 1 or several == len(strategy.extended.worker_devices):  # on one machine
        return value
    return tf.convert_to_tensor(value)[None]
