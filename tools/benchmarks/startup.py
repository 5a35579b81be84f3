"""What starting costs before anything is trained or scored."""

import subprocess
import sys

from benchmarks.timing import interleaved

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
    seconds = interleaved(functions, options.repeats)
    for name, value in seconds.items():
        print(f"{name:24s}{value:.3f} s")
    return {"repeats": options.repeats, "seconds": seconds}
