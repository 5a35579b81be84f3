"""From a name to the data of a training run."""

from __future__ import annotations

from .labeled import labeled_indices, permutation
from .order import EpochOrder
from .pipeline import SemiSupervisedData
from .scaling import Scaling
from .sources import read


def load(name: str, labels_per_class: int = 10, seed: int = 1, seed_data: int = 1,
         batch_size: int = 100, data_dir=None, scaling: str | None = None,
         initialization: str = "training_set", initialization_size: int = 500):
    """Reads a data set and builds the streams of semi-supervised training."""
    arrays = read(name, data_dir)
    if scaling is None:
        scaling = {"cifar10": "cifar10", "svhn_cropped": "symmetric"}.get(name, "unit")
    chosen = labeled_indices(
        arrays.train_labels, labels_per_class, seed_data, arrays.num_classes)
    order = EpochOrder(len(arrays.train_labels), len(chosen), batch_size, seed)
    if initialization == "labeled":
        rows = chosen[order.epoch(0).labeled.ravel()[:initialization_size]]
    else:
        rows = permutation(len(arrays.train_labels), seed_data)[:initialization_size]
    return SemiSupervisedData(arrays, chosen, order, Scaling(scaling, arrays.maximum), rows)
