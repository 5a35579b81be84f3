"""`HashedGaussianNoise`: distribution, independence, seeds."""

import numpy as np

from improved_gan_tf import layers as ours


def test_draws():
    noise = ours.HashedGaussianNoise(2.0, seed=3)  # Keras' own refuses a stddev above 1
    x = np.full((100, 300), 5.0, "float32")
    np.testing.assert_array_equal(noise(x), x)
    first, second = (np.array(noise(x, training=True)) - 5 for _ in range(2))
    for drawn in (first, second):
        # 30,000 draws: the mean's standard error is 0.0115, the standard deviation's 0.0082.
        np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 2], atol=0.06)
        kurtosis = np.mean((drawn / 2) ** 4)
        np.testing.assert_allclose(kurtosis, 3, atol=0.15)  # standard error 0.057
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03  # five standard errors
    assert abs(np.corrcoef(first[:, 1:].ravel(), first[:, :-1].ravel())[0, 1]) < 0.03
    again = ours.HashedGaussianNoise(2.0, seed=3)
    np.testing.assert_array_equal(again(x, training=True) - 5, first)
    other = ours.HashedGaussianNoise(2.0, seed=4)
    assert not np.array_equal(other(x, training=True) - 5, first)
    np.testing.assert_array_equal(ours.HashedGaussianNoise(0.0)(x, training=True), x)
