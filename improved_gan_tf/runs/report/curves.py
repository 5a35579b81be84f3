"""The pictures of a report: error and loss curves (matplotlib), sample grids over time (Pillow)."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from improved_gan_tf.errors import UserError

# Blue and orange stay apart for every kind of colour vision and in grey print.
THEMES = {
    "light": {
        "text": "#2b323b",
        "quiet": "#5b6571",
        "grid": "#e4e7eb",
        "first": "#0a66b0",
        "second": "#d9692a",
        "surface": "#ffffff",
    },
    "dark": {
        "text": "#dde3ea",
        "quiet": "#9aa5b1",
        "grid": "#333b45",
        "first": "#6fb7f2",
        "second": "#f2a267",
        "surface": "#1b2027",
    },
}
LOSSES = {
    "supervised_loss": "supervised loss",
    "unsupervised_loss": "unsupervised loss",
    "real_loss": "discriminator's loss on real images",
    "fake_loss": "discriminator's loss on generated images",
    "class_loss": "class loss",
    "generator_loss": "generator loss",
    "learning_rate": "learning rate",
}
LOG_SPAN = 8  # a logarithmic axis from this ratio between the largest and the smallest value
WIDEST_STRIP = 2800  # pixels


def errors(run, theme, form):
    """Validation error by epoch, with the averaged and with the raw weights, and the baseline.

    Without any validation error in the log, the training error takes its place.

    Args:
        run: a `report.Run`.
        theme: "light" or "dark".
        form: "png" (opaque) or "svg" (transparent).

    Returns:
        The picture's bytes, or None where the log has no error.

    Raises:
        UserError: matplotlib is not installed.
    """
    curves = error_curves(run)
    if not curves:
        return None

    def draw(figure, colours):
        axes = figure.add_subplot()
        looks = ((colours["first"], 2.2, 3), (colours["second"], 1.3, 2))
        for (label, epochs, values), (colour, width, order) in zip(curves, looks, strict=False):
            look = {"color": colour, "zorder": order, **_line(epochs, width)}
            axes.plot(epochs, values, label=f"{label}: {percent(values[-1])}", **look)
        levels = [values for _, _, values in curves]
        if run.baseline is not None:
            label = f"labelled images alone: {percent(run.baseline)}"
            axes.axhline(run.baseline, color=colours["quiet"], ls=(0, (5, 3)), label=label)
            levels.append([run.baseline])
        _epoch_axis(axes, run)
        _value_axis(axes, np.concatenate(levels), lambda value, _: f"{100 * value:g} %", True)
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation error" if "val_error" in run.log else "error")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3)

    return _picture(draw, 3.9, theme, form)


def losses(run, theme, form):
    """The losses by epoch, and the learning rate where it varies: one panel each.

    Arguments, result and errors as `errors`.
    """
    panels = loss_curves(run)
    if not panels:
        return None

    def draw(figure, colours):
        column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (label, epochs, values) in zip(column, panels, strict=True):
            axes.plot(epochs, values, color=colours["first"], **_line(epochs, 1.7))
            _epoch_axis(axes, run)
            _value_axis(axes, values, lambda value, _: f"{value:g}", False)
            axes.set_title(label, loc="left")
            axes.set_title(f"last: {values[-1]:.3g}", loc="right", color=colours["quiet"])
        column[-1].set_xlabel("epoch")

    return _picture(draw, 0.7 + 1.7 * len(panels), theme, form)


def strip(samples):
    """The sample grids side by side in two rows at most, each under its epoch.

    Args:
        samples: list of (epoch, path of a picture), up to 8.

    Returns:
        PNG bytes, or None without samples.
    """
    if not samples:
        return None
    pictures = []
    for _, path in samples:
        with Image.open(path) as image:
            pictures.append(image.convert("RGB"))
    columns = len(pictures) if len(pictures) <= 4 else -(-len(pictures) // 2)
    shrink = min(1.0, WIDEST_STRIP / columns / max(picture.width for picture in pictures))
    if shrink < 1:
        size = [(round(p.width * shrink), round(p.height * shrink)) for p in pictures]
        pictures = [p.resize(s, Image.Resampling.BOX) for p, s in zip(pictures, size, strict=True)]
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    gap = max(12, width // 24)
    font = ImageFont.load_default(max(14, width // 22))
    caption = round(font.size * 1.9)
    rows = -(-len(pictures) // columns)
    size = (columns * (width + gap) + gap, rows * (height + caption + gap) + gap)
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


def averages(run):
    """Whether the run's model tests averaged weights (beside the raw ones): ImageNet's has none."""
    return "val_error_current" in (run.log or {})


def error_curves(run):
    """[(label, epochs, values)] of the errors drawn."""
    curves = [
        _curve(run, "val_error", "averaged weights" if averages(run) else "validation error"),
        _curve(run, "val_error_current", "raw weights"),
    ]
    curves = [curve for curve in curves if curve]
    if curves:
        return curves
    training = [
        _curve(run, "error", "training error, labelled images"),
        _curve(run, "running_error", "running top-1 error"),
    ]
    return [curve for curve in training if curve]


def loss_curves(run):
    """[(label, epochs, values)] of the losses drawn."""
    panels = [_curve(run, column, label) for column, label in LOSSES.items()]
    if panels[-1] and np.all(panels[-1][2] == panels[-1][2][0]):
        panels.pop()  # a constant learning rate is told by the recipe's values
    return [panel for panel in panels if panel]


def number(value):
    """`value` as a finite float, or None for whatever is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def percent(rate):
    """.0206 -> "2.06 %", with a space that does not break."""
    return f"{100 * rate:.2f}\N{NO-BREAK SPACE}%"


def _curve(run, column, label):
    """(label, epochs, values) where the column has numbers; None where it has none.

    Epochs without one are left out: an error may be measured every few epochs only.
    """
    values = (run.log or {}).get(column)
    if values is None or not np.isfinite(values).any():
        return None
    known = np.isfinite(values)
    return label, run.log["epoch"][known], values[known]


def _line(epochs, width):
    """Thin lines where there are many points; marks where there are few, or one alone."""
    if len(epochs) > 300:
        return {"linewidth": 0.6 * width, "alpha": 0.85}
    return {"linewidth": width, **({"marker": "o", "markersize": 3.6} if len(epochs) < 12 else {})}


def _epoch_axis(axes, run):
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0, run.epochs + max(0.1, 0.01 * run.epochs))


def _value_axis(axes, values, form, dense):
    """A logarithmic axis where positive values span much; else one from 0 where that is near.

    `dense` allows some eight ticks, otherwise some four.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = np.min(values), np.max(values)
    if low > 0 and high / low >= LOG_SPAN:
        axes.set_yscale("log")
        fine, coarse = ((1, 2, 3, 5, 7), (1, 2, 5)) if dense else ((1, 2, 5), (1,))
        steps = fine if high / low < (30 if dense else 100) else coarse
        axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
    elif 0 <= low <= 0.5 * high or (dense and low >= 0):
        axes.set_ylim(0, 1.06 * high if high > 0 else 1)
    axes.yaxis.set_major_formatter(FuncFormatter(form))


def _picture(draw, height, theme, form):
    """Bytes of a figure 8.6 inches wide on which `draw(figure, colours)` has drawn.

    The same input gives the same bytes. No global state of matplotlib is touched.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("a report needs matplotlib; install it: pip install matplotlib") from error
    colours = THEMES[theme]
    style = {
        "font.size": 10,
        "font.family": "DejaVu Sans",  # matplotlib brings it: the same picture everywhere
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
        figure = Figure(figsize=(8.6, height), layout="constrained")
        draw(figure, colours)
        if form == "svg":
            plain = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(stream, format="svg", transparent=True, metadata=plain)
        else:
            figure.savefig(stream, format="png", dpi=150, facecolor=colours["surface"])
    return stream.getvalue()
