"""The pictures of section 3.3's games, by matplotlib; the same input gives the same bytes."""

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.games import (
    FALLS,
    GAMES,
    METHODS,
    WITHIN,
    Game,
    Outcome,
    descend,
)
from improved_gan_tf.images import save_gif
from improved_gan_tf.runs.report.curves import THEMES

_COLOURS = THEMES["light"]
# Without and with averaging: orange and blue, apart for every kind of colour vision.
_NAMES = {False: "gradient descent", True: "with historical averaging"}
_LINES = {False: _COLOURS["second"], True: _COLOURS["first"]}
_CENTRES, _REACH = {"xy": (0.0, 0.0), "nonconvex": (1.7, 1.0)}, 3.0  # what is shown
_DRAWN = 20  # rate x steps of the trajectories: some turns about the equilibrium
_OFFSETS = np.array([(1.6, 0.7), (-1.3, -0.9)])  # where they start
_SWARM, _FRAMES, _SHOWN = 200, 80, 30  # dots, frames, and rate x steps of the animation
_HATCH = "////"
_BOUND: dict[str, Any] = {"color": _COLOURS["second"], "linewidth": 2}
_NUMBER: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9.5}
_STYLE = {
    "font.size": 11,
    "font.family": "DejaVu Sans",  # matplotlib brings it: the same picture everywhere
    "text.color": _COLOURS["text"],
    "axes.labelcolor": _COLOURS["text"],
    "axes.edgecolor": _COLOURS["quiet"],
    "axes.titlesize": 11,
    "xtick.color": _COLOURS["quiet"],
    "ytick.color": _COLOURS["quiet"],
    "legend.frameon": False,
    "hatch.color": "#c3cad2",
    "hatch.linewidth": 0.6,
}


def require_matplotlib() -> None:
    """Raises a `UserError` where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError("minimax needs matplotlib; install it: pip install matplotlib") from error


def orbits(
    game: Game, outcomes: Mapping[tuple[str, bool], Outcome], rate: float, weight: float
) -> bytes:
    """PNG of a game: trajectories over the vector field, and the distances by step.

    Args:
        game: The game.
        outcomes: By (method, whether with averaging).
        rate, weight: Of the steps.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(12, 7.6), layout="constrained")
        grid = figure.subplots(2, 3, width_ratios=(1, 1, 1.15))
        for line, method in zip(grid, METHODS, strict=True):
            for axes, averaging in zip(line, (False, True), strict=False):
                _field(axes, game)
                steps = int(min(len(outcomes[method, averaging].levels) - 1, _DRAWN / rate))
                _trajectories(axes, game, steps, method, rate, weight if averaging else 0.0)
                axes.set_title(f"{method}, {_NAMES[averaging]}")
            for averaging in (False, True):
                _distances(line[2], outcomes[method, averaging], averaging)
            line[2].set_title("distance to the equilibrium")
        for axes in grid[1, :2]:
            axes.set_xlabel("x")
        for axes in grid[:, 0]:
            axes.set_ylabel("y", rotation=0)
        grid[1, 2].set_xlabel("step")
        grid[0, 2].legend(loc="upper left")
        return _png(figure)


def _field(axes: Any, game: Game, arrows: int = 15) -> None:
    """The direction in which both players move, and the equilibrium."""
    x0, y0 = _CENTRES[game.name]
    ticks = np.linspace(-_REACH, _REACH, arrows + 2)[1:-1]
    x, y = np.meshgrid(x0 + ticks, y0 + ticks)
    down, up = game.slopes(x, y)
    length = np.maximum(np.hypot(down, up), 1e-9)
    look = {"color": "#c3cad2", "pivot": "mid", "scale": 26, "width": 0.0045, "headwidth": 3.5}
    axes.quiver(x, y, -down / length, up / length, **look)
    axes.plot(*game.equilibrium, "*", color=_COLOURS["text"], markersize=13, zorder=5)
    axes.set(xlim=(x0 - _REACH, x0 + _REACH), ylim=(y0 - _REACH, y0 + _REACH), aspect="equal")


def _trajectories(axes: Any, game: Game, steps: int, method: str, rate: float, weight: float):
    starts = game.equilibrium + _OFFSETS
    places = np.stack(list(descend(game, starts, steps, method, rate, weight)))
    places[~np.isfinite(places)] = np.nan
    colour = _LINES[weight > 0]
    for x, y in np.moveaxis(places, 0, -1):
        axes.plot(x, y, color=colour, linewidth=1.6)
        axes.plot(x[0], y[0], "o", color=_COLOURS["surface"], markeredgecolor=colour, markersize=8)


def _distances(axes: Any, outcome: Outcome, averaging: bool) -> None:
    levels = np.clip(outcome.levels[1:], 1e-9, 1e3)  # beyond the axes
    steps = np.arange(1, len(levels) + 1)
    low, middle, high = levels.T
    axes.fill_between(steps, low, high, color=_LINES[averaging], alpha=0.2, linewidth=0)
    axes.plot(steps, middle, color=_LINES[averaging], linewidth=2, label=_NAMES[averaging])
    axes.axhline(WITHIN, color=_COLOURS["quiet"], linewidth=1, linestyle=(0, (4, 3)))
    begin = min(10, len(steps) / 2)
    axes.text(1.1 * begin, 0.9 * WITHIN, f"{WITHIN:g}", va="top", color=_COLOURS["quiet"])
    axes.set(xscale="log", yscale="log", xlim=(begin, steps[-1]), ylim=(1e-3, 1e2))
    axes.grid(color=_COLOURS["grid"])


def scan(found: Mapping[str, Any]) -> bytes:
    """PNG of the share of starts that converge, by weight and rate.

    Args:
        found: What `minimax.reproduce` returns.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(12, 9.4), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True, sharey=True)
        for line, entry in zip(grid, found["games"], strict=True):
            for axes, method in zip(line, METHODS, strict=True):
                shown = _shares(axes, entry["scan"], GAMES[entry["game"]], method)
                axes.set_title(f"{entry['value']}, {method}")
        for axes in grid[1]:
            axes.set_xlabel("rate")
        for axes in grid[:, 0]:
            axes.set_ylabel("weight of historical averaging")
        figure.colorbar(shown, ax=grid, label="starts that converge, %", shrink=0.5, aspect=30)
        handles = [
            Patch(facecolor="none", hatch=_HATCH, label="the distance does not fall"),
            Patch(
                facecolor=matplotlib.colormaps["Blues"](0.0), label="0: it falls, but too slowly"
            ),
            Line2D([], [], **_BOUND, label="largest rate that settles near the equilibrium"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return _png(figure)


def _shares(axes: Any, scan: Mapping[str, Any], game: Game, method: str) -> Any:
    rates, weights = (np.array(scan[name]) for name in ("rates", "weights"))
    shares = 100 * np.array(scan["share_within"][method])
    change = np.array(scan["change"][method], dtype=float)  # NaN where it overflowed
    known = np.ma.masked_where((shares == 0) & ~(change < FALLS), shares)
    axes.patch.set(hatch=_HATCH, edgecolor="#c3cad2")
    edges = [_edges(values) for values in (rates, weights)]
    shown = axes.pcolormesh(*edges, known, cmap="Blues", vmin=0, vmax=100)
    for (i, j), share in np.ndenumerate(known.filled(np.nan)):
        if share >= 0:
            colour = _COLOURS["surface" if share > 55 else "text"]
            axes.text(rates[j], weights[i], f"{share:.0f}", color=colour, **_NUMBER)
    line = np.geomspace(edges[1][0], edges[1][-1], 200)
    axes.plot([game.limit(method, w) for w in line], line, **_BOUND)
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(*edges[0][[0, -1]])
    axes.set_xticks(rates, [f"{r:g}" for r in rates], minor=False)
    axes.set_yticks(weights, [f"{w:g}" for w in weights], minor=False)
    axes.minorticks_off()
    return shown


def _edges(values: np.ndarray) -> np.ndarray:
    """The borders of cells on a logarithmic axis around increasing values."""
    middle = np.sqrt(values[1:] * values[:-1])
    return np.concatenate([[values[0] ** 2 / middle[0]], middle, [values[-1] ** 2 / middle[-1]]])


def swarm(
    path: str | os.PathLike, starts: int, steps: int, rate: float, weight: float, seed: int
) -> None:
    """Writes the animation: all starts of the second game, without and with averaging."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    game = GAMES["nonconvex"]
    method = "alternating"
    begin = game.starts(starts, seed)[:_SWARM]
    count = int(min(steps, _SHOWN / rate))
    shown = np.unique(np.linspace(0, count, _FRAMES).round().astype(int))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 3.9), dpi=80, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        title, swarms, places = figure.suptitle(" ", fontsize=11), [], []
        for axes, averaging in zip(figure.subplots(1, 2), (False, True), strict=True):
            _field(axes, game)
            axes.set_title(_NAMES[averaging])
            swarms += axes.plot([], [], "o", color=_LINES[averaging], markersize=3.5)
            walk = descend(game, begin, count, method, rate, weight if averaging else 0.0)
            places.append([place for step, place in enumerate(walk) if step in shown])
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        frames = []
        for step, both in zip(shown, np.stack(places, axis=1), strict=True):
            canvas.restore_region(background)
            title.set_text(f"step {step}")
            for dots, place in zip(swarms, both, strict=True):
                dots.set_data(*place.T)
            for artist in (title, *swarms):
                figure.draw_artist(artist)
            frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    save_gif(path, frames, frames_per_second=12, factor=1)


def _png(figure: Any) -> bytes:
    """PNG of 256 colours, which these pictures need at most: a third of the size."""
    drawn, stream = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110, facecolor=_COLOURS["surface"])
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()
