"""The counter-based generator: distribution, independence, reproducibility."""

import keras
import numpy as np
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
    x = np.stack([np.asarray(random.normal((8,), generator)) for _ in range(2000)])
    assert scipy.stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(x[:-1, 0], x[1:, 0])[0, 1]) < 4 / np.sqrt(2000)


def test_same_numbers_compiled_or_not():
    def draw(jit_compile):
        generator = keras.random.SeedGenerator(5)
        function = tf.function(lambda: random.normal((33, 7), generator), jit_compile=jit_compile)
        return function().numpy()

    eager = np.asarray(random.normal((33, 7), keras.random.SeedGenerator(5)))
    # XLA evaluates erfinv by its own polynomial: rounding of float32, up to about 5 sigma.
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
