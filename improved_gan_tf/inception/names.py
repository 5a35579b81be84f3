"""The names of the weights in the original graph and in the PyTorch files."""

import numpy as np

from improved_gan_tf.inception.network import parameters

# The convolutions' PyTorch names, in the order of the original graph.
_STEM = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3"
_BLOCK_35 = "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool"
_BLOCK_17 = "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool"
_BLOCK_8 = "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool"
_BRANCHES = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _BLOCK_35),
    "Mixed_6a": "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3",
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _BLOCK_17),
    "Mixed_7a": "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4",
    **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _BLOCK_8),
}
_PARTS = ("conv.weight", "bn.bias", "bn.weight", "bn.running_mean", "bn.running_var")


def pytorch_names() -> dict[str, str]:
    """{name of an array in the original graph: its name in the .pth files}."""
    modules = _STEM.split()
    for block, branches in _BRANCHES.items():
        modules += [f"{block}.branch{branch}" for branch in branches.split()]
    names = [f"{module}.{part}" for module in modules for part in _PARTS]
    return dict(zip(parameters(), [*names, "fc.weight", "fc.bias"], strict=True))


def from_pytorch(array: np.ndarray) -> np.ndarray:
    """The array in the original's layout: kernels OIHW -> HWIO, the last matrix transposed."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
