"""Counter-based random numbers: one hash of (seed, step, position) gives one number.

`keras.random` draws by TensorFlow's Philox generator. Compiled by XLA for a CPU that generator is
an order of magnitude slower than the rest of the MNIST recipe's training step, which needs 1.5
million normals, and it then draws other numbers than without XLA. These functions are elementwise
integer and float arithmetic in `keras.ops`: XLA fuses and vectorises them, and the numbers are the
same with and without it, and on every backend up to the rounding of `erfinv`. They are meant for
noise and latent vectors, not for cryptography, and are other numbers than the original's (D9).

The hash is a 32-bit finaliser (shift, xor, multiply) with the constants that C. Wellons' search
for low-bias permutations found, applied twice with two keys derived from the seed. Arithmetic is
in int32, which wraps around; PyTorch has no uint32 multiplication.

The seed of a draw is a `keras.random.SeedGenerator`, whose state is (seed, draws so far), or any
sequence of integers, such as (seed, step, replica): then a draw has no state that would have to
be saved.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_MULTIPLIER_1 = 0x7FEB352D
_MULTIPLIER_2 = 0x846CA68B - 2**32
_KEY_SALT = 0x9E3779B9 - 2**32


def _shift(x, bits):
    """The logical right shift; signed shifts are arithmetic, so the copied sign is masked off."""
    return ops.bitwise_and(ops.right_shift(x, bits), 2 ** (32 - bits) - 1)


def _mix(x):
    x = ops.bitwise_xor(x, _shift(x, 16)) * _MULTIPLIER_1
    x = ops.bitwise_xor(x, _shift(x, 15)) * _MULTIPLIER_2
    return ops.bitwise_xor(x, _shift(x, 16))


def _key(seed):
    """The seed's integers, folded one after the other into one int32."""
    if isinstance(seed, keras.random.SeedGenerator):
        state = ops.cast(seed.next(), "int32")
        seed = state[0], state[1]
    key = _KEY_SALT
    for word in seed:
        if isinstance(word, int):  # wraps around, as the cast of a tensor does
            word = ops.convert_to_tensor((word + 2**31) % 2**32 - 2**31, dtype="int32")
        key = _mix(key + ops.cast(word, "int32"))
    return key


def _bits(shape, seed):
    """int32 of `shape`, uniform over all 2^32 patterns."""
    key_1 = _key(seed)
    key_2 = _mix(key_1 + _KEY_SALT)
    return ops.reshape(_mix(ops.bitwise_xor(_mix(_positions(shape, key_1)), key_2)), shape)


def _positions(shape, key):
    """key + the place of each number in the draw, int32, flat or by rows."""
    if not shape or not all(isinstance(n, int) for n in shape):
        return key + ops.arange(ops.prod(shape), dtype="int32")
    # Two short ranges, the key between them: one of the draw's size would be a constant in the
    # program, megabytes that each draw reads.
    width = math.prod(shape[1:])
    rows = key + ops.arange(shape[0], dtype="int32") * width
    return ops.expand_dims(rows, 1) + ops.arange(width, dtype="int32")


def uniform(shape: Sequence[Any], seed: Any, dtype: str = "float32") -> Any:
    """U[0, 1): multiples of 2^-24.

    Args:
        shape: A tuple of integers (or scalar tensors).
        seed: A `keras.random.SeedGenerator`, which is advanced by one; or a sequence of integers
            (Python's or scalar tensors), the same for the same draw.
        dtype: A float dtype, "float32" by default.

    Example:
    >>> np.round(uniform((3,), seed=(1, 2)), 4)
    array([0.2687, 0.9461, 0.5542], dtype=float32)
    """
    return ops.cast(ops.cast(_shift(_bits(shape, seed), 8), "float32") * 2.0**-24, dtype)


def normal(shape: Sequence[Any], seed: Any, dtype: str = "float32") -> Any:
    """N(0, 1) by inversion, sqrt(2) erfinv(u), |value| < 5.2; arguments as for `uniform`.

    u is an odd multiple of 2^-23 in (-1, 1): symmetric, and exact in float32.

    Example:
    >>> round(float(ops.std(normal((1000, 100), keras.random.SeedGenerator(1)))), 1)
    1.0
    """
    u = (ops.cast(_shift(_bits(shape, seed), 9), "float32") + 0.5) * 2.0**-22 - 1.0
    return ops.cast(ops.erfinv(u) * math.sqrt(2), dtype)
