"""Gives every reader of files generated input: either a result or an error of one line.

    python tools/fuzz.py --examples 10000 --seed 1 --json fuzz.json
    python tools/fuzz.py npz tar

Prints of each reader the examples, how many gave a result and how many were refused, other
exceptions (each kind with an input that gives it), and the growth of memory at its peak.
"""

import argparse
import base64
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzzing.readers import LIMITS, READERS, limited, outcome
from hypothesis import HealthCheck, Phase, given, seed, settings

from improved_gan_tf.files import write_json
from improved_gan_tf.runs import recorded

_TOGETHER = 1000  # examples that hypothesis generates at a time


def fuzz(name, examples, number):
    """The figures of one reader."""
    counts = {"result": 0, "refusal": 0}
    others = {}
    reader = READERS[name]

    def check(value):
        try:
            counts[outcome(reader, Path(folder), value)] += 1
        except Exception as error:
            kind = f"{type(error).__name__}: {str(error)[:100]}"
            first = [0, base64.b64encode(repr(value).encode()).decode()]
            others.setdefault(kind, first)[0] += 1

    begin, before = time.perf_counter(), _peak_megabytes()
    with tempfile.TemporaryDirectory() as folder, limited():
        for start in range(0, examples, _TOGETHER):  # it remembers what it gave
            options = settings(
                max_examples=min(_TOGETHER, examples - start),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            options(seed(number + start)(given(reader.inputs)(check)))()
    return {
        "examples": sum(counts.values()) + sum(n for n, _ in others.values()),
        "results": counts["result"],
        "refusals": counts["refusal"],
        "other_exceptions": sum(n for n, _ in others.values()),
        "peak_growth_megabytes": round(_peak_megabytes() - before, 1),
        "seconds": round(time.perf_counter() - begin, 1),
    }, others  # fmt: skip


def _peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Runs the readers; returns 1 where one let another exception through."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reader", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--examples", type=int, default=1000, help="of each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    unknown = set(options.reader) - set(READERS)
    if unknown:
        parser.error(f"unknown reader {min(unknown)}; choose of {', '.join(READERS)}")
    found = {}
    for name in options.reader or READERS:
        found[name], others = fuzz(name, options.examples, options.seed)
        print(name, *(f"{key} {value}" for key, value in found[name].items()), sep="  ", flush=True)
        for kind, (count, example) in others.items():
            print(f"  {count} x {kind}\n    {example[:2000]}", flush=True)
        if options.json:
            about = {"seed": options.seed, "limits": LIMITS, "readers": found}
            write_json(options.json, recorded(about))
    return int(any(figures["other_exceptions"] for figures in found.values()))


if __name__ == "__main__":
    sys.exit(main())
