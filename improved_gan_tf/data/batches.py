"""Batches of images in memory, gathered by their numbers, as `tf.data` pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.pipelines import options


def streams(
    data: InMemory,
    epochs: Any,
    rows: Callable[[Any], tuple[np.ndarray, ...]],
    workers: int = 1,
    worker: int = 0,
    replicas: int = 1,
) -> Any:
    """Returns the batches of one worker: {"labeled": (x, y), "unlabeled": x, ...}, see `data.load`.

    Args:
        data: The images, and the sizes of the batches of all workers.
        epochs: A `tf.data.Dataset` of scalars.
        rows: From one of them to an epoch's batches: int32 arrays (steps, batch) of image numbers.
        workers: How many workers share every batch.
        worker: Which of them this is, from 0.
        replicas: How many divide this worker's part of every batch; theirs follow each other.
    """
    import tensorflow as tf

    with tf.device("CPU:0"):
        images = tf.constant(data.train_images)
        labels = tf.constant(data.train_labels)
    shares = workers * replicas
    sizes = [size // shares for size in data.batch_sizes]

    def epoch(number):
        found = tf.numpy_function(rows, [number], [tf.int32] * 3)
        return tuple(map(part, found, sizes))

    def part(rows, size):
        rows = tf.reshape(rows, (-1, workers, replicas, size))[:, worker]
        return tf.reshape(rows, (data.steps_per_epoch * replicas, size))

    def gather(rows):
        return data.scaling.apply(tf.cast(tf.gather(images, rows), tf.float32))

    def batch(labeled, unlabeled, unlabeled_generator):
        return {
            "labeled": (gather(labeled), tf.gather(labels, labeled)),
            "unlabeled": gather(unlabeled),
            "unlabeled_generator": gather(unlabeled_generator),
        }

    # Python runs once per epoch, not per batch; gathering and scaling are TensorFlow's.
    dataset = epochs.map(epoch)
    return dataset.flat_map(lambda *rows: tf.data.Dataset.from_tensor_slices(rows)).map(batch)


def in_order(images: np.ndarray, labels: np.ndarray, batch_size: int, scaling: Any) -> Any:
    """Returns the batches (x float32, y int32) of a test set, the last of them perhaps smaller.

    Args:
        images, labels: The test set, as stored.
        batch_size: Images per batch.
        scaling: Has `apply`, which scales float32 pixels.
    """
    import tensorflow as tf

    with tf.device("CPU:0"):
        tensors = tf.constant(images), tf.constant(labels)
    dataset = tf.data.Dataset.from_tensor_slices(tensors).batch(batch_size)
    dataset = dataset.map(lambda x, y: (scaling.apply(tf.cast(x, tf.float32)), y))
    return dataset.prefetch(2).with_options(options())
