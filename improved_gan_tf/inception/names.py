"""The two naming schemes of the published weights: the original graph's and the PyTorch port's."""

from improved_gan_tf.inception.network import parameters

_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_SINGLE = {"conv": "branch1x1", "tower_2/conv": "branch_pool"}


def _chain(tower, branch, length):
    """tower/conv, tower/conv_1 ... -> branch_1, branch_2 ..."""
    nodes = [f"{tower}/conv"] + [f"{tower}/conv_{i}" for i in range(1, length)]
    return {node: f"{branch}_{i + 1}" for i, node in enumerate(nodes)}


def _pair(tower, branch):
    return {f"{tower}/mixed/conv": f"{branch}a", f"{tower}/mixed/conv_1": f"{branch}b"}


_BLOCK_35 = {**_SINGLE, **_chain("tower", "branch5x5", 2), **_chain("tower_1", "branch3x3dbl", 3)}
_BLOCK_17 = {**_SINGLE, **_chain("tower", "branch7x7", 3), **_chain("tower_1", "branch7x7dbl", 5)}
_BLOCK_8 = {
    **_SINGLE,
    **_chain("tower", "branch3x3", 1),
    **_pair("tower", "branch3x3_2"),
    **_chain("tower_1", "branch3x3dbl", 2),
    **_pair("tower_1", "branch3x3dbl_3"),
}
_BLOCKS = {
    "mixed": ("Mixed_5b", _BLOCK_35),
    "mixed_1": ("Mixed_5c", _BLOCK_35),
    "mixed_2": ("Mixed_5d", _BLOCK_35),
    "mixed_3": ("Mixed_6a", {"conv": "branch3x3", **_chain("tower", "branch3x3dbl", 3)}),
    "mixed_4": ("Mixed_6b", _BLOCK_17),
    "mixed_5": ("Mixed_6c", _BLOCK_17),
    "mixed_6": ("Mixed_6d", _BLOCK_17),
    "mixed_7": ("Mixed_6e", _BLOCK_17),
    "mixed_8": (
        "Mixed_7a",
        {**_chain("tower", "branch3x3", 2), **_chain("tower_1", "branch7x7x3", 4)},
    ),
    "mixed_9": ("Mixed_7b", _BLOCK_8),
    "mixed_10": ("Mixed_7c", _BLOCK_8),
}
_PARTS = {
    "conv2d_params": "conv.weight",
    "batchnorm/beta": "bn.bias",
    "batchnorm/gamma": "bn.weight",
    "batchnorm/moving_mean": "bn.running_mean",
    "batchnorm/moving_variance": "bn.running_var",
}


def pytorch_names():
    """{the original's name of each array: its name in the .pth files}."""
    modules = {f"conv_{i}" if i else "conv": name for i, name in enumerate(_STEM)}
    for block, (prefix, branches) in _BLOCKS.items():
        modules |= {f"{block}/{node}": f"{prefix}.{branch}" for node, branch in branches.items()}
    names = {
        f"{node}/{part}": f"{module}.{pytorch_part}"
        for node, module in modules.items()
        for part, pytorch_part in _PARTS.items()
    }
    names |= {"softmax/weights": "fc.weight", "softmax/biases": "fc.bias"}
    return {name: names[name] for name in parameters()}


def from_pytorch(name, array):
    """The array in the original's layout: kernels OIHW -> HWIO, the last matrix transposed."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
