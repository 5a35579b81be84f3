"""The formulas: intervals of a share, the bootstrap over annotators, two groups compared."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from improved_gan_tf.errors import UserError

CONFIDENCE = 0.95
_DRAWS = 10_000
_AT_ONCE = 1_000_000  # numbers of a bootstrap's resamples in memory


def wilson(right: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share p = right / total (Wilson, 1927).

    With z the normal quantile of (1 + confidence) / 2 and n = total:

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    It takes all judgements for independent, which those of one annotator are not: `bootstrap` is
    the interval to report.

    Args:
        right: Integer, the successes.
        total: Integer, the trials, at least 1.
        confidence: Float in (0, 1). Defaults to 0.95.

    Returns:
        (low, high).

    Example:

    >>> low, high = wilson(524, 1000)
    >>> f"{low:.4f} {high:.4f}"
    '0.4930 0.5548'
    """
    from scipy.stats import norm

    if not 0 <= right <= total or total < 1:
        raise UserError(f"{right} of {total} is no share; expected 0 <= right <= total, total > 0")
    z, p = float(norm.ppf((1 + confidence) / 2)), right / total
    middle = p + z * z / (2 * total)
    half = z * math.sqrt(p * (1 - p) / total + (z / (2 * total)) ** 2)
    scale = 1 + z * z / total
    low, high = (middle - half) / scale, (middle + half) / scale
    return (0.0 if right == 0 else low), (1.0 if right == total else high)


def bootstrap(
    right: ArrayLike,
    total: ArrayLike,
    confidence: float = CONFIDENCE,
    draws: int = _DRAWS,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The bootstrap interval, over annotators, of the accuracy sum(right) / sum(total).

    Annotators are drawn with replacement, each with all of their judgements, `draws` times; the
    interval lies between two percentiles of the accuracies of the draws. With n annotators the
    percentiles are not (1 -+ confidence) / 2 but

        Phi(-+ sqrt(n / (n - 1)) t),

    with t the quantile of Student's distribution with n - 1 degrees of freedom: the plain ones are
    too narrow for few annotators ("expanded percentile", Hesterberg, 2015).

    Args:
        right: Integers (n,): the right judgements of each annotator.
        total: Integers (n,): all their judgements.
        confidence: Float in (0, 1). Defaults to 0.95.
        draws: Integer. Defaults to 10,000.
        seed: Integer, so that the same votes have the same interval. Defaults to 0.

    Returns:
        (low, high); None for fewer than two annotators.

    Example:

    >>> low, high = bootstrap([80, 70, 75, 90, 60], [100] * 5)
    >>> 0.55 < low < 0.75 < high < 0.95
    True
    """
    from scipy.stats import norm, t

    rights, totals = np.asarray(right, float), np.asarray(total, float)
    n = len(rights)
    if n < 2:
        return None
    random, found, step = np.random.default_rng(seed), [], max(1, _AT_ONCE // n)
    for start in range(0, draws, step):
        weights = random.multinomial(n, np.full(n, 1 / n), min(step, draws - start))
        found.append((weights @ rights) / (weights @ totals))
    share = float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf((1 + confidence) / 2, n - 1)))
    low, high = np.quantile(np.concatenate(found), (share, 1 - share))
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two groups of annotators compared by Welch's t-test.

    Attributes:
        difference: Mean accuracy of the first minus that of the second.
        low: Lower end of its confidence interval.
        high: Upper end.
        t: Welch's statistic.
        degrees: Its degrees of freedom.
        p: Of a difference as large in either direction, if there is none.
    """

    difference: float
    low: float
    high: float
    t: float
    degrees: float
    p: float


def welch(first: ArrayLike, second: ArrayLike, confidence: float = CONFIDENCE) -> Difference | None:
    """Welch's t-test of two groups of annotators, each of whom has one accuracy.

    With means m, sample variances s^2 and sizes n, and v = s^2 / n of either group:

        t = (m1 - m2) / sqrt(v1 + v2)
        degrees = (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1))

    Args:
        first: Floats (n1,).
        second: Floats (n2,).
        confidence: Float in (0, 1), of the interval. Defaults to 0.95.

    Returns:
        A `Difference`; None where a group has fewer than two annotators, or none of them differ.

    Example:

    >>> found = welch([0.80, 0.85, 0.90], [0.60, 0.65, 0.75])
    >>> f"{found.difference:.3f}, p = {found.p:.3f}"
    '0.183, p = 0.032'
    """
    from scipy.stats import t as student

    a, b = np.asarray(first, float), np.asarray(second, float)
    if min(len(a), len(b)) < 2:
        return None
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    # Equal values have a mean, and so a variance, that rounding may leave a little off.
    if (np.ptp(a) == 0 and np.ptp(b) == 0) or va + vb == 0:
        return None
    error = math.sqrt(va + vb)
    degrees = float((va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)))
    difference = float(a.mean() - b.mean())
    half = float(student.ppf((1 + confidence) / 2, degrees)) * error
    p = 2 * float(student.sf(abs(difference) / error, degrees))
    return Difference(
        difference, difference - half, difference + half, difference / error, degrees, p
    )


def annotators_needed(
    accuracies: ArrayLike, half_width: float, confidence: float = CONFIDENCE
) -> int | None:
    """How many annotators the interval of their mean accuracy needs to be +- `half_width`.

    The smallest n with t(n - 1) s / sqrt(n) <= half_width, where s is the standard deviation over
    the annotators so far and t(n - 1) the quantile of Student's distribution.

    Args:
        accuracies: Floats (n,), one per annotator so far.
        half_width: Float above 0, such as 0.02.
        confidence: Float in (0, 1). Defaults to 0.95.

    Returns:
        An integer, at least 2; None for fewer than two annotators.

    Example:

    >>> annotators_needed([0.6, 0.7, 0.8], 0.02)
    99
    """
    from scipy.stats import t

    values = np.asarray(accuracies, float)
    if not half_width > 0:
        raise UserError(f"the half-width of an interval must be above 0, not {half_width:g}")
    if len(values) < 2:
        return None
    s, low, high = float(values.std(ddof=1)), 1, 2

    def enough(n: int) -> bool:
        return float(t.ppf((1 + confidence) / 2, n - 1)) * s <= half_width * math.sqrt(n)

    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
