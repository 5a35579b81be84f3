"""Nearest neighbours of features, in blocks: what precision, recall, density and coverage share.

All pairs of N and M images are visited in blocks of float32 squared distances, by matrix products:
2 N M F operations, and memory for a few blocks beside the features. Where products nearly cancel,
as those of a small cluster far from the mean, distances are computed again in float64. What differs
by no more than the rounding of features does is the same image, at distance 0.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.metrics.pairs import BLOCK, comparable

# Of the squared lengths: below the first, float32's rounding of 2,048 products (4e-6) is more than
# some percent of a squared distance; below the second is a thousandth of a percent of a length, by
# which the features of one image differ from batch to batch.
_CLOSE = 1e-4
_SAME = 1e-10
_FEW = 0.01  # of a block's pairs: more are computed again by matrix products


class Counted:
    """A metric of memberships in balls: every image with a radius up to its k-th neighbour.

    Args:
        neighbours: k, an integer from 1.

    Attributes:
        figures: The names of what it computes.
        generated_balls: Whether it needs the radii of the generated images too.
    """

    figures: ClassVar[tuple[str, ...]]
    generated_balls: ClassVar[bool]

    def __init__(self, neighbours: int):
        self.neighbours = neighbours

    def begin(self, generated: np.ndarray, real: np.ndarray) -> None:
        """Takes the squared radii of both sides, float32 (N,) (empty if not needed) and (M,)."""
        raise NotImplementedError

    def update(self, rows: slice, squared: np.ndarray) -> None:
        """Takes the squared distances of some generated images to all real ones, (n, M)."""
        raise NotImplementedError

    def result(self) -> tuple[float, ...]:
        """The figures, in the order of their names."""
        raise NotImplementedError


def count_memberships(generated: Any, real: Any, metrics: Sequence[Counted]) -> dict[str, float]:
    """Computes metrics of memberships, with one visit of the pairs.

    Args:
        generated: Features of the generated images, floats (N, F).
        real: Those of the real images, (M, F).
        metrics: The metrics, which are updated.

    Returns:
        Their figures by name.

    Raises:
        UserError: Features of different sizes, fewer images than k + 1, or values that are not
            finite.
    """
    generated, real = _centered(generated, real)
    wanted = {metric.neighbours for metric in metrics}
    for k in wanted:
        check_neighbours(min(len(generated), len(real)), k)
    of_real = radii(real, wanted)
    of_generated = radii(generated, {m.neighbours for m in metrics if m.generated_balls})
    for metric in metrics:
        k = metric.neighbours
        metric.begin(of_generated.get(k, np.empty(0, np.float32)), of_real[k])
    for rows, squared in blocks(generated, real):
        for metric in metrics:
            metric.update(rows, squared)
    return {
        name: value
        for metric in metrics
        for name, value in zip(metric.figures, metric.result(), strict=True)
    }


def radii(features: np.ndarray, neighbours: Collection[int]) -> dict[int, np.ndarray]:
    """The squared distances of every image to its k-th nearest other one, for some k.

    Args:
        features: Float32 (N, F).
        neighbours: The k, each from 1 to N - 1.

    Returns:
        A float32 array (N,) by k.
    """
    found = {k: np.empty(len(features), np.float32) for k in neighbours}
    for rows, squared in blocks(features, features) if found else ():
        # The image itself is the nearest; rounding must not put another one before it.
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = 0
        squared.partition(sorted(found), axis=1)
        for k, values in found.items():
            values[rows] = squared[:, k]
    return found


def blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields (rows of a, their squared distances (n, M) to all of b), float32, block by block.

    A block is overwritten by the next one.
    """
    lengths_a, lengths_b = (np.einsum("ij,ij->i", x, x) for x in (a, b))
    size = max(1, BLOCK // (4 * len(b)))
    product = np.empty((min(size, len(a)), len(b)), np.float32)
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        squared = product[: rows.stop - start]
        np.matmul(a[rows], b.T, out=squared)
        squared *= -2
        lengths = lengths_a[rows, None] + lengths_b
        squared += lengths
        lengths *= _CLOSE
        close = squared < lengths
        if close.any():
            _compute_again(squared, close, a[rows], b)
            lengths *= _SAME / _CLOSE
            squared[squared < lengths] = 0
        yield rows, squared


def _compute_again(squared: np.ndarray, close: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Replaces the squared distances (n, M) that are `close` by those that float64 gives."""
    size = max(1, min(2048, BLOCK // (16 * a.shape[1])))  # rows of float64, half a block at most
    if np.count_nonzero(close) <= _FEW * close.size:
        pairs = np.argwhere(close)
        for start in range(0, len(pairs), size):
            i, j = pairs[start : start + size].T
            squared[i, j] = np.square(a[i].astype(np.float64) - b[j]).sum(axis=1)
        return
    for top in range(0, len(a), size):
        one = a[top : top + size].astype(np.float64)
        for left in range(0, len(b), size):
            other = b[left : left + size].astype(np.float64)
            place = slice(top, top + size), slice(left, left + size)
            exact = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
            exact -= 2 * one @ other.T
            np.copyto(squared[place], exact, "same_kind", where=close[place])


def check_neighbours(images: int, neighbours: int) -> None:
    """Raises `UserError` unless each of the images has so many others."""
    check_whole("the number of neighbours", neighbours)
    if images < neighbours + 1:
        raise UserError(
            f"{images} images have no {neighbours} neighbours each; give {neighbours + 1} or more"
        )


def _centered(generated: Any, real: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as float32 about the real images' mean, where their squares round least."""
    generated, real = comparable(generated, real)
    mean = real.mean(axis=0, dtype=np.float64)
    return (generated - mean).astype(np.float32), (real - mean).astype(np.float32)
