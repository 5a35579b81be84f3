"""`improved-gan inception-graph` as a script: tools/inception_graph.py OUT [options]."""

import sys

from improved_gan_tf.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inception-graph", *sys.argv[1:]]))
