"""Data sets, labelled subsets, and the pipelines that feed semi-supervised training.

`load(name, ...)` does it all. Importing this package imports neither TensorFlow nor the libraries
that read particular formats; they come in when they are needed.
"""

from .arrays import Arrays, checked_arrays
from .labeled import custom_labeled_indices, labeled_indices, labels_from_file
from .loading import load
from .order import Epoch, EpochOrder
from .pipeline import SemiSupervisedData
from .scaling import Scaling
from .sources import read

__all__ = [
    "Arrays", "Epoch", "EpochOrder", "Scaling", "SemiSupervisedData", "checked_arrays",
    "custom_labeled_indices", "labeled_indices", "labels_from_file", "load", "read",
]
