"""Class folders of pictures to TFRecord files for `--data records:OUT_DIR`.

    python tools/convert_imagenet.py ILSVRC2012/train imagenet_records --classes 1000

SOURCE_DIR has one sub-folder of pictures a class; labels count from 0 in the order of the sorted
folder names. Every picture's middle square is resized and stored as a JPEG, in shuffled order. A
conversion that was stopped goes on when it is started again. Pictures that could not be used, and
those that were not what their names say, are listed in OUT_DIR/skipped.txt.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # nothing to do for a GPU here

from improved_gan_tf.data.records.convert import SKIPPED_FILE, convert
from improved_gan_tf.errors import UserError


def main(arguments=None):
    """Returns the exit code: 0, 2 for input that cannot be used, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", metavar="SOURCE_DIR", help="folder with a sub-folder of pictures a class")
    add("out", metavar="OUT_DIR", help="folder to write")
    add("--size", type=int, default=128, help="side of the pictures written (128)")
    add("--shards", type=int, help="number of files (one for every 256 pictures, 1024 at most)")
    add("--quality", type=int, default=95, help="of the JPEGs, 1 to 100 (95)")
    add("--workers", type=int, help="processes that decode (as many as processors)")
    add("--seed", type=int, default=1, help="of the order of the pictures (1)")
    add("--synsets", metavar="FILE", help="its lines begin with the names of the classes to expect")
    add("--classes", type=int, metavar="N", help="number of classes to expect, 1000 for ImageNet")
    options = vars(parser.parse_args(arguments))
    try:
        done = convert(options.pop("source"), options.pop("out"), **options)
    except UserError as error:
        print(f"convert_imagenet: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nconvert_imagenet: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    _report(done)
    return 0


def _report(done):
    there = f", {done.kept_shards} of them there already" if done.kept_shards else ""
    print(
        f"{done.out}: {done.records} records of {done.classes} classes in {done.shards} shards"
        f"{there}"
    )
    if done.skipped or done.noted:
        print(
            f"{done.skipped} pictures skipped, {done.noted} unusual ones kept: see "
            f"{done.out / SKIPPED_FILE}"
        )
    for name in done.empty_classes:
        print(f"convert_imagenet: warning: no picture of class {name} can be read", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
