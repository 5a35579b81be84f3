"""What the two kinds of training data share: `SemiSupervisedData` and `ImageStream`."""

from __future__ import annotations

import numpy as np

from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.source import Source
from improved_gan_tf.errors import UserError


class TrainingData:
    """Data that a model is trained on and tested on.

    Attributes:
        source: The `Source` of the images.
        scaling: The `Scaling` from pixels to floats.
        name: The name of the data set.
        class_names: One name per class.
        num_classes: The number of classes.
        image_shape: (height, width, channels).
        image_range: The scaled values of a black and of a full pixel.
        num_train: The number of training images, labeled or not.
        num_test: The number of test images, 0 if there are none.
        batch_size: Images per step, over all workers.
        steps_per_epoch: floor(num_train / batch_size).
        labeled_indices: The places of the labeled subset in the training set, [L] integers; None
            where every image carries its label.
    """

    labeled_indices: np.ndarray | None = None

    def __init__(
        self, source: Source, scaling: Scaling, num_train: int, num_test: int, batch_size: int
    ):
        self.source, self.scaling = source, scaling
        self.name, self.class_names = source.name, source.class_names
        self.num_classes, self.image_shape = source.num_classes, source.one_shape()
        self.image_range = scaling.range
        self.num_train, self.num_test, self.batch_size = num_train, num_test, int(batch_size)
        self.steps_per_epoch = num_train // self.batch_size

    def summary(self) -> str:
        """The counts of labeled, unlabeled and test images, in one line, to show to users."""
        return (
            f"{self.name}: {self.num_train:,} training images of {self.num_classes} classes, "
            f"{self.num_test:,} test images"
        )


def training_splits(source: Source, partly: bool = False) -> tuple[str, str | None]:
    """The names of the split to train on and of the one that tests, if there is one.

    Args:
        source: The data.
        partly: Whether training images without labels will do.

    Raises:
        UserError: The images have no labels, or the chosen split is the one that tests.
    """
    if source.class_names is None:
        raise UserError(
            f"{source.name} has no class labels, which training needs; expected digits, npz:FILE, "
            f"folder:DIR, records:PATH or a TFDS name{source.hint}"
        )
    if source.split == source.test_split:
        raise UserError(
            f"{source.name}: the split {source.split} is for testing; choose another to train on"
        )
    if source.num_unlabeled and not partly:
        raise UserError(
            f"{source.name}: {source.num_unlabeled} training images carry no label, which a stream "
            f"cannot use; remove them, or train semi-supervised (data.load)"
        )
    return source.split, source.test_split
