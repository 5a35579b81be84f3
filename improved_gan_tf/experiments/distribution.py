"""Which `tf.distribute` strategy a process trains under: one device, several, several machines."""

import functools
import json
import os
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.recipe import Recipe


class WorkerLost(UserError):
    """Another worker of the cluster has gone; TensorFlow must be started anew in this one too."""


def strategy(recipe: Recipe, devices: int = 1) -> Any:
    """The strategy of this process. To be called before anything else uses TensorFlow.

    With the environment variable TF_CONFIG, which names a cluster: MultiWorkerMirroredStrategy, on
    all of this machine's GPUs or its CPU. With `devices` above 1: MirroredStrategy over so many
    GPUs or, without any, logical CPU devices (no faster than one, but the same computation).
    Otherwise TensorFlow's default, one device.

    Args:
        recipe: What is to be trained.
        devices: Replicas in this process, at least 1; 1 with TF_CONFIG.

    Raises:
        UserError: TF_CONFIG cannot be used, the machine has fewer devices, TensorFlow is in use, or
            the replicas cannot share a batch equally.
    """
    if devices < 1:
        raise UserError(f"--devices must be at least 1, not {devices}")
    cluster = os.environ.get("TF_CONFIG")
    if cluster:
        check_cluster(cluster)
        if devices > 1:
            raise UserError(
                "--devices is for one machine: with TF_CONFIG every worker uses the GPUs it sees; "
                "leave --devices out or unset TF_CONFIG"
            )
    import tensorflow as tf

    if cluster:
        chosen = tf.distribute.MultiWorkerMirroredStrategy()
    elif devices > 1:
        chosen = _mirrored(_devices(tf, devices))
    else:
        chosen = tf.distribute.get_strategy()
    replicas, batch_size = chosen.num_replicas_in_sync, recipe.batch_size
    if batch_size % replicas:
        raise UserError(
            f"batch size {batch_size} does not divide among {replicas} replicas; give a multiple "
            f"of {replicas} by --batch-size"
        )
    return chosen


@functools.cache
def _mirrored(devices):
    """The one strategy of these devices: those of two would mix up each other's reductions."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def check_cluster(text: str) -> None:
    """Raises `UserError` where TF_CONFIG does not name a cluster with workers and a task in it."""
    example = (
        'expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": '
        "0}}; correct TF_CONFIG or unset it"
    )
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"TF_CONFIG is not JSON ({error}); {example}") from None
    cluster = config.get("cluster") if isinstance(config, dict) else None
    if not isinstance(cluster, dict) or not cluster.get("worker"):
        raise UserError(f"TF_CONFIG names no workers; {example}")
    for kind, addresses in cluster.items():
        if kind not in ("chief", "worker"):
            raise UserError(
                f"TF_CONFIG has tasks of type {kind[:40]!r}, not chief or worker; {example}"
            )
        if not isinstance(addresses, list) or not all(_is_address(a) for a in addresses):
            raise UserError(f"TF_CONFIG: {kind} is no list of host:port; {example}")
    task = config.get("task")
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    tasks = cluster.get(kind, []) if isinstance(kind, str) else []
    if type(index) is not int or not 0 <= index < len(tasks):
        raise UserError(f"TF_CONFIG: the task {str(task)[:80]} is not in its cluster; {example}")


def _is_address(address):
    host, colon, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    return bool(host and colon) and is_number and 0 < int(port) < 65536


def _devices(tf, count):
    """The names of `count` GPUs or, without any, of as many logical CPU devices."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if len(gpus) < count:
            raise UserError(f"--devices {count}: this machine has {len(gpus)} GPU(s); give fewer")
        return tuple(f"GPU:{i}" for i in range(count))
    cores = os.cpu_count() or 1
    if count > cores:
        raise UserError(
            f"--devices {count}: this machine has no GPU and {cores} CPU cores; give at most "
            f"{cores}"
        )
    (cpu, *_) = tf.config.list_physical_devices("CPU")
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except (RuntimeError, ValueError):  # TensorFlow is in use: the devices are what they are
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise UserError(
                f"--devices {count}: TensorFlow is already initialized with fewer devices; create "
                "the strategy before anything else uses TensorFlow"
            ) from None
    return tuple(f"CPU:{i}" for i in range(count))


def is_chief(chosen: Any) -> bool:
    """Whether this process writes the run's files: the chief, or worker 0, or the only one."""
    resolver = chosen.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    if resolver.task_type == "worker" and "chief" in resolver.cluster_spec().as_dict():
        return False
    return resolver.task_id == 0
