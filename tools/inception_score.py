"""`improved-gan score` as a script: python tools/inception_score.py samples/ --reference real/"""

import sys

from improved_gan_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
