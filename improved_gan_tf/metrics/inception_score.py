"""The Inception score's arithmetic, from logits or probabilities.

Section 4 of the paper: exp(E_x KL(p(y|x) || p(y))). The original (inception_score/model.py,
get_inception_score) computes it for each of 10 consecutive parts of the images and reports mean
and standard deviation over the parts. Here everything is float64 and works on log-probabilities,
so that no probability is ever 0: the original's float32 softmax can underflow and give NaN.
"""

import warnings

import numpy as np

from improved_gan_tf.errors import UserError

PUBLISHED_SIZE = 50_000  # images behind the published figures
_BLOCK = 512  # rows at a time


def log_softmax(logits):
    """log p = logits - log sum exp(logits) over the last axis, float64."""
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def score_from_logits(logits, splits=10, shuffle_seed=None):
    """(mean, std) over `splits` parts of exp(mean KL(p(y|x) || p(y))), p(y) the part's mean.

    Part i is images i*N//splits to (i+1)*N//splits; std is the population's (divided by splits).

    Args:
        logits: (N, K) numbers, or anything with `shape` and slices of rows.
        splits: number of parts.
        shuffle_seed: None leaves the order; an integer puts the rows into the order of
            numpy.random.RandomState(seed).permutation(N) first, as torch-fidelity does (2020).

    Raises:
        UserError: not two axes, fewer rows than splits, splits below 1, logits not finite.
    """
    return _score(logits, splits, shuffle_seed, _log_softmax_rows)


def score_from_probabilities(probabilities, splits=10, shuffle_seed=None, zeros="limit"):
    """`score_from_logits` for p(y|x) itself, (N, K), rows that sum to 1.

    Args:
        zeros: what 0 log 0 is. "limit": 0, its limit. "nan": NaN, as in the original, which has no
            epsilon, so that one probability of exactly 0 makes the score NaN.

    Raises:
        UserError: as above, and values outside 0..1 or rows that do not sum to 1.
    """
    if zeros not in ("limit", "nan"):
        raise UserError(f'zeros is "limit" or "nan", not {zeros!r}')
    probabilities = np.asarray(probabilities)
    check_probabilities(probabilities)
    if zeros == "nan" and not np.all(probabilities):
        _checked(probabilities, splits)
        return float("nan"), float("nan")
    return _score(probabilities, splits, shuffle_seed, _log_rows)


def check_probabilities(rows):
    """Raises UserError unless all rows are distributions, to 1e-3 in their sum."""
    rows = np.asarray(rows)
    if rows.ndim != 2:
        raise UserError(f"probabilities have shape {rows.shape}, expected (images, classes)")
    if not rows.size:
        return
    sums = rows.sum(axis=1, dtype=np.float64)
    if not (rows.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise UserError(
            f"rows are no probabilities: values from {rows.min():g}, sums {sums.min():g} to "
            f"{sums.max():g}; expected values from 0 and sums of 1 (are they logits?)"
        )


def _log_softmax_rows(rows):
    log_p = log_softmax(rows)
    return np.exp(log_p), log_p


def _log_rows(rows):
    p = np.asarray(rows, np.float64)
    return p, np.log(p, out=np.zeros_like(p), where=p > 0)


def _checked(rows, splits):
    if len(rows.shape) != 2:
        raise UserError(f"logits have shape {tuple(rows.shape)}, expected (images, classes)")
    if int(splits) != splits or splits < 1:
        raise UserError(f"splits is a whole number from 1, not {splits!r}")
    if rows.shape[0] < splits:
        raise UserError(
            f"{rows.shape[0]} images cannot be split into {splits} parts; give more images or "
            "fewer splits"
        )
    return rows.shape[0], int(splits)


def _blocks(rows):
    for start in range(0, rows.shape[0], _BLOCK):
        block = np.asarray(rows[start : start + _BLOCK])
        if not np.isfinite(block).all():
            bad = start + int(np.argmax(~np.isfinite(block).all(axis=1)))
            raise UserError(
                f"the classifier's output for image {bad} (from 0) is not finite; check the images "
                "and the classifier"
            )
        yield start, block


def _parts(n, splits, shuffle_seed):
    """The number of the part that each image belongs to."""
    bounds = np.array([i * n // splits for i in range(1, splits + 1)])
    place = np.arange(n)
    if shuffle_seed is not None:
        place[np.random.RandomState(shuffle_seed).permutation(n)] = np.arange(n)
    return np.searchsorted(bounds, place, side="right")


def _score(rows, splits, shuffle_seed, transform):
    """One pass in blocks, in constant memory.

    KL's mean over a part is mean_x sum_y p log p - sum_y q log q with q = mean_x p.
    """
    rows = rows if hasattr(rows, "shape") else np.asarray(rows)
    n, splits = _checked(rows, splits)
    part = _parts(n, splits, shuffle_seed)
    negative_entropy = np.zeros(splits)
    total = np.zeros((splits, rows.shape[1]))
    for start, block in _blocks(rows):
        p, log_p = transform(block)
        which = part[start : start + len(block)]
        np.add.at(negative_entropy, which, (p * log_p).sum(axis=1))
        for number in np.unique(which):
            total[number] += p[which == number].sum(axis=0)
    counts = np.bincount(part, minlength=splits)
    q = total / counts[:, None]
    log_q = np.log(q, out=np.zeros_like(q), where=q > 0)
    scores = np.exp(negative_entropy / counts - (q * log_q).sum(axis=1))
    return float(scores.mean()), float(scores.std())


def image_scores_from_logits(logits):
    """What each image adds to the score: KL(p(y|x) || p(y)) in nats, p(y) the mean of all, (N,).

    Their mean is the logarithm of the score with one split. Section 6.2 of the paper sorts samples
    by it and shows annotators the best 1 %.
    """
    logits = logits if hasattr(logits, "shape") else np.asarray(logits)
    n, _ = _checked(logits, 1)
    q = np.zeros(logits.shape[1])
    for _, block in _blocks(logits):
        q += _log_softmax_rows(block)[0].sum(axis=0)
    log_q = np.log(q / n, out=np.zeros_like(q), where=q > 0)
    scores = np.empty(n)
    for start, block in _blocks(logits):
        p, log_p = _log_softmax_rows(block)
        scores[start : start + len(block)] = (p * (log_p - log_q)).sum(axis=1)
    return scores


def best_fraction(scores, fraction=0.01):
    """Indices of the best ceil(fraction * N) of `image_scores_from_logits`, best first.

    Equal scores stay in the images' order.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"the fraction of images to keep lies in (0, 1], not {fraction!r}")
    scores = np.asarray(scores)
    if scores.ndim != 1 or not len(scores):
        raise UserError(f"scores have shape {scores.shape}, expected (images,), at least one")
    count = int(np.ceil(fraction * len(scores) - 1e-9))
    return np.argsort(-scores, kind="stable")[:count]


def warn_if_few(n):
    """Warns where the score of n images would not compare with published ones."""
    if n < PUBLISHED_SIZE:
        warnings.warn(
            f"the Inception score of {n} images is biased (published ones use {PUBLISHED_SIZE}): "
            "compare it only with scores of as many",
            stacklevel=3,
        )
