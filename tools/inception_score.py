"""Inception score, FID and KID of images: `improved-gan score` as a script.

python tools/inception_score.py samples/ --reference real_statistics.npz
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from improved_gan_tf.cli import score as command
from improved_gan_tf.errors import UserError


def main(arguments=None):
    """Returns the exit code: 0, or 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(description=command.DESCRIPTION)
    command.add_score_arguments(parser)
    try:
        command.score_command(parser.parse_args(arguments))
    except UserError as error:
        print(f"inception_score: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninception_score: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
