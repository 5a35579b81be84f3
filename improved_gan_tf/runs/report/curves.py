"""The pictures of a report: error and loss curves (matplotlib), sample grids over time (Pillow)."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from improved_gan_tf.errors import UserError
from improved_gan_tf.quantities import AVERAGED, BASELINE, CURRENT, QUANTITIES, quantity
from improved_gan_tf.runs.reading import Run

# Blue and orange stay apart for every kind of colour vision and in grey print.
_COLOURS = ("text", "quiet", "grid", "first", "second", "surface")
_LIGHT = ("#2b323b", "#5b6571", "#e4e7eb", "#0a66b0", "#d9692a", "#ffffff")
_DARK = ("#dde3ea", "#9aa5b1", "#333b45", "#6fb7f2", "#f2a267", "#1b2027")
THEMES = {
    "light": dict(zip(_COLOURS, _LIGHT, strict=True)),
    "dark": dict(zip(_COLOURS, _DARK, strict=True)),
}
_WIDE, _NARROW = 8.6, 4.6  # inches: the width of the page, and that of a phone
_LOG_SPAN = 8  # a logarithmic axis from this ratio between the largest and the smallest value
_WIDEST_STRIP = 2800  # pixels


@dataclasses.dataclass(frozen=True)
class Curve:
    """A quantity by epoch; epochs without a number are left out."""

    title: str  # what is drawn: "validation error"
    label: str  # what distinguishes it from others of its title; empty where it is alone
    epochs: np.ndarray  # float64 (N,), N at least 1
    values: np.ndarray
    key: str

    @property
    def name(self) -> str:
        """Title and label."""
        return f"{self.title}, {self.label}" if self.label else self.title

    @property
    def last(self) -> str:
        """The last value, as people read it."""
        return quantity(self.key).text(self.values[-1])


def error_curves(run: Run) -> list[Curve]:
    """The errors that are drawn: of validation, or where there is none, of training."""
    averaged = AVERAGED if "val_error_current" in (run.log or {}) else ""
    validation = {"val_error": averaged, "val_error_current": CURRENT}
    training = {"error": "mean of each epoch", "running_error": "running average"}
    return of(run, "validation error", validation) or of(run, "training error", training)


def loss_curves(run: Run) -> list[Curve]:
    """The losses that are drawn, and the learning rate where it varies."""
    rows = [row for row in QUANTITIES if row.kind in ("loss", "rate")]
    found = [curve for row in rows for curve in of(run, row.label, {row.key: ""})]
    return [curve for curve in found if curve.key != "learning_rate" or np.ptp(curve.values) > 0]


def score_curves(run: Run) -> list[Curve]:
    """The scores of the generated images that were taken during training."""
    rows = [row for row in QUANTITIES if row.kind == "score"]
    return [curve for row in rows for curve in of(run, row.label, {row.key: ""})]


def errors(run: Run, theme: str, form: str, narrow: bool = False) -> bytes | None:
    """A picture of the errors by epoch, and of the baseline's; None where the log has no error.

    Args:
        run: What the run's folder says.
        theme: "light" or "dark".
        form: "png" (opaque) or "svg" (transparent).
        narrow: Whether the picture is for a phone. Default False.

    Raises:
        UserError: matplotlib is not installed.
    """
    curves = error_curves(run)
    if not curves:
        return None

    def draw(figure: Any, colours: dict[str, str]) -> None:
        axes = figure.add_subplot()
        looks = ((colours["first"], 2.2, 3), (colours["second"], 1.3, 2))
        for curve, (colour, width, order) in zip(curves, looks, strict=False):
            look = {"color": colour, "zorder": order, **line(curve.epochs, width)}
            label = f"{curve.label or curve.title}: {curve.last}"
            axes.plot(curve.epochs, curve.values, label=label, **look)
        levels = [curve.values for curve in curves]
        if shows_baseline(run):
            label = f"{BASELINE}: {quantity('test_error').text(run.baseline)}"
            axes.axhline(run.baseline, color=colours["quiet"], ls=(0, (5, 3)), label=label)
            levels.append(np.array([run.baseline]))
        epoch_axis(axes, run.epochs)
        value_axis(axes, np.concatenate(levels), True, True)
        axes.set_xlabel("epoch")
        axes.set_ylabel(curves[0].title)
        place = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0)}
        axes.legend(**place, ncols=1 if narrow else 3, fontsize="medium" if narrow else 9)

    return picture(draw, 4.3 if narrow else 3.9, theme, form, narrow)


def shows_baseline(run: Run) -> bool:
    """Whether the baseline's test error belongs into the picture of the errors."""
    curves = error_curves(run)
    return run.baseline is not None and bool(curves) and curves[0].key.startswith("val_")


def losses(run: Run, theme: str, form: str, narrow: bool = False) -> bytes | None:
    """The losses by epoch, and the learning rate where it varies: one panel each. See `errors`."""
    return _panels(run, loss_curves(run), theme, form, narrow)


def scores(run: Run, theme: str, form: str, narrow: bool = False) -> bytes | None:
    """The scores of the generated images by epoch: one panel each. See `errors`."""
    return _panels(run, score_curves(run), theme, form, narrow)


def _panels(run, panels, theme, form, narrow):
    if not panels:
        return None

    def draw(figure: Any, colours: dict[str, str]) -> None:
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, curve in zip(column, panels, strict=True):
            axes.plot(curve.epochs, curve.values, color=colours["first"], **line(curve.epochs, 1.7))
            epoch_axis(axes, run.epochs)
            value_axis(axes, curve.values, False, False)
            axes.set_title(curve.title, loc="left")
            axes.set_title(f"last: {curve.last}", loc="right", color=colours["quiet"])
        column[-1].set_xlabel("epoch")

    return picture(draw, 0.7 + 1.7 * len(panels), theme, form, narrow)


def strip(samples: list[tuple[int, Path]]) -> bytes | None:
    """PNG of up to 8 sample grids, (epochs done, path) each, in two lines under their epochs."""
    if not samples:
        return None
    pictures = []
    for _, path in samples:
        with Image.open(path, formats=["PNG"]) as image:
            pictures.append(image.convert("RGB"))
    columns = len(pictures) if len(pictures) <= 4 else -(-len(pictures) // 2)
    shrink = min(1.0, _WIDEST_STRIP / columns / max(picture.width for picture in pictures))
    if shrink < 1:
        pictures = [
            p.resize(
                (max(1, round(p.width * shrink)), max(1, round(p.height * shrink))),
                Image.Resampling.BOX,
            )
            for p in pictures
        ]
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    gap = max(12, width // 24)
    letters = max(14, width // 22)
    font = ImageFont.load_default(letters)
    caption = round(letters * 1.9)
    lines = -(-len(pictures) // columns)
    size = (columns * (width + gap) + gap, lines * (height + caption + gap) + gap)
    canvas = Image.new("RGB", size, THEMES["light"]["surface"])
    draw = ImageDraw.Draw(canvas)
    for place, ((epoch, _), picture) in enumerate(zip(samples, pictures, strict=True)):
        left = gap + place % columns * (width + gap)
        top = gap + place // columns * (height + caption + gap)
        middle = (left, top + caption // 2)
        draw.text(middle, f"epoch {epoch:,}", THEMES["light"]["text"], font, anchor="lm")
        canvas.paste(picture, (left, top + caption))
    stream = io.BytesIO()
    canvas.save(stream, "PNG")
    return stream.getvalue()


def of(run: Run, title: str, labels: dict[str, str]) -> list[Curve]:
    """The curves of {key: label} of which the log has numbers."""
    found = []
    for key, label in labels.items():
        values = (run.log or {}).get(key)
        if run.log is not None and values is not None and np.isfinite(values).any():
            known = np.isfinite(values)
            found.append(Curve(title, label, run.log["epoch"][known], values[known], key))
    return found


def line(epochs: np.ndarray, width: float) -> dict[str, Any]:
    """How a curve is drawn: thin where it has many points; with marks where it has few or one."""
    if len(epochs) > 300:
        return {"linewidth": 0.6 * width, "alpha": 0.85}
    return {"linewidth": width, **({"marker": "o", "markersize": 3.6} if len(epochs) < 12 else {})}


def epoch_axis(axes: Any, epochs: int) -> None:
    """Whole epochs, from 0 on."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0, epochs + max(0.1, 0.01 * epochs))


def value_axis(axes: Any, values: np.ndarray, percent: bool, dense: bool) -> None:
    """A logarithmic axis where positive values span much; else one from 0 where that is near.

    Args:
        axes: Of matplotlib.
        values: All that is drawn on them.
        percent: Whether they are fractions that are shown in per cent.
        dense: Whether there is room for some eight ticks; otherwise for some four.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = np.min(values), np.max(values)
    if low > 0 and high / low >= _LOG_SPAN:
        axes.set_yscale("log")
        fine, coarse = ((1, 2, 3, 5, 7), (1, 2, 5)) if dense else ((1, 2, 5), (1,))
        steps = fine if high / low < (30 if dense else 100) else coarse
        axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
    elif 0 <= low <= 0.5 * high or (dense and low >= 0):
        axes.set_ylim(0, 1.06 * high if high > 0 else 1)
    factor, unit = (100, " %") if percent else (1, "")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{factor * value:g}{unit}"))


def picture(draw: Callable, height: float, theme: str, form: str, narrow: bool) -> bytes:
    """Bytes of a figure on which `draw(figure, colours)` has drawn.

    The same input gives the same bytes, and no global state of matplotlib is touched.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("a report needs matplotlib; install it: pip install matplotlib") from error
    colours = THEMES[theme]
    style = {
        "font.size": 11 if narrow else 10,
        "font.family": "DejaVu Sans",  # matplotlib brings it: the same picture everywhere
        "text.parse_math": False,  # names of runs may have dollar signs
        "text.color": colours["text"],
        "axes.labelcolor": colours["text"],
        "axes.edgecolor": colours["quiet"],
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "grid.color": colours["grid"],
        "xtick.color": colours["quiet"],
        "ytick.color": colours["quiet"],
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.columnspacing": 1.6,
        "svg.fonttype": "path",
        "svg.hashsalt": "improved_gan_tf",
    }
    stream = io.BytesIO()
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(_NARROW if narrow else _WIDE, height), layout="constrained")
        draw(figure, colours)
        if form == "svg":
            plain = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(stream, format="svg", transparent=True, metadata=plain)
        else:
            figure.savefig(stream, format="png", dpi=150, facecolor=colours["surface"])
    return stream.getvalue()
