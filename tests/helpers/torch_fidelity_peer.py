"""torch-fidelity without the other packages that it imports (torchvision).

Its modules for the network and the arithmetic of the metrics are imported one by one from a package
that has only a path; `torch_fidelity.utils`, which reads data sets, is replaced by an empty module.
"""

import importlib
import importlib.util
import sys
import types

import pytest


def peer(module):
    """The module `torch_fidelity.MODULE`; the test is skipped if it is not installed."""
    pytest.importorskip("torch", reason="the comparison needs PyTorch")
    if "torch_fidelity" not in sys.modules:
        found = importlib.util.find_spec("torch_fidelity")
        if found is None:
            pytest.skip("the comparison needs torch-fidelity (pip install --no-deps)")
        package = types.ModuleType("torch_fidelity")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["torch_fidelity"] = package
        utils = types.ModuleType("torch_fidelity.utils")
        utils.__getattr__ = lambda name: None
        sys.modules["torch_fidelity.utils"] = utils
    return importlib.import_module(f"torch_fidelity.{module}")


def extractor(path, dtype="float32"):
    """torch-fidelity's network with the weights of a .pth; uint8 NHWC -> dictionary of arrays.

    "spatial" are the activations that guided diffusion calls mixed_6/conv, NHWC.
    """
    module = peer("feature_extractor_inceptionv3")

    import torch

    names = ["2048", "logits_unbiased", "logits"]
    network = module.FeatureExtractorInceptionV3(
        "peer",
        names,
        feature_extractor_weights_path=str(path),
        feature_extractor_internal_dtype=dtype,
    )

    spatial = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda *call: spatial.append(call[-1]))

    def extract(images):
        with torch.no_grad():
            found = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        arrays = {name: value.numpy() for name, value in zip(names, found, strict=True)}
        return {**arrays, "spatial": spatial.pop().numpy().transpose(0, 2, 3, 1)}

    return extract
