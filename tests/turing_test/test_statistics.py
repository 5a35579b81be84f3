"""The formulas, against SciPy and against simulation."""

import numpy as np
import pytest
from scipy import stats

from improved_gan_tf.turing_test.statistics import annotators_needed, bootstrap, welch, wilson
from tests.helpers.one_line import refusal_of


@pytest.mark.parametrize("right, total", [(0, 5), (5, 5), (3, 10), (524, 1000), (787, 1000)])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_wilson_equals_scipys(right, total, confidence):
    theirs = stats.binomtest(right, total).proportion_ci(confidence, method="wilson")
    assert wilson(right, total, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    refusal_of(wilson)("is no share", total + 1, total)


def test_welch_equals_scipys():
    random = np.random.default_rng(0)
    first, second = random.normal(0.8, 0.1, 12), random.normal(0.7, 0.05, 30)
    ours, theirs = welch(first, second), stats.ttest_ind(first, second, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert ours.t == pytest.approx(theirs.statistic) and ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    assert ours.degrees == pytest.approx(theirs.df)
    assert welch([0.5], second) is None and welch([0.5, 0.5], [0.4, 0.4]) is None
    # Their means, and so their variances, are subject to rounding.
    assert welch([31 / 90] * 3, [40 / 90] * 3) is None and welch([0.1] * 3, [0.1] * 10) is None


def test_the_bootstrap_equals_scipys_but_for_its_wider_percentiles():
    random = np.random.default_rng(1)
    total = random.integers(50, 150, 40)
    right = random.binomial(total, 0.7)
    n = len(total)
    share = stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))

    def accuracy(right, total, axis=-1):
        return right.sum(axis=axis) / total.sum(axis=axis)

    theirs = stats.bootstrap(
        (right, total), accuracy, paired=True, method="percentile", n_resamples=20_000,
        confidence_level=1 - 2 * share, rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    ours = bootstrap(right, total, draws=20_000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.002)
    assert bootstrap(right, total) == bootstrap(right, total)
    assert bootstrap([3], [10]) is None


@pytest.mark.parametrize("accuracy, spread", [(0.524, 0.0), (0.787, 0.08)])
def test_the_bootstrap_covers_the_truth(accuracy, spread):
    """300 simulated tests of 15 annotators; 0.95 +- 3.3 standard errors of this simulation."""
    random, covers = np.random.default_rng(3), 0
    for i in range(300):
        p = np.full(15, accuracy)
        if spread:
            size = accuracy * (1 - accuracy) / spread**2 - 1
            p = random.beta(accuracy * size, (1 - accuracy) * size, 15)
        low, high = bootstrap(random.binomial(100, p), np.full(15, 100), draws=2000, seed=i)
        covers += low <= accuracy <= high
    assert abs(covers / 300 - 0.95) < 3.3 * np.sqrt(0.95 * 0.05 / 300)


def test_annotators_needed_is_the_first_number_that_is_enough():
    random = np.random.default_rng(4)
    for width in (0.01, 0.03, 0.2):
        values = random.normal(0.7, 0.1, 8)
        found, s = annotators_needed(values, width), values.std(ddof=1)
        halves = [stats.t.ppf(0.975, n - 1) * s / np.sqrt(n) for n in (found - 1, found) if n > 1]
        assert halves[-1] <= width and (found == 2 or halves[0] > width)
    assert annotators_needed([0.5, 0.5], 0.1) == 2 and annotators_needed([0.5], 0.1) is None
    refusal_of(annotators_needed)("must be above 0, not 0", [0.5, 0.6], 0)
