"""Data sets, labelled subsets, and the pipelines that feed semi-supervised training.

`load(name, ...)` does it all for semi-supervised training, `load_stream(name, ...)` for labelled
images that may be too many for memory. Importing this package imports neither TensorFlow nor the
libraries that read particular formats; they come in when they are needed.
"""

from improved_gan_tf.data.arrays import Arrays, checked_arrays
from improved_gan_tf.data.labels import custom_labeled_indices, labeled_indices, labels_from_file
from improved_gan_tf.data.order import Epoch, EpochOrder
from improved_gan_tf.data.pipeline import SemiSupervisedData
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.semi_supervised import load
from improved_gan_tf.data.sources import read
from improved_gan_tf.data.stream import ImageStream, load_stream

__all__ = [
    "Arrays",
    "Epoch",
    "EpochOrder",
    "ImageStream",
    "Scaling",
    "SemiSupervisedData",
    "checked_arrays",
    "custom_labeled_indices",
    "labeled_indices",
    "labels_from_file",
    "load",
    "load_stream",
    "read",
]
