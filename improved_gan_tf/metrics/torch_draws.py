"""Random numbers as PyTorch draws them on a CPU, without PyTorch.

A figure that rests on random draws is comparable only by equal draws. PyTorch's generator is the
Mersenne Twister that NumPy's `RandomState` has, seeded alike; what differs is how its 32-bit words
become numbers. Equal to `torch.Generator().manual_seed(seed)` to float32's rounding.
"""

import numpy as np


def generator(seed: int) -> np.random.RandomState:
    """What the functions below take: the generator of a seed, 0 <= seed < 2**32."""
    return np.random.RandomState(seed)


def permutation(rng: np.random.RandomState, n: int) -> np.ndarray:
    """`torch.randperm(n)`, n below 2**32 / 20: int64 (n,)."""
    order = np.arange(n)
    for i, word in enumerate(_words(rng, max(n - 1, 0))):
        j = i + int(word) % (n - i)
        order[i], order[j] = order[j], order[i]
    return order


def normal(rng: np.random.RandomState, rows: int, columns: int) -> np.ndarray:
    """`torch.randn(rows, columns)` of 16 numbers or more, float32: Box and Muller, 16 at a time."""
    n = rows * columns
    found = np.empty(max(n, 16), np.float32)
    whole = len(found) // 16 * 16
    found[:whole] = _box_muller(_words(rng, len(found))[:whole])
    if whole < n:  # the last 16 are drawn again
        found[-16:] = _box_muller(_words(rng, 16))
    return found[:n].reshape(rows, columns)


def _words(rng: np.random.RandomState, n: int) -> np.ndarray:
    return rng.randint(0, 2**32, n, dtype=np.uint32)


def _box_muller(words: np.ndarray) -> np.ndarray:
    uniform = (words & 0xFFFFFF).astype(np.float32) * np.float32(2**-24)
    first, second = uniform.reshape(-1, 2, 8).transpose(1, 0, 2)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - first))
    angle = np.float32(2 * np.pi) * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
