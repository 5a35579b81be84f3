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
        scaling: Has `apply`, which scales float32 pixels of an array or of a tensor.
        batch_size: Images of each stream per step.
        steps_per_epoch: Steps per epoch.
        test_batch_size: Images per batch of `test`.
        train, test: The same as data sets of batches, for training step by step, and for
            `evaluate`.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    scaling: Any
    batch_size: int
    steps_per_epoch: int
    test_batch_size: int
    train: Any
    test: Any

    def next_epoch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the next epoch's batches: three int32 arrays (steps, batch) of image numbers.

        Of the streams "labeled", "unlabeled" and "unlabeled_generator", in this order.
        """
        raise NotImplementedError
