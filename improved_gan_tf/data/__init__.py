"""Data sets, labelled subsets and the pipelines that feed training."""

from .arrays import Arrays
from .labeled import labeled_indices
from .loading import load
from .order import Epoch, EpochOrder
from .pipeline import SemiSupervisedData
from .scaling import Scaling
from .sources import read

__all__ = [
    "Arrays", "Epoch", "EpochOrder", "Scaling", "SemiSupervisedData", "labeled_indices", "load",
    "read",
]
