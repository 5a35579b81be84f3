"""The games of section 3.3: gradient descent orbits, with historical averaging it spirals in.

Two players with one parameter each, x, which minimizes V(x, y), and y, which maximizes it:

    xy          V = x y                        equilibrium (0, 0)
    nonconvex   V = (f(x) - 1) (y - 1)         equilibrium (1, 1); f(x) = x for x < 0, else x^2

A step of rate r, with historical averaging of weight w (0: without), m the means of the past:

    x <- x - r (dV/dx + 2 w (x - m_x))         y <- y + r (dV/dy - 2 w (y - m_y))

"simultaneous": both at the same place; "alternating": y moves at the new x.

What to expect. Near its equilibrium a game turns by dz/ds = i f z (f = 1, and 2 for nonconvex;
z = x + i y from the equilibrium). Without averaging a simultaneous step multiplies the distance by
sqrt(1 + r^2 f^2): it grows. Alternating steps neither grow nor shrink it. With averaging and the
mean held, the steps settle if r < `limit`, at the place c m with c = 2 w / (2 w - i f); then
the mean follows, by (c - 1) m / t in step t, so that the distance falls like t^-`power`,
power = 1 / (1 + 4 w^2 / f^2), and no faster: for large weights hardly at all.

All in NumPy, float64, many starts at once; `regularizers.HistoricalAveraging` gives the same steps.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

METHODS = ("simultaneous", "alternating")
WITHIN = 0.05  # a start has converged if it is never farther away in the last tenth of the steps
FALLS = 0.9  # an `Outcome.change` below this is called falling


def _xy(x, y):
    return y, x


def _nonconvex(x, y):
    positive = x >= 0
    return np.where(positive, 2 * x, 1.0) * (y - 1), np.where(positive, x * x, x) - 1


@dataclasses.dataclass(frozen=True)
class Game:
    """A game of two players with one parameter each.

    Attributes:
        name: "xy" or "nonconvex".
        value: V(x, y) in words.
        equilibrium: (x, y).
        frequency: f: by how much the place turns about the equilibrium in a unit of rate x steps.
        slopes: (x, y) -> (dV/dx, dV/dy), arrays of one shape.
    """

    name: str
    value: str
    equilibrium: tuple[float, float]
    frequency: float
    slopes: Callable[[Any, Any], tuple[Any, Any]]

    def starts(self, count: int, seed: int) -> np.ndarray:
        """Draws starts within 2 of the equilibrium in x and in y, uniformly: float64 (count, 2)."""
        return self.equilibrium + np.random.default_rng(seed).uniform(-2, 2, (count, 2))

    def distance(self, places: np.ndarray) -> np.ndarray:
        """The distance to the equilibrium of places (..., 2): (...); inf where it overflowed."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.hypot(*np.moveaxis(places - np.array(self.equilibrium), -1, 0))
        return np.where(np.isfinite(found), found, np.inf)

    def limit(self, method: str, weight: float) -> float:
        """The rate below which steps near the equilibrium settle; 0 where none does."""
        w, f = weight, self.frequency
        if method == "simultaneous" or w == 0:
            return 4 * w / (4 * w * w + f * f)
        return 2 / (f + 2 * w)

    def power(self, weight: float) -> float:
        """The power of t by which the distance falls in the end, with averaging."""
        ratio = 2 * weight / self.frequency
        return 1 / (1 + ratio * ratio)


GAMES = {
    game.name: game
    for game in (
        Game("xy", "xy", (0.0, 0.0), 1.0, _xy),
        Game("nonconvex", "(f(x) - 1)(y - 1)", (1.0, 1.0), 2.0, _nonconvex),
    )
}


def descend(
    game: Game, starts: np.ndarray, steps: int, method: str, rate: ArrayLike, weight: ArrayLike
) -> Iterator[np.ndarray]:
    """Yields the places of all starts: before the first step, and after each of `steps`.

    Args:
        game: One of `GAMES`.
        starts: Float (..., 2).
        steps: How many.
        method: "simultaneous" or "alternating".
        rate, weight: r and w, numbers, or arrays that broadcast with starts[..., 0].

    Example:

    >>> ends = list(descend(GAMES["xy"], np.array([1.0, 0.0]), 1000, "simultaneous", 0.1, 0.2))
    >>> len(ends), bool(np.abs(ends[-1]).max() < 0.01)
    (1001, True)
    """
    place: tuple[Any, ...] = starts[..., 0], starts[..., 1]
    mean = place  # of the past; in the first step there is none, and no pull
    yield np.stack(place, axis=-1)
    for t in range(1, steps + 1):
        moved = _step(game, place, mean, method == "alternating", rate, weight)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = tuple(m + (now - m) / t for m, now in zip(mean, place, strict=True))
        place = moved
        yield np.stack(place, axis=-1)


@np.errstate(over="ignore", invalid="ignore")  # too large a rate
def _step(game, place, mean, alternating, rate, weight):
    x, y = place
    new = x - rate * (game.slopes(x, y)[0] + 2 * weight * (x - mean[0]))
    slope = game.slopes(new if alternating else x, y)[1]
    return new, y + rate * (slope - 2 * weight * (y - mean[1]))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of many starts of a game; distances are those to the equilibrium.

    Attributes:
        levels: The distances that 5, 50 and 95 % of the starts are within, (steps + 1, ..., 3).
        worst: The largest distance of each start in the last tenth of the steps, (..., starts).
        first, last: The mean distance of each start in the first and in the last tenth.
    """

    levels: np.ndarray
    worst: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """The share of starts that stay within `WITHIN` in the whole last tenth of the steps."""
        return (self.worst <= WITHIN).mean(axis=-1)

    @property
    def change(self) -> np.ndarray:
        """The median of last / first: 1 for orbits, less where most starts approach."""
        with np.errstate(invalid="ignore"):
            change = self.last / self.first
        return np.median(np.where(np.isnan(change), np.inf, change), axis=-1)

    @property
    def power(self) -> float:
        """The power of t by which the median distance fell over the second half; NaN for none."""
        t = np.arange(len(self.levels) // 2, len(self.levels))
        median = self.levels[t, 1]
        if not (np.isfinite(median) & (median > 0)).all():
            return math.nan
        return -float(np.polyfit(np.log(t), np.log(median), 1)[0])


def play(
    game: Game, starts: np.ndarray, steps: int, method: str, rate: ArrayLike, weight: ArrayLike
) -> Outcome:
    """Plays from all starts, (N, 2); arguments as those of `descend`.

    With arrays (..., 1) as rate and weight the outcomes have as many dimensions.
    """
    shape = np.broadcast_shapes(np.shape(rate), np.shape(weight), (len(starts),))
    tenth = math.ceil((steps + 1) / 10)
    ranks = np.rint((len(starts) - 1) * np.array([0.05, 0.5, 0.95])).astype(int)
    levels, worst, first, last = [], np.zeros(shape), np.zeros(shape), np.zeros(shape)
    places = descend(game, np.broadcast_to(starts, (*shape, 2)), steps, method, rate, weight)
    for t, place in enumerate(places):
        distance = game.distance(place)
        levels.append(np.sort(distance, axis=-1)[..., ranks])
        if t < tenth:
            first += distance / tenth
        if t > steps - tenth:
            last += distance / tenth
            worst = np.maximum(worst, distance)
    return Outcome(np.stack(levels), worst, first, last)


def scan(
    game: Game, starts: np.ndarray, steps: int, method: str, rates: ArrayLike, weights: ArrayLike
) -> Outcome:
    """Plays at every weight and rate: an outcome whose share and change are (weights, rates)."""
    grid = np.asarray(rates)[None, :, None], np.asarray(weights)[:, None, None]
    return play(game, starts, steps, method, *grid)
