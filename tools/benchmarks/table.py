"""The table of what `all` has measured, as Markdown, and its plot."""

import json
import os
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_text

BEGIN = "<!-- measured: written by tools/benchmark.py all --chapter -->"
END = "<!-- end of what was measured -->"
_COLUMNS = ("work", "cost", "float32 floor", "bfloat16 floor", "plain form", "peers", "spread")
_LEGEND = (
    "Floors: the work's arithmetic at the rate of a large matrix product of that type, as a share "
    "of the cost. Plain form and peers: so many times our cost. Spread: of the repeats, against "
    "the median."
)


def read(folder):
    """Returns the figures of the files in a folder, {name: dictionary}."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(Path(folder).glob("*.json"), key=lambda path: path.stem)
    }


def check_chapter(file):
    """Refuses a chapter that has no place for the table; returns what is before and after."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{file} has no place for the table; expected lines {BEGIN} and {END}")
    return before, after


def write(folder, chapter=None):
    """Writes table.md and, where the sizes were measured, scaling.png; returns the table.

    Args:
        folder: Where the figures are, and where it goes.
        chapter: A file that gets the table too, between its markers. None (default): none does.
    """
    folder, found = Path(folder), read(folder)
    if "scaling" in found:
        plot(found["scaling"], folder / "scaling.png")
    text = markdown(found)
    write_text(folder / "table.md", text)
    if chapter is not None:
        before, after = check_chapter(chapter)
        place = os.path.relpath(folder, Path(chapter).parent)
        inside = markdown(found, "" if place == "." else f"{place}/")
        write_text(chapter, f"{before}{BEGIN}\n\n{inside}\n{END}{after}")
    return text


def markdown(found, place=""):
    """The whole text.

    Args:
        found: What `read` returned.
        place: What is put before the names of files.
    """
    rows = [row for kind in _KINDS for name in found for row in _rows(kind, name, found[name])]
    parts = [_machine(found.get("machine", {})), _table(_COLUMNS, rows), _LEGEND]
    trained = [about for name, about in found.items() if name.startswith("train-")]
    if trained:
        columns = ("step of", "steps per call", "by itself", "fit", "input pipeline", "peak memory")
        parts += ["Around the step, as multiples of its cost:"]
        parts += [_table(columns, [_around(about) for about in trained])]
    if "products" in found:
        parts += _products(found["products"])
    if "scaling" in found:
        title = "Cost against batch, width and kernels"
        parts += [f"![{title}]({place}scaling.png)"]
    missing = found.get("machine", {}).get("not_measured", {})
    parts += [f"Not measured: {name} ({reason})." for name, reason in missing.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine(about):
    if not about:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    quick = "**A quick run, of small sizes: its figures say that it runs.** " * about["quick"]
    return (
        f"{quick}{about['date']}, {about['cores']} cores ({about['processor']}), Python "
        f"{about['python']}, {versions}; load average {about['load_before']:.1f} before."
    )


def _rows(kind, name, about):
    """The rows of one file, if it is of that kind."""
    return _KINDS[kind](about) if name == kind or name.startswith(f"{kind}-") else ()


def _row(work, cost, float32="", bfloat16="", plain="", peers="", spread=""):
    share = [f"{x:.2f}" if isinstance(x, float) else x for x in (float32, bfloat16)]
    return [work, cost, *share, plain, peers, spread]


def _train(about):
    low = about.get("mixed_precision", "none")
    floors = {"float32": about["floor_over_step"]}
    if low != "none":
        floors = {"bfloat16": about.get("bfloat16_floor_over_step", "")}
    work = f"{about['recipe']}, training step"
    work += f", batch {about['batch_size']}" if "batch_size" in about else ""
    yield _row(
        f"{work}{'' if low == 'none' else f', {low}'}",
        _ms(about["step_ms"]),
        **floors,
        plain=_times(about, "plain_over_step", "without XLA"),
        peers=_times(about, "torch_over_step", "PyTorch"),
        spread=_spread(about.get("step_ms_spread"), about["step_ms"]),
    )


def _inception(about):
    if "rule" in about:
        yield _in_bfloat16(about)
        return
    if "ours, images/s" not in about:  # of the memory of scoring
        return
    speed = about["ours, images/s"]
    yield _row(
        "Inception features",
        f"{speed:.3g} images/s",
        about["ours / floor"],
        plain=_times(about, "ours / keras.applications", "keras.applications"),
        peers=_times(about, "ours / torch-fidelity", "torch-fidelity"),
        spread=_spread(about.get("ours, images/s, spread"), speed),
    )


def _in_bfloat16(about):
    speed = about["bfloat16, images/s"]
    others = [
        f"{speed / about[key]:.2f} ({title})"
        for title in ("ONNX Runtime", "OpenVINO", "OpenVINO, bfloat16")
        if (key := f"{title}, images/s") in about
    ]
    return _row(
        f"Inception in bfloat16 (measured only; {about['rule'].partition(':')[0]})",
        f"{speed:.3g} images/s",
        bfloat16=about["bfloat16 / its floor"],
        plain=f"{about['bfloat16 / float32']:.2f} (float32)",
        peers=", ".join(others),
    )


def _minibatch(about):
    yield _row(
        "minibatch discrimination, batch 100, 100 x 5, with gradients",
        _ms(about["ours_ms"]),
        plain=_times(about, "direct_over_ours", "direct formula"),
        spread=_spread(about.get("ours_ms_spread"), about["ours_ms"]),
    )
    defaults = {"batch": 2048, "kernels": 300, "dims": 50}
    batch, kernels, dims = (about.get(key, value) for key, value in defaults.items())
    yield _row(
        f"its memory, batch {batch:,}, {kernels} x {dims}",
        f"{about['peak_growth_mib']:.0f} MiB",
    )


def _sampling(about):
    yield _row(
        f"sampling imagenet, batch {about['batch']}, frozen reference",
        _ms(about["frozen_ms"]),
        plain=_times(about, "frozen_speedup", "with the reference batch"),
        spread=_spread(about.get("frozen_ms_spread"), about["frozen_ms"]),
    )


def _metrics(about):
    n = about["images"]
    yield _row(
        f"precision, recall, density, coverage, {n:,} x {n:,} x {about['features']:,}",
        _ms(1e3 * about["seconds"]),
        about["share_of_floor"],
        peers=_times(about, "prdc_over_ours", "prdc"),
    )


def _main_job(about):
    total = about["total_s"]
    yield _row(
        f"`improved-gan train {about['recipe']}`, start to end",
        _ms(1e3 * total),
        spread=_spread(about.get("spread", {}).get("total_s"), total),
    )


def _startup(about):
    for name, seconds in about["seconds"].items():
        if name in ("help", "recipes", "import its models"):
            spread = _spread(about.get("spread", {}).get(name), seconds)
            work = {"help": "`improved-gan --help`", "recipes": "`improved-gan recipes`"}
            yield _row(work.get(name, name), _ms(1e3 * seconds), spread=spread)


def _memory(about):
    yield _row(
        f"growth of memory over {about['steps']:,} steps",
        f"{about['growth_bytes_per_step']:.3g} bytes per step",
    )


_KINDS = {  # the beginnings of the files' names, in the table's order
    "main-job": _main_job,
    "train": _train,
    "minibatch": _minibatch,
    "sampling": _sampling,
    "inception": _inception,
    "metrics": _metrics,
    "startup": _startup,
    "memory": _memory,
}


def _around(about):
    name, low = about["recipe"], about.get("mixed_precision", "none")
    itself = about["step_by_itself_ms"] / about["step_ms"] if "step_by_itself_ms" in about else 1.0
    return [
        name if low == "none" else f"{name}, {low}",
        str(about.get("steps_per_call", 1)),
        f"{itself:.2f}",
        f"{about['fit_over_step']:.2f}",
        f"{about['pipeline_over_step']:.2g}",
        f"{about['peak_memory_mib']:,.0f} MiB" if "peak_memory_mib" in about else "",
    ]


def _products(about):
    """The products of a step, by library and type."""
    large = about["products"][0]
    ways = list(large["ms"])
    title = f"products of a step of {about['recipe']} ({about['step_gflop']:.2f} GFLOP)"
    rates = {way: about["step_gflop"] / ms for way, ms in about["step_ms"].items()}
    rows = [
        [f"{large['shape'][0]:,}^3", *(f"{large['gflops'][way]:.0f} GFLOP/s" for way in ways)],
        [title, *(f"{_ms(about['step_ms'][way])}, {1e3 * rates[way]:.0f} GFLOP/s" for way in ways)],
    ]
    gain = about["bfloat16_gain"]
    said = ", ".join(f"{found['step']:.2f} under {name}" for name, found in gain.items())
    note = f"On these shapes bfloat16 is so many times as fast as float32: {said}."
    return ["Matrix products alone:", _table(["product", *ways], rows), note]


def _ms(ms):
    return f"{ms / 1e3:.3g} s" if ms >= 1e3 else f"{ms:.3g} ms"


def _times(about, key, what):
    return f"{about[key]:.2f} ({what})" if key in about else ""


def _spread(ends, median):
    once = ends is None or ends[0] == ends[1]
    return "" if once else " to ".join(f"{end / median - 1:+.0%}" for end in ends)


def plot(about, path):
    """Draws the costs of `scaling` against sizes into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    panels = {
        "batch": (f"{about['recipe']}, a step", "batch"),
        "width": (f"{about['recipe']}, a step", "width"),
        "minibatch_kernels": ("minibatch discrimination", "kernels, batch 100"),
        "minibatch_batch": ("minibatch discrimination", "batch, 100 kernels"),
    }
    labels = {"step_ms": "measured", "floor_ms": "arithmetic at the float32 floor"}
    labels |= {"ours_ms": "ours", "direct_ms": "direct formula"}
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for (key, (title, what)), axis in zip(panels.items(), axes.flat, strict=True):
        column = about[key]
        sizes = column["values"]
        for name, label in labels.items():
            if name in column:
                style = "--" if name in ("floor_ms", "direct_ms") else "o-"
                axis.plot(sizes, column[name], style, label=label)
        axis.fill_between(sizes, *zip(*column["spread_ms"], strict=True), alpha=0.2)
        axis.set(xscale="log", yscale="log", title=title, xlabel=what, ylabel="ms")
        axis.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axis.minorticks_off()
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.legend()
    with temporary(path) as name:
        figure.savefig(name, format="png", dpi=100)
    pyplot.close(figure)
