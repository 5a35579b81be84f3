"""The report's HTML page: one file, pictures inside, no scripts, for screen, dark screen and print.

The curves come twice, drawn for a light and for a dark page; the style shows the one that fits.
Everything a picture shows is also said in its text alternative or in a table.
"""

import base64
import html
import io
import re

from PIL import Image

from improved_gan_tf.runs.report.curves import averages, error_curves, loss_curves, number, percent
from improved_gan_tf.runs.report.style import STYLE

WIDEST_PICTURE = 1200  # pixels: larger grids are embedded scaled down

LOG_COLUMNS = {
    "supervised_loss": "supervised loss",
    "unsupervised_loss": "unsupervised loss",
    "real_loss": "loss, real",
    "fake_loss": "loss, generated",
    "class_loss": "class loss",
    "generator_loss": "generator loss",
    "error": "training error",
    "running_error": "running top-1 error",
    "val_error": "validation error",
    "val_error_current": "validation error, raw weights",
}
RESULT_NAMES = {
    "test_error": "test error, averaged weights",
    "test_error_current": "test error, raw weights",
    "baseline.test_error": "test error, labelled images alone",
    "seconds": "time",
}


def page(run, errors, losses, grids, rows):
    """The whole page.

    Args:
        run: a `report.Run`.
        errors, losses: {"light": SVG bytes, "dark": SVG bytes}, with None where there is no curve.
        grids: list of (epoch, path of a picture): the sample grids over time.
        rows: list of (epoch, ...): the lines of the log to print.

    Returns:
        HTML as str.
    """
    parts = [_notes(run), _curves(run, errors, losses), _samples(grids), _progress(run, rows)]
    parts += [_results(run), _settings(run)]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(run.name)}: training report</title>
<style>{STYLE}</style>
</head>
<body>
<div class="wrap">
<header>
<p class="kind">GAN training report</p>
<h1>{_text(run.name)}</h1>
<p class="state">{_text(_state(run))}</p>
</header>
<main>
{_tiles(run)}
{"".join(parts)}</main>
<footer>Drawn from the files in {_text(run.folder)}.</footer>
</div>
</body>
</html>
"""


def _state(run):
    """Whether the run is finished, and how far it came."""
    if run.results is None:
        planned = f" of {run.planned_epochs:,}" if isinstance(run.planned_epochs, int) else ""
        return f"Not finished: {run.epochs:,}{planned} epochs so far."
    parts = []
    epochs, steps, seconds = (number(run.results.get(k)) for k in ("epochs", "steps", "seconds"))
    if epochs is not None:
        parts.append(f"{epochs:,.0f} epoch{'' if epochs == 1 else 's'}")
    if steps is not None:
        parts.append(f"{steps:,.0f} steps")
    if seconds is not None:
        parts.append(_duration(seconds))
    return "Finished" + (": " + ", ".join(parts) if parts else "") + "."


def _tiles(run):
    """The figures that matter most, or nothing where there are none."""
    tiles = []
    results = run.results or {}
    averaged, raw = number(results.get("test_error")), number(results.get("test_error_current"))
    if averaged is not None:
        more = "averaged weights"
        if run.baseline:
            share = f"{100 * averaged / run.baseline:.0f}\N{NO-BREAK SPACE}%"
            more += f"; {share} of the error with labels alone"
        tiles.append(("Test error", percent(averaged), more))
    if raw is not None:
        tiles.append(("Test error, raw weights", percent(raw), "as the last step left them"))
    if not tiles:
        for label, epochs, values in error_curves(run):
            where = f"{label}, epoch {epochs[-1]:,.0f}"
            tiles.append(("Latest error", percent(values[-1]), where))
    if run.baseline is not None:
        more = "the same classifier without the unlabelled images"
        tiles.append(("Labelled images alone", percent(run.baseline), more))
    if run.labeled is not None:
        tiles.append(("Labelled images", f"{len(run.labeled):,}", "labels seen in training"))
    items = []
    for place, (label, value, more) in enumerate(tiles):
        main = " main" if place == 0 else ""
        items.append(
            f'<div class="tile{main}"><dt>{_text(label)}</dt><dd class="value">{_text(value)}</dd>'
            f'<dd class="more">{_text(more)}</dd></div>'
        )
    return f'<dl class="tiles">{"".join(items)}</dl>' if items else ""


def _notes(run):
    if not run.notes:
        return ""
    items = "".join(f"<li>{_text(note)}</li>" for note in run.notes)
    return f'<section class="notes"><h2>What is missing or odd</h2><ul>{items}</ul></section>\n'


def _curves(run, errors, losses):
    if not errors["light"] and not losses["light"]:
        return ""
    parts = ["<section><h2>Curves</h2>"]
    if errors["light"]:
        said = [_course(curve, percent) for curve in error_curves(run)]
        if run.baseline is not None:
            said.append(f"labelled images alone: {percent(run.baseline)}, a dashed line")
        caption = "Share of the images classified wrongly."
        if averages(run):
            caption = "Share of the validation images classified wrongly, with the running average "
            caption += "of the weights and with the weights as each epoch left them."
        parts.append(_curve(errors, "Errors by epoch. " + "; ".join(said) + ".", caption))
    if losses["light"]:
        said = [_course(curve, "{:.3g}".format) for curve in loss_curves(run)]
        caption = "Means over the steps of each epoch. The two players pull against each other: "
        caption += "none of these losses has to fall for the classifier to improve."
        parts.append(_curve(losses, "Losses by epoch. " + "; ".join(said) + ".", caption))
    return "".join(parts) + "</section>\n"


def _course(curve, form):
    """A curve in words."""
    label, epochs, values = curve
    if len(values) == 1:
        return f"{label}: {form(values[0])} at epoch {epochs[0]:.0f}"
    return (
        f"{label}: from {form(values[0])} at epoch {epochs[0]:.0f} "
        f"to {form(values[-1])} at epoch {epochs[-1]:.0f}"
    )


def _curve(pictures, alternative, caption):
    # Two images and not one <picture>: browsers do not choose its source anew for printing.
    drawn = "".join(
        f'<img class="{theme}" src="{_uri("image/svg+xml", content)}" alt="{_text(alternative)}">'
        for theme, content in pictures.items()
    )
    return (
        f'<figure class="curve">{_scroll(caption)}{drawn}</div>'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _samples(grids):
    if not grids:
        return ""
    epoch, path = grids[-1]
    parts = [
        f'<section><h2>Samples</h2><figure class="grid">{_grid(epoch, path)}'
        f"<figcaption>Images drawn from the generator after epoch {epoch:,}.</figcaption></figure>"
    ]
    if len(grids) > 1:
        figures = [f"<figcaption>Epoch {e:,}</figcaption>{_grid(e, path)}" for e, path in grids]
        items = "".join(f"<li><figure>{figure}</figure></li>" for figure in figures)
        parts.append(f'<h3>Over time</h3><ul class="time">{items}</ul>')
    return "".join(parts) + "</section>\n"


def _grid(epoch, path):
    """The <img> of one sample grid."""
    with Image.open(path) as image:
        width, height = image.size
        content = path.read_bytes()
        if max(width, height) > WIDEST_PICTURE:
            image = image.convert("RGB")
            image.thumbnail((WIDEST_PICTURE, WIDEST_PICTURE), Image.Resampling.LANCZOS)
            width, height = image.size
            stream = io.BytesIO()
            image.save(stream, "PNG", optimize=True)
            content = stream.getvalue()
    return (
        f'<img src="{_uri("image/png", content)}" width="{width}" height="{height}" '
        f'alt="Grid of generated images after epoch {epoch}">'
    )


def _progress(run, rows):
    """The log, thinned out, as a table."""
    columns = [name for name in LOG_COLUMNS if name in (run.log or {})]
    if not rows or not columns:
        return ""
    titles = dict(LOG_COLUMNS)
    if averages(run):
        titles["val_error"] += ", averaged weights"
    head = "".join(f'<th scope="col">{_text(titles[name])}</th>' for name in columns)
    index = {int(epoch): place for place, epoch in enumerate(run.log["epoch"])}
    body = []
    for epoch, *_ in rows:
        cells = []
        for name in columns:
            value = run.log[name][index[epoch]]
            form = percent if "error" in name else "{:#.4g}".format
            cells.append(f"<td>{_text(form(value)) if value == value else '&ndash;'}</td>")
        body.append(f'<tr><th scope="row">{epoch:,}</th>{"".join(cells)}</tr>')
    count = len(run.log["epoch"])
    which = "every epoch" if len(body) == count else f"{len(body)} of the {count:,} epochs"
    return (
        f'<section><h2>Progress</h2>{_scroll("Progress")}<table class="numbers">'
        f"<caption>{_text(which.capitalize())}; log.csv has all of them in full.</caption>"
        f'<thead><tr><th scope="col">epoch</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div></section>\n"
    )


def _results(run):
    if not run.results:
        return ""
    rows = []
    for key, value in _flat(run.results):
        what = key.rsplit(".", 1)[-1]
        known = number(value) is not None
        if known and "error" in what and 0 <= value <= 1:
            said = f"{percent(value)} ({value:.6g})"
        elif known and what == "seconds":
            said = f"{_duration(value)} ({value:,.1f} s)"
        elif known and isinstance(value, int) and "seed" not in what:
            said = f"{value:,}"
        else:
            said = _value(value)
        rows.append((RESULT_NAMES.get(key, key.replace("_", " ")), said, False))
    return f"<section><h2>Results</h2>{_facts('From results.json', rows)}</section>\n"


def _settings(run):
    """The recipe and everything else that it takes to repeat the run."""
    config = dict(run.config or {})
    recipe, overrides = config.pop("recipe", None), config.pop("overrides", None) or {}
    command = config.pop("command", None)
    overrides = overrides if isinstance(overrides, dict) else {"options": overrides}
    changed = {key for key, _ in _flat(overrides)}
    recipe = recipe if isinstance(recipe, dict) else {"name": recipe} if recipe else {}
    tables = []
    if recipe:
        rows = [(key, _value(value), key in changed) for key, value in _flat(recipe)]
        tables.append(_facts("Recipe", rows))
        missed = changed - {key for key, _, _ in rows}
        rows = [(key, _value(value), False) for key, value in _flat(overrides) if key in missed]
        tables.append(_facts("Other options given", rows) if rows else "")
    others = []
    loose = {}
    for name, value in config.items():
        if isinstance(value, dict):
            rows = [(key, _value(item), False) for key, item in _flat(value)]
            others.append(_facts(name.replace("_", " ").capitalize(), rows) if rows else "")
        else:
            loose[name] = value
    if loose:
        others.append(_facts("Further values", [(k, _value(v), False) for k, v in loose.items()]))
    if run.labeled is not None:
        indices = ", ".join(str(index) for index in run.labeled[:2000])
        more = ", ..." if len(run.labeled) > 2000 else ""
        others.append(
            f"<h3>Labelled images</h3><p>{len(run.labeled):,} training images were used with their "
            f"labels.</p><details><summary>Their indices</summary><p>{indices}{more}</p></details>"
        )
    left, right = "".join(tables), "".join(others)
    if run.exported:
        right += "<h3>Generator</h3><p>Exported as a SavedModel: folder <code>generator</code>.</p>"
    if command:
        command = command if isinstance(command, str) else " ".join(map(str, command))
        command = f"<h3>Command</h3><pre><code>{_text(command)}</code></pre>"
    if not (left or right or command):
        return ""
    columns = "".join(f"<div>{column}</div>" for column in (left, right) if column)
    return (
        f'<section><h2>How it was made</h2><div class="pair">{columns}</div>'
        f"{command or ''}</section>\n"
    )


def _facts(caption, rows):
    """A table of names and values; a marked value was set for this run."""
    body = []
    for key, value, marked in rows:
        mark = ' <span class="set">set for this run</span>' if marked else ""
        name = re.sub(r"([._])", r"\1<wbr>", _text(key))  # long names break there, if they must
        body.append(f'<tr><th scope="row">{name}</th><td>{_text(value)}{mark}</td></tr>')
    return (
        f'{_scroll(caption)}<table class="facts"><caption>{_text(caption)}</caption>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _scroll(label):
    """The start of a frame in which a wide table scrolls, also by keyboard."""
    return f'<div class="scroll" role="region" aria-label="{_text(label)}" tabindex="0">'


def _flat(mapping, prefix=""):
    """(dotted key, value) of every leaf of nested dictionaries."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _value(value):
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return str(value)


def _duration(seconds):
    """5025 -> "1 h 24 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _uri(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _text(value):
    return html.escape(str(value))
