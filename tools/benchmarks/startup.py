"""What starting costs before anything is trained or scored."""

import subprocess
import sys

from benchmarks.timing import medians, repeated, spread

SUMMARY = "seconds until the help, the list of recipes and the imports are there"

_PROGRAMS = {
    "python": ["-c", "pass"],
    "help": ["-m", "improved_gan_tf", "--help"],
    "recipes": ["-m", "improved_gan_tf", "recipes"],
    "import improved_gan_tf": ["-c", "import improved_gan_tf"],
    "import its models": ["-c", "import improved_gan_tf.models"],
    "import tensorflow": ["-c", "import tensorflow"],
}


def add_arguments(parser):
    parser.add_argument("--repeats", type=int, default=7)


def run(options):
    """Prints, and returns as a dictionary, what was measured."""

    def program(arguments):
        return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    functions = {name: program(arguments) for name, arguments in _PROGRAMS.items()}
    measured = repeated(functions, options.repeats)
    seconds = medians(measured)
    modules = {name: _modules(_PROGRAMS[name]) for name in ("python", "help", "recipes")}
    for name, value in seconds.items():
        print(f"{name:24s}{value:.3f} s" + f"{modules.get(name, ''):>8}")
    return {
        "repeats": options.repeats,
        "seconds": seconds,
        "spread": {name: spread(values) for name, values in measured.items()},
        "modules": modules,
    }


def _modules(arguments):
    """The number of modules that a program imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stderr.count(b"import time:")
