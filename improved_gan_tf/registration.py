"""What Keras must know to load a file of ours, registered before our classes are imported.

Keras finds a class or function of another package in a saved model only by its registered name. The
rooms that register them need Keras, and some TensorFlow, and are imported when they are first used.
So each name stands for itself here, until it is registered or a file is loaded that names it.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PREFIX = "improved_gan_tf>"
CLASSES = {
    "inception.network": ("Convolution", "Logits"),
    "inception.resize": ("ResizeBilinear",),
    "layers": (
        "CenteredConv2DTranspose",
        "CrossBatchNorm",
        "Dense",
        "DropReference",
        "HashedGaussianNoise",
        "JointMinibatchDiscrimination",
        "MinibatchDiscrimination",
        "ReferenceBatch",
        "SplitBatchNorm",
        "UnbiasedBatchNormalization",
        "VirtualBatchNorm",
        "WeightNorm",
    ),
    "models": ("DiscriminatorTerm", "ImageNetGAN", "Objective", "SemiSupervisedGAN"),
    "optimizers": ("FinalDecay", "InnerEpsilonAdam"),
    "regularizers": ("HistoricalAveraging",),
}
FUNCTIONS = {
    "losses": (
        "conditional_entropy",
        "error_rate",
        "feature_matching",
        "latent_likelihood",
        "minibatch_generator",
        "pull_away",
        "supervised",
    ),
    "smoothness": ("generated_consistency", "transformed", "virtual_adversarial"),
    "networks.activations": ("leaky_relu",),
}

Room = Callable[[str], ModuleType]


def register(room: Room) -> None:
    """Registers all names: now, if Keras is imported already, or else as soon as it is.

    Args:
        room: Imports a room of the package by its name.
    """
    if "keras" in sys.modules:
        _add(sys.modules["keras"], room)
    else:
        sys.meta_path.insert(0, _AfterKeras(room))


class _AfterKeras:
    """Stands on `sys.meta_path` until Keras is imported."""

    def __init__(self, room: Room):
        self.room = room

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "keras":
            return None
        place = sys.meta_path.index(self)
        del sys.meta_path[place]  # for the other finders to be asked
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(place, self)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_add(module: ModuleType) -> None:
                execute(module)  # may fail, within TensorFlow's own import, and be tried again
                sys.meta_path.remove(self)
                _add(module, self.room)

            spec.loader.exec_module = execute_and_add  # type: ignore[method-assign]
        return spec


def _add(keras: ModuleType, room: Room) -> None:
    known = keras.saving.get_custom_objects()
    for where, names in CLASSES.items():
        for name in names:
            known.setdefault(PREFIX + name, _later_class(room, where, name))
    for where, names in FUNCTIONS.items():
        for name in names:
            if PREFIX + name not in known:
                register = keras.saving.register_keras_serializable(PREFIX[:-1], name)
                register(_later_function(room, where, name))


def _later_class(room, where, name):
    def from_config(cls, config):
        room("networks.activations")  # whose function the configuration may name
        return getattr(room(where), name).from_config(config)

    return type(name, (), {"from_config": classmethod(from_config)})


def _later_function(room, where, name):
    def later(*args, **kwargs):
        return getattr(room(where), name)(*args, **kwargs)

    return later
