"""All subjects, each in a process of its own: their figures, one table, a plot.

What cannot be measured (data or a peer that is not there, a failure, more than the time limit) is
said in a line and in the table; the others go on. `memory` is not among them: it is a matter of
hundreds of epochs, and is measured by itself.
"""

import contextlib
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from benchmarks import table
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json

SUMMARY = "every subject in turn: a file of figures each, one table, a plot of cost vs sizes"
# File of the figures: the subject and its options, and those that --quick has in addition.
PLAN = {
    "startup": ("startup --repeats 3", "--repeats 1"),
    "products": ("products", "--repeats 1 --operations 1e7 --size 512"),
    "train-mnist-feature-matching": (
        "train --recipe mnist-feature-matching --repeats 3",
        "--repeats 1 --steps 2 --data digits",
    ),
    "train-mnist-feature-matching-bfloat16": (
        "train --recipe mnist-feature-matching --mixed-precision bfloat16 --repeats 3",
        None,
    ),
    "train-mnist-fast": ("train --recipe mnist-fast --repeats 3", None),
    "train-digits": ("train --recipe digits", None),
    "train-mnist-minibatch-discrimination": (
        "train --recipe mnist-minibatch-discrimination --repeats 2",
        None,
    ),
    "train-cifar10-feature-matching": (
        "train --recipe cifar10-feature-matching --steps 1 --repeats 3",
        "--repeats 1 --width 0.25",
    ),
    "train-cifar10-feature-matching-bfloat16": (
        "train --recipe cifar10-feature-matching --mixed-precision bfloat16 --steps 1 --repeats 3",
        None,
    ),
    "train-imagenet": ("train --recipe imagenet --steps 1 --repeats 3", None),
    "minibatch": ("minibatch", "--repeats 1 --batch 128 --kernels 50 --dims 5"),
    "inception": ("inception --repeats 3", "--repeats 1 --images 8 --batch-size 8"),
    "inception-precision": (
        "inception-precision --images 512",
        "--repeats 1 --images 16 --batch-size 8 --no-runtimes",
    ),
    "sampling": ("sampling --repeats 5", "--repeats 1 --width 0.125"),
    "metrics": (
        "metrics --images 10000 --repeats 1",
        "--images 500 --peer-images 500",
    ),
    "scaling": (
        "scaling",
        "--repeats 1 --batches 25 50 --widths 0.25 0.5 --kernels 25 50",
    ),
    "main-job": ("main-job --repeats 2", None),
}
_LIBRARIES = ("tensorflow", "keras", "numpy", "torch", "torch-fidelity", "onnxruntime", "openvino")


def add_arguments(parser):
    parser.add_argument("--out", metavar="FOLDER", default="benchmarks", help="default benchmarks")
    quick = "two to three minutes: one repeat of small sizes, some not at all; whether it all runs"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(PLAN)}")
    limit = "of each, which is then left out (default 600)"
    parser.add_argument("--seconds", type=float, default=600, help=limit)
    chapter = "a Markdown file: the table goes between its two markers as well"
    parser.add_argument("--chapter", metavar="FILE", help=chapter)
    table_only = "measure nothing: the table and the plot of what is in the folder"
    parser.add_argument("--table", action="store_true", help=table_only)


def run(options):
    """Measures, writes the files, and returns what machine it was and what is missing."""
    folder = Path(options.out)
    if options.chapter:
        table.check_chapter(options.chapter)
    names = options.only or list(PLAN)
    for name in names:
        if name not in PLAN:
            raise UserError(f"there is no {name}; expected of --only: {', '.join(PLAN)}")
    folder.mkdir(parents=True, exist_ok=True)
    if not options.table:
        about, missing, start = machine(), {}, time.perf_counter()
        for name in names:
            arguments, quick = PLAN[name]
            if options.quick and quick is None:
                continue
            words = [*arguments.split(), *((quick or "").split() if options.quick else ())]
            if (reason := measure(words, folder / f"{name}.json", options.seconds)) is not None:
                missing[name] = reason
        about |= {
            "quick": options.quick,
            "seconds": round(time.perf_counter() - start),
            "load_after": os.getloadavg()[0],
            "not_measured": missing,
        }
        write_json(folder / "machine.json", about)
    text = table.write(folder, options.chapter)
    print(text)
    return table.read(folder).get("machine", {})


def measure(words, file, limit):
    """Runs one subject; returns None, or why its figures are not there.

    Args:
        words: The subject and its options.
        file: Where its figures go.
        limit: Seconds from which it is stopped.
    """
    command = [sys.executable, sys.argv[0], *words]
    print(f"\n# {' '.join(words)}", flush=True)
    file.unlink(missing_ok=True)  # no figures of another time stand in for those that are missing
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, "--json", str(file)], stderr=subprocess.PIPE, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        reason = f"longer than {limit:g} s"
    else:
        print(f"# {time.perf_counter() - start:.0f} s", flush=True)
        if done.returncode == 0 and file.exists():
            return None
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        reason = lines[-1].removeprefix("benchmark: error: ")[:300]
    print(f"# not measured: {reason}", flush=True)
    return reason


def machine():
    """What it was measured on."""
    processor = "unknown"
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as stream:
        found = [line.split(":")[1].strip() for line in stream if line.startswith("model name")]
        processor = found[0] if found else processor
    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "python": ".".join(map(str, sys.version_info[:3])),
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
        "load_before": os.getloadavg()[0],
    }
