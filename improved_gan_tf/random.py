"""Counter-based random numbers: one hash of (seed, step, position) gives one number.

`keras.random` draws by TensorFlow's Philox generator. Compiled by XLA for a CPU that generator is
an order of magnitude slower than the rest of the MNIST recipe's training step, which needs 1.5
million normals, and it then draws other numbers than without XLA. These functions are elementwise
integer and float arithmetic in `keras.ops`: XLA fuses and vectorizes them, and the numbers are the
same with and without it, and on every backend up to the rounding of `log`. They are meant for
noise and latent vectors, not for cryptography, and are other numbers than the original's (D9).

The hash is a 32-bit finalizer (shift, xor, multiply) with the constants that C. Wellons' search
for low-bias permutations found, applied twice, each time with 32 bits of a 64-bit key of the draw.
The key is a permutation of (seed, step), four rounds of a Feistel network, so that no two draws of
a run have the same one. Arithmetic is in int32, which wraps around; PyTorch has no uint32
multiplication. reference/results/random has a battery of tests.

The seed of a draw is a `keras.random.SeedGenerator`, whose state is (seed, draws so far), or any
sequence of integers, such as (seed, step, replica): then a draw has no state that would have to
be saved.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# The largest number below 1 of the types to which `uniform` rounds, possibly up.
_BELOW_ONE = {"bfloat16": 1 - 2.0**-8, "float16": 1 - 2.0**-11}
_MULTIPLIER_1 = 0x7FEB352D
_MULTIPLIER_2 = 0x846CA68B - 2**32
# Multiples of 2^32 over the golden ratio.
_ROUND_CONSTANTS = [(0x9E3779B9 * i + 2**31) % 2**32 - 2**31 for i in range(1, 5)]
# sqrt(2) erfinv(u) / u as a polynomial in -log(1 - u^2) - 4, highest power first; fitted over all
# u of `normal` for the least relative error, 1.6e-7, which float32's rounding makes 4e-7.
_INVERSION = (
    -4.87213483e-14,
    2.40634925e-12,
    -4.48865702e-11,
    3.13067559e-10,
    1.47161915e-09,
    -4.21512537e-08,
    2.58995466e-07,
    6.14878031e-07,
    -2.19479669e-05,
    0.000168565982,
    -0.000288567649,
    -0.010213154,
    0.322942426,
    2.62871103,
)


def _shift(x, bits):
    """The logical right shift; signed shifts are arithmetic, so the copied sign is masked off."""
    return ops.bitwise_and(ops.right_shift(x, bits), 2 ** (32 - bits) - 1)


def _mix(x):
    x = ops.bitwise_xor(x, _shift(x, 16)) * _MULTIPLIER_1
    x = ops.bitwise_xor(x, _shift(x, 15)) * _MULTIPLIER_2
    return ops.bitwise_xor(x, _shift(x, 16))


def _key(seed):
    """The 64-bit key of a draw, two int32; another one for every other (seed, step)."""
    if isinstance(seed, keras.random.SeedGenerator):
        state = ops.cast(seed.next(), "int32")
        seed = state[0], state[1]
    words = [_word(word) for word in seed]
    left, right = _word(0), _word(len(words))
    for first, second in itertools.zip_longest(words[::2], words[1::2], fillvalue=_word(0)):
        left, right = ops.bitwise_xor(left, first), ops.bitwise_xor(right, second)
        for constant in _ROUND_CONSTANTS:
            left, right = right, ops.bitwise_xor(left, _mix(right + constant))
    return left, right


def _word(value):
    """An integer as an int32, wrapping around as the cast of a tensor does."""
    if isinstance(value, int):
        value = ops.convert_to_tensor((value + 2**31) % 2**32 - 2**31, dtype="int32")
    return ops.cast(value, "int32")


def _bits(shape, seed):
    """int32 of `shape`, uniform over all 2^32 patterns."""
    first, second = _key(seed)
    return ops.reshape(_mix(ops.bitwise_xor(_mix(_positions(shape, first)), second)), shape)


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
    """U[0, 1): multiples of 2^-24, in half precision the nearest numbers below 1.

    Args:
        shape: A tuple of integers (or scalar tensors).
        seed: A `keras.random.SeedGenerator`, which is advanced by one; or a sequence of integers
            (Python's or scalar tensors), the same for the same draw.
        dtype: A float dtype, "float32" by default.

    Example:
    >>> np.round(uniform((3,), seed=(1, 2)), 4)
    array([0.5336, 0.583 , 0.4818], dtype=float32)
    """
    found = ops.cast(ops.cast(_shift(_bits(shape, seed), 8), "float32") * 2.0**-24, dtype)
    largest = _BELOW_ONE.get(keras.backend.standardize_dtype(dtype))
    return found if largest is None else ops.minimum(found, ops.cast(largest, dtype))


def normal(shape: Sequence[Any], seed: Any, dtype: str = "float32") -> Any:
    """N(0, 1) by inversion, sqrt(2) erfinv(u), |value| < 5.2948; arguments as for `uniform`.

    u is an odd multiple of 2^-23 in (-1, 1): symmetric, and exact in float32. The inverse is a
    polynomial with a relative error of 4e-7, in half the time of `erfinv` under XLA on a CPU.

    Example:
    >>> round(float(ops.std(normal((1000, 100), keras.random.SeedGenerator(1)))), 1)
    1.0
    """
    u = (ops.cast(_shift(_bits(shape, seed), 9), "float32") + 0.5) * 2.0**-22 - 1.0
    w = -ops.log((1.0 - u) * (1.0 + u)) - 4.0
    quotient = _INVERSION[0]
    for coefficient in _INVERSION[1:]:
        quotient = quotient * w + coefficient
    return ops.cast(u * quotient, dtype)
