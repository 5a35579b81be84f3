"""Data sets: names, labeled subsets, and the pipelines that feed training and scoring.

`open(name)` gives the `Source` that a name stands for. `load(name, ...)` prepares it for
semi-supervised training, `load_stream(name, ...)` for training on labeled images that may be too
many for memory, `as_images(...)` for the metrics. README.md beside this file is the user's guide.

Importing this package imports neither TensorFlow nor the libraries that read particular formats;
they come in when they are needed.
"""

from improved_gan_tf.data.arrays import source_from_arrays
from improved_gan_tf.data.datasets import DatasetStreams, from_datasets
from improved_gan_tf.data.image_arrays import as_pixels
from improved_gan_tf.data.labels import custom_labeled_indices, labeled_indices, labels_from_file
from improved_gan_tf.data.names import as_images, open
from improved_gan_tf.data.order import Epoch, EpochOrder
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.semi_supervised import SemiSupervisedData, from_arrays, load
from improved_gan_tf.data.source import Images, Source
from improved_gan_tf.data.stream import ImageStream, load_stream

__all__ = [
    "DatasetStreams",
    "Epoch",
    "EpochOrder",
    "ImageStream",
    "Images",
    "Scaling",
    "SemiSupervisedData",
    "Source",
    "as_images",
    "as_pixels",
    "custom_labeled_indices",
    "from_arrays",
    "from_datasets",
    "labeled_indices",
    "labels_from_file",
    "load",
    "load_stream",
    "open",
    "source_from_arrays",
]
