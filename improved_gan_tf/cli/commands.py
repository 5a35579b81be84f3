"""The commands and what each is for; the module of a command is imported when that is given.

The help of all of them then waits for no NumPy, no recipes and no data.
"""

import argparse

COMMANDS = {
    "train": "train a recipe",
    "recipes": "list the recipes, or show one's values",
    "evaluate": "error rates on the test set",
    "sample": "draw images from the trained generator",
    "export": "write the generator for serving",
    "report": "write plots and a self-contained HTML page for one run, or comparing several",
    "predict": "the classes of images, by a run's classifier",
    "score": "Inception score, FID, KID, precision, recall and other figures of images",
    "classifier": "train a small classifier to use instead of Inception (score --classifier)",
    "reproduce": "train all runs of one of the paper's tables and print the table",
    "convert": "class folders of pictures to TFRecord files",
    "inception-graph": "the Inception network for programs written for the old file",
    "turing-test": "web pages on which people judge whether images are real or generated",
}


def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Gives a command's parser its arguments, and what they have by default.

    Its module sets `command`, a function of the parsed options; it may set `stopped`, how to
    continue, and `keras`, whether it uses Keras (True by default).

    Args:
        name: One of `COMMANDS`.
        parser: Its parser.
    """
    if name in ("train", "recipes"):
        from improved_gan_tf.cli.train import COMMANDS as declared
    elif name in ("evaluate", "sample", "export", "report"):
        from improved_gan_tf.cli.runs import COMMANDS as declared
    elif name == "predict":
        from improved_gan_tf.cli.predict import COMMANDS as declared
    elif name in ("score", "classifier"):
        from improved_gan_tf.cli.score import COMMANDS as declared
    elif name == "reproduce":
        from improved_gan_tf.cli.reproduce import COMMANDS as declared
    elif name in ("convert", "inception-graph"):
        from improved_gan_tf.cli.convert import COMMANDS as declared
    else:
        from improved_gan_tf.cli.turing_test import COMMANDS as declared
    from improved_gan_tf.cli.options import add_common

    declared[name](parser)
    add_common(parser)
