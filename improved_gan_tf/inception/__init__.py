"""The Inception score of section 4, FID and KID, on the network of inception-2015-12-05.

    mean, std = inception.score(images)            # uint8 (N, H, W, C), a folder, an archive, ...
    inception.fid("samples/", "real_statistics.npz")

Parts are imported when first used. Keras and TensorFlow are needed by the network alone: the
arithmetic (`score_from_logits`, `frechet_distance`, ...) runs without them.
"""

import importlib

_MODULES = {
    "Inception": "classifier",
    "OtherClassifier": "classifier",
    "load_classifier": "classifier",
    "frechet_distance": "distances",
    "kernel_distance": "distances",
    "write_graph": "graph_def",
    "best_fraction": "inception_score",
    "image_scores_from_logits": "inception_score",
    "score_from_logits": "inception_score",
    "score_from_probabilities": "inception_score",
    "Score": "measure",
    "best": "measure",
    "fid": "measure",
    "image_scores": "measure",
    "kid": "measure",
    "score": "measure",
    "statistics_of": "measure",
    "train_classifier": "mnist_classifier",
    "build_network": "network",
    "make_random_weights": "random_weights",
    "open_images": "sources",
    "Drawn": "sources",
    "Statistics": "statistics",
    "InceptionScore": "training",
    "ScoreCallback": "training",
    "Weights": "weights",
    "load_weights": "weights",
    "save_weights": "weights",
}
# Names that differ from those in their modules, where alone they would say too little.
_RENAMED = {
    "build_network": "inception",
    "load_weights": "load",
    "make_random_weights": "random_weights",
    "save_weights": "save",
    "train_classifier": "train",
    "write_graph": "write",
}

__all__ = sorted(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, _RENAMED.get(name, name))


def __dir__():
    return __all__
