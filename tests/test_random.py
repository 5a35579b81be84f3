"""The counter-based generator: distribution, independence, reproducibility."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from improved_gan_tf import random

N = 400_000


def _draw(function, seed=7, n=N):
    return np.asarray(function((n,), keras.random.SeedGenerator(seed)), dtype="float64")


def test_normal_is_normal():
    x = _draw(random.normal)
    # Kolmogorov-Smirnov at n = 400,000: p is uniform for the true law, the seed is fixed.
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    # Standard errors of the first four moments: 1, 1.4, 2.4 and 4.9 over sqrt(n), times 4.
    expected = {1: (0, 1.0), 2: (1, 1.42), 3: (0, 3.88), 4: (3, 9.8)}
    for power, (moment, deviation) in expected.items():
        assert abs(np.mean(x**power) - moment) < 4 * deviation / np.sqrt(N)


@pytest.mark.parametrize("dtype, largest", [("bfloat16", 1 - 2**-8), ("float16", 1 - 2**-11)])
def test_uniform_in_half_precision_is_below_one(dtype, largest):
    x = random.uniform((N,), (1, 2), dtype)
    assert float(keras.ops.max(x)) == largest


def test_inversion(monkeypatch):
    """Against SciPy's, at both ends, around 0 and between: relative errors of float32."""
    magnitudes = np.unique(np.concatenate([np.arange(5000), np.geomspace(1, 2**22, 50_000)]))
    magnitudes = magnitudes[magnitudes < 2**22].astype(np.int64)
    upper = np.concatenate([magnitudes, 2**22 + magnitudes, 2**23 - 1 - magnitudes])
    bits = (upper << 9).astype(np.uint32).astype(np.int32)
    monkeypatch.setattr(random, "_bits", lambda shape, seed: keras.ops.convert_to_tensor(bits))
    found = np.asarray(random.normal(bits.shape, ()), "float64")
    expected = np.sqrt(2) * scipy.special.erfinv((upper + 0.5) * 2.0**-22 - 1)
    np.testing.assert_allclose(found, expected, rtol=6e-7, atol=0)
    assert 5.2947 < found.max() < 5.2948


def test_keys():
    """No two draws have the same key, and one with another's first half is another draw."""
    seeds, steps = np.meshgrid(np.arange(-40, 40), np.arange(50))
    left, right = random._key(keras.ops.convert_to_tensor(x, "int32") for x in (seeds, steps))
    assert len(set(zip(np.ravel(left), np.ravel(right), strict=True))) == seeds.size
    assert len({tuple(map(int, random._key(seed))) for seed in [(1,), (1, 0), (1, 0, 0)]}) == 3


def test_overlapping_positions(monkeypatch):
    """Draws whose first hash meets the same values differ by the key's second half alone."""
    draws = []
    for second in (1, 2, 3, 1 << 16, -(1 << 31)):
        monkeypatch.setattr(random, "_key", lambda seed, second=second: (5, second))
        draws.append(np.asarray(random.normal((N,), ())))
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(N)
            assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 4 / np.sqrt(N)


def test_uniform_is_uniform():
    u = _draw(random.uniform)
    assert u.min() >= 0 and u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3
    # Every bit of the 24 is fair: 4 standard errors.
    bits = (u * 2**24).astype(np.int64)
    for k in range(24):
        assert abs(np.mean(bits >> k & 1) - 0.5) < 4 * 0.5 / np.sqrt(N), k


def test_neighbours_draws_and_seeds_are_uncorrelated():
    generator = keras.random.SeedGenerator(3)
    first, second = (np.asarray(random.normal((N,), generator)) for _ in range(2))
    other = _draw(random.normal, seed=4)
    for lag in (1, 2, 16, 784):
        assert abs(np.corrcoef(first[:-lag], first[lag:])[0, 1]) < 4 / np.sqrt(N)
    # Consecutive draws and seeds, also shifted against each other.
    for a, b in ((first, second), (first, other)):
        for lag in (0, 1, 5):
            assert abs(np.corrcoef(a[: N - lag], b[lag:])[0, 1]) < 4 / np.sqrt(N)
        assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 4 / np.sqrt(N)


def test_steps_of_one_position_are_random_too():
    """The same element over many steps: what one weight's noise looks like in time."""
    generator = keras.random.SeedGenerator(11)
    draw = tf.function(lambda: random.normal((8,), generator))
    x = np.stack([draw().numpy() for _ in range(2000)])
    assert scipy.stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(x[:-1, 0], x[1:, 0])[0, 1]) < 4 / np.sqrt(2000)


def test_same_numbers_compiled_or_not():
    def draw(jit_compile):
        generator = keras.random.SeedGenerator(5)
        function = tf.function(lambda: random.normal((33, 7), generator), jit_compile=jit_compile)
        return function().numpy()

    eager = np.asarray(random.normal((33, 7), keras.random.SeedGenerator(5)))
    # XLA evaluates the logarithm by its own polynomial: rounding of float32, up to 5 sigma.
    np.testing.assert_allclose(draw(False), eager, rtol=0, atol=5e-6)
    np.testing.assert_allclose(draw(True), eager, rtol=0, atol=5e-6)


def test_unknown_batch_size_and_dtype():
    generator = keras.random.SeedGenerator(5)
    function = tf.function(
        lambda x: random.uniform(keras.ops.shape(x), generator, "float64"),
        input_signature=[tf.TensorSpec((None, 3))],
    )
    assert function(tf.zeros((4, 3))).shape == (4, 3)
    assert function(tf.zeros((4, 3))).dtype == tf.float64


def test_seed_of_integers():
    """The same draw as by a generator in that state, whatever the integers are made of."""
    generator = keras.random.SeedGenerator(2**31 + 5)
    for count in range(2):
        expected = np.asarray(random.uniform((9,), generator))
        for seed in ((2**31 + 5, count), (5 - 2**31, tf.constant(count))):
            np.testing.assert_array_equal(random.uniform((9,), seed), expected)
    draws = [
        np.asarray(random.normal((N,), (3, step, replica, 0)))
        for step, replica in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            for lag in (0, 1, 5):
                assert abs(np.corrcoef(a[: N - lag], b[lag:])[0, 1]) < 4 / np.sqrt(N)
