"""`improved-gan convert` as a script: tools/convert_imagenet.py SOURCE_DIR OUT_DIR [options]."""

import sys

from improved_gan_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
