"""The Inception score's arithmetic, from logits or probabilities.

IS = exp(E_x KL(p(y|x) || p(y))), section 4 of the paper. The images are divided into consecutive
parts; the score is the mean, and its spread the standard deviation, over the parts.

Everything is float64 and works on log-probabilities, so that no probability is ever 0: the
original's float32 softmax can underflow and give NaN (D18).

Source: inception_score/model.py, get_inception_score. Equal to torch-fidelity's metric_isc.py.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.metrics.classes import checked_numbers
from improved_gan_tf.metrics.seeds import check_seed

PUBLISHED_SIZE = 50_000  # images behind the published figures
_BLOCK = 512  # images at a time


def log_softmax(logits: Any) -> np.ndarray:
    """log p = logits - log sum exp(logits) over the last axis, float64."""
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def score_from_logits(
    logits: Any, splits: int = 10, shuffle_seed: int | None = None
) -> tuple[float, float]:
    """The Inception score of images whose logits are known.

    Part i consists of images i*N//splits to (i+1)*N//splits; within a part, p(y) is its mean.

    Args:
        logits: Array (N, K) of floats, or any object with `shape` and slices of rows.
        splits: Integer, the number of parts. Defaults to 10.
        shuffle_seed: Integer, or None (default) to keep the order. The images are first put into
            the order of `numpy.random.RandomState(shuffle_seed).permutation(N)`, as torch-fidelity
            does with 2020.

    Returns:
        `(mean, std)` over the parts, two floats; std divides by `splits` (population).

    Raises:
        UserError: There are not two axes, fewer images than parts, or logits that are not finite.

    Example:

    >>> mean, std = score_from_logits(100.0 * np.eye(20), splits=1)  # 20 certain answers
    >>> round(mean, 6)
    20.0
    """
    return _score(logits, splits, shuffle_seed, _from_logits)


def score_from_probabilities(
    probabilities: Any, splits: int = 10, shuffle_seed: int | None = None, zeros: str = "limit"
) -> tuple[float, float]:
    """The Inception score of images whose p(y|x) is known; otherwise as `score_from_logits`.

    Args:
        probabilities: Array (N, K) of floats whose rows sum to 1.
        splits: Integer, the number of parts. Defaults to 10.
        shuffle_seed: Integer or None (default).
        zeros: The value of 0 log 0. "limit" (default) takes 0, its limit; "nan" takes NaN, as the
            original does: it has no epsilon, so that one probability of 0 makes its score NaN.

    Returns:
        `(mean, std)`, as `score_from_logits`.

    Example:

    >>> mean, std = score_from_probabilities(np.eye(20), splits=1)
    >>> round(mean, 6)
    20.0
    """
    if zeros not in ("limit", "nan"):
        raise UserError(f'zeros must be "limit" or "nan", not {zeros!r}')
    p = _checked(np.asarray(probabilities))
    sums = p.sum(axis=1, dtype=np.float64)
    if p.size and not (p.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise UserError(
            f"the rows are no probabilities: values from {p.min():g}, sums {sums.min():g} to "
            f"{sums.max():g}; expected values from 0 and sums of 1 (are they logits?)"
        )
    if zeros == "nan" and not np.all(p):
        check_splits(len(p), splits)
        return float("nan"), float("nan")
    return _score(p, splits, shuffle_seed, _from_probabilities)


def image_scores_from_logits(logits: Any) -> np.ndarray:
    """KL(p(y|x) || p(y)) of every image in nats: what it adds to the score.

    p(y) is the mean over all images. The mean of the result is the logarithm of the score with one
    part. Section 6.2 of the paper sorts samples by it and shows annotators the best 1 %.

    Args:
        logits: Array (N, K), as in `score_from_logits`.

    Returns:
        Float64 array (N,).
    """
    logits = _checked(logits)
    q = np.zeros(logits.shape[1])
    for _, block in _blocks(logits):
        q += _from_logits(block)[0].sum(axis=0)
    log_q = _log(q / logits.shape[0])
    scores = np.empty(logits.shape[0])
    for start, block in _blocks(logits):
        p, log_p = _from_logits(block)
        scores[start : start + len(block)] = (p * (log_p - log_q)).sum(axis=1)
    return scores


def class_scores_from_logits(logits: Any, labels: Any) -> dict[int, float]:
    """The Inception score of the images of each class, in one part each.

    p(y) is the mean over the class's images: the score says how varied these are among themselves.
    It is at most their number, so that only scores of as many images per class can be compared.

    Args:
        logits: Array (N, K), as in `score_from_logits`.
        labels: The images' class numbers, N integers from 0; -1 leaves an image out.

    Returns:
        The scores by class number.

    Raises:
        UserError: As many labels as images are expected, of which some are class numbers.

    Example: certain answers, four kinds of them in class 0 and one in class 1.

    >>> logits = 100.0 * np.eye(4)[[0, 1, 2, 3, 0, 0]]
    >>> found = class_scores_from_logits(logits, [0, 0, 0, 0, 1, 1])
    >>> {label: round(score, 6) for label, score in found.items()}
    {0: 4.0, 1: 1.0}
    """
    logits = _checked(logits)
    labels = checked_numbers(labels, logits.shape[0])
    classes = np.unique(labels[labels >= 0])
    part = np.where(labels >= 0, np.searchsorted(classes, labels), len(classes))
    scores = _part_scores(logits, part, len(classes) + 1, _from_logits)
    return dict(zip(classes.tolist(), scores.tolist(), strict=False))


def best_fraction(scores: Any, fraction: float = 0.01) -> np.ndarray:
    """The indices of the images with the highest scores, best first.

    Images with equal scores stay in their order.

    Args:
        scores: Array (N,) of `image_scores_from_logits`.
        fraction: Float in (0, 1]; ceil(fraction * N) images are chosen, at least one. Defaults to
            0.01.

    Example:

    >>> best_fraction([0.1, 2.0, 0.3, 1.0], 0.5).tolist()
    [1, 3]
    """
    if not 0 < fraction <= 1:
        raise UserError(f"the fraction of images to keep must be in (0, 1], not {fraction!r}")
    scores = np.asarray(scores)
    if scores.ndim != 1 or not len(scores):
        raise UserError(f"scores have shape {scores.shape}, expected (images,), at least one")
    if np.isnan(scores).any():
        raise UserError("scores hold NaN, which is no order of images; compute them again")
    count = max(1, int(np.ceil(fraction * len(scores) - 1e-9)))
    return np.argsort(-scores, kind="stable")[:count]


def check_splits(count: int, splits: int, shuffle_seed: int | None = None) -> None:
    """Raises `UserError` unless `count` images can be shuffled and divided into `splits` parts."""
    if shuffle_seed is not None:
        check_seed("the shuffle seed", shuffle_seed)
    check_whole("splits", splits)
    if count < splits:
        raise UserError(
            f"{count} images cannot be split into {splits} parts; give more images or fewer splits"
        )


def check_finite(rows: np.ndarray, start: int = 0) -> None:
    """Raises `UserError` if the output for an image, counted from `start`, is not finite."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise UserError(
            f"the classifier's output for image {start + int(np.argmin(finite))} (from 0) is not "
            "finite; check the images and the classifier"
        )


def warn_if_few(count: int) -> None:
    """Warns where the score of `count` images cannot be compared with published ones."""
    if count < PUBLISHED_SIZE:
        warnings.warn(
            f"the Inception score of {count} images is biased (published ones use "
            f"{PUBLISHED_SIZE}): compare it only with scores of as many",
            stacklevel=3,
        )


def _score(rows: Any, splits: int, seed: int | None, transform: Callable) -> tuple[float, float]:
    rows = _checked(rows)
    n = rows.shape[0]
    check_splits(n, splits, seed)
    bounds = np.array([i * n // splits for i in range(1, splits + 1)])
    place = np.arange(n)
    if seed is not None:
        place[np.random.RandomState(seed).permutation(n)] = np.arange(n)
    part = np.searchsorted(bounds, place, side="right")  # of every image
    scores = _part_scores(rows, part, splits, transform)
    return float(scores.mean()), float(scores.std())


def _part_scores(rows: Any, part: np.ndarray, parts: int, transform: Callable) -> np.ndarray:
    """The score of each part, NaN of an empty one: one pass in blocks, in constant memory.

    The mean KL of a part is mean_x sum_y p log p - sum_y q log q with q = mean_x p.
    """
    negative_entropy = np.zeros(parts)
    total = np.zeros((parts, rows.shape[1]))
    for start, block in _blocks(rows):
        p, log_p = transform(block)
        which = part[start : start + len(block)]
        np.add.at(negative_entropy, which, (p * log_p).sum(axis=1))
        for number in np.unique(which):
            total[number] += p[which == number].sum(axis=0)
    with np.errstate(invalid="ignore"):
        counts = np.bincount(part, minlength=parts)
        q = total / counts[:, None]
        return np.exp(negative_entropy / counts - (q * _log(q)).sum(axis=1))


def _from_logits(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_p = log_softmax(rows)
    return np.exp(log_p), log_p


def _from_probabilities(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(rows, np.float64)
    return p, _log(p)


def _log(p: np.ndarray) -> np.ndarray:
    """log p, and 0 where p is 0: its product with p is then the limit."""
    return np.log(p, out=np.zeros_like(p), where=p > 0)


def _checked(rows: Any) -> Any:
    rows = np.asarray(rows) if isinstance(rows, list | tuple) else rows
    if len(rows.shape) != 2:
        raise UserError(f"logits have shape {tuple(rows.shape)}, expected (images, classes)")
    return rows


def _blocks(rows: Any) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, rows.shape[0], _BLOCK):
        block = np.asarray(rows[start : start + _BLOCK])
        check_finite(block, start)
        yield start, block
