"""The curves of several runs in one picture: a panel for each quantity, a colour for each group."""

import dataclasses
from typing import Any

import numpy as np

from improved_gan_tf.quantities import QUANTITIES, labels, quantity
from improved_gan_tf.runs.reading import Run
from improved_gan_tf.runs.report import curves

# Beyond these colours the lines are dashed, then dotted.
_COLOURS = {
    "light": ("#0a66b0", "#d9692a", "#2a8a57", "#a4458f", "#8a6d00", "#2f9ab8", "#b5323f"),
    "dark": ("#6fb7f2", "#f2a267", "#6ccf9b", "#df8fcd", "#d9bd57", "#7fd6ea", "#f28b95"),
}
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
_ERRORS = ("val_error", "val_error_current"), ("error", "running_error")


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that are drawn in one colour: one run, or several that differ in their seeds."""

    name: str
    runs: list[Run]

    def curves(self, key: str) -> list[curves.Curve]:
        """The curve of each run that has the quantity."""
        return [found for run in self.runs for found in curves.of(run, "", {key: ""})]


def error_keys(groups: list[Group]) -> list[str]:
    """The errors that are drawn: of validation, or where no run has one, of training."""
    return _present(groups, _ERRORS[0]) or _present(groups, _ERRORS[1])


def keys_of(groups: list[Group], *kinds: str) -> list[str]:
    """The quantities of these kinds, see `quantities`, that a run has."""
    return _present(groups, [row.key for row in QUANTITIES if row.kind in kinds])


def picture(
    groups: list[Group], keys: list[str], theme: str, form: str, narrow: bool = False
) -> bytes:
    """A panel for each quantity, in two columns, with the curves of all runs.

    A group of several runs has a thin line for each run and a thick one for their mean, as far as
    all of them have come.

    Args:
        groups: The runs.
        keys: The quantities; at least one.
        theme, form, narrow: See `curves.errors`.
    """

    def draw(figure: Any, colours: dict[str, str]) -> None:
        from matplotlib.lines import Line2D

        columns = 1 if narrow or len(keys) == 1 else 2
        lines = -(-len(keys) // columns)
        percent = all(quantity(key).kind == "error" for key in keys)  # then one scale for all
        share = {"sharex": True, "sharey": percent}
        panels = figure.subplots(lines, columns, squeeze=False, **share).ravel()
        titles = labels(keys)
        for axes, key in zip(panels, keys, strict=False):
            for group, look in _looks(groups, theme):
                _draw(axes, group, key, look)
            shown = [
                curve.values for k in (keys if percent else [key]) for curve in _all(groups, k)
            ]
            curves.epoch_axis(axes, max(run.epochs for group in groups for run in group.runs))
            curves.value_axis(axes, np.concatenate(shown), percent, len(keys) <= 2)
            axes.set_title(titles[key], loc="left")
        for axes in panels[len(keys) :]:
            axes.remove()
        for axes in panels[max(0, len(keys) - columns) : len(keys)]:
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
        figure.legend(
            [Line2D([], [], linewidth=2.2, **look) for _, look in _looks(groups, theme)],
            # Names of folders that are not UTF-8 are no texts to draw.
            [group.name.encode(errors="replace").decode() for group in groups],
            loc="outside upper left",
            ncols=1 if narrow else min(3, len(groups)),
        )

    lines = len(keys) if narrow else -(-len(keys) // 2)
    entries = len(groups) if narrow else -(-len(groups) // 3)
    high = 3.4 if len(keys) <= 2 else 2.2
    return curves.picture(draw, 0.4 + high * lines + 0.24 * entries, theme, form, narrow)


def _all(groups, key):
    return [curve for group in groups for curve in group.curves(key)]


def _present(groups, keys):
    return [key for key in keys if _all(groups, key)]


def _looks(groups, theme):
    """(group, its colour and dashes) of each."""
    colours = _COLOURS[theme]
    for place, group in enumerate(groups):
        dashes, colour = divmod(place, len(colours))
        yield group, {"color": colours[colour], "linestyle": _DASHES[dashes % len(_DASHES)]}


def _draw(axes, group, key, look):
    """Draws the curves of a group, and their mean."""
    found = group.curves(key)
    alone = len(group.runs) == 1
    for curve in found:
        line = curves.line(curve.epochs, 2.0 if alone else 0.9)
        axes.plot(curve.epochs, curve.values, **{**line, "alpha": 0.95 if alone else 0.45}, **look)
    if not alone and found:
        epochs = found[0].epochs
        for curve in found[1:]:
            epochs = np.intersect1d(epochs, curve.epochs)
        known = [curve.values[np.isin(curve.epochs, epochs)] for curve in found]
        axes.plot(epochs, np.mean(known, axis=0), linewidth=2.2, **look)
