"""Measures performance: ratios within one run, medians of interleaved repeats.

    python tools/benchmark.py train --recipe mnist-feature-matching
    python tools/benchmark.py minibatch
    python tools/benchmark.py all --out FOLDER    # every subject, one table, twenty minutes

Run it on a machine that does nothing else. `--json FILE` writes the figures.
"""

import argparse
import logging
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import (
    inception,
    inception_precision,
    main_job,
    memory,
    minibatch,
    neighbours,
    products,
    sampling,
    scaling,
    startup,
    train,
    whole,
)

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json
from improved_gan_tf.runs import recorded

SUBJECTS = {
    "all": whole,
    "inception": inception,
    "inception-precision": inception_precision,
    "main-job": main_job,
    "memory": memory,
    "metrics": neighbours,
    "minibatch": minibatch,
    "products": products,
    "sampling": sampling,
    "scaling": scaling,
    "startup": startup,
    "train": train,
}


def parser():
    """The parser of all subjects."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    subjects = parser.add_subparsers(required=True, metavar="SUBJECT")
    for name, subject in SUBJECTS.items():
        command = subjects.add_parser(name, help=subject.SUMMARY)
        subject.add_arguments(command)
        command.add_argument("--json", metavar="FILE", help="write the figures here too")
        command.set_defaults(run=subject.run)
    return parser


def main():
    """Runs one subject; returns the exit code."""
    options = parser().parse_args()
    logging.getLogger("tensorflow").setLevel("ERROR")  # nothing on functions that are traced anew
    try:
        result = options.run(options)
    except UserError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        return 2
    if options.json:
        write_json(options.json, recorded(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
