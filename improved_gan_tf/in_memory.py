"""What training in one compiled call needs of data: all images in memory, batches by number."""

from typing import Any

import numpy as np


class InMemory:
    """Semi-supervised data whose images are all in memory; `data.SemiSupervisedData` is one.

    `models.SemiSupervisedGAN.fit` takes it whole: the images are then kept on the device, and many
    steps run in one compiled call, which gathers their batches by number.

    Attributes:
        train_images, train_labels: Arrays (N, H, W, C) as stored, and (N,) integers.
        test_images, test_labels: Likewise.
        image_shape: (height, width, channels).
        image_range: The scaled values of a black and of a full pixel.
        num_classes: The number of classes.
        scaling: Has `apply`, which scales float32 pixels of an array or of a tensor.
        batch_size: Unlabeled images of each stream per step.
        labeled_batch_size: Labeled images per step.
        steps_per_epoch: Steps per epoch.
        test_batch_size: Images per batch of `test`.
        start_epoch: The epoch, from 0, that comes next.
        train, test: The same as data sets of batches, for training step by step, and for
            `evaluate`.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    image_shape: tuple[int, int, int]
    image_range: tuple[float, float]
    num_classes: int
    scaling: Any
    batch_size: int
    labeled_batch_size: int
    steps_per_epoch: int
    test_batch_size: int
    start_epoch: int
    train: Any
    test: Any

    @property
    def batch_sizes(self) -> tuple[int, int, int]:
        """Images per step of "labeled", "unlabeled" and "unlabeled_generator"."""
        return self.labeled_batch_size, self.batch_size, self.batch_size

    def next_epoch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the next epoch's batches: three int32 arrays (steps, batch) of image numbers.

        Of the streams "labeled", "unlabeled" and "unlabeled_generator", in this order.
        """
        raise NotImplementedError

    def part(
        self, first_epoch: int = 0, workers: int = 1, worker: int = 0, replicas: int = 1
    ) -> Any:
        """Returns the training batches of one of several workers, from an epoch on, without end.

        Together the parts of all replicas are the batches of `train`, in the order of the workers
        and, of each, of its replicas. `start_epoch` is neither looked at nor moved on.

        Args:
            first_epoch: Where to begin, from 0.
            workers: How many workers share every batch.
            worker: Which of them this is, from 0.
            replicas: How many divide this worker's part of every batch: the batches given are
                those of one replica, in turn.

        Returns:
            A `tf.data.Dataset` of batches; each stream's size is divided by workers * replicas.
        """
        raise NotImplementedError
