"""`python -m improved_gan_tf` is the command `improved-gan`."""

import sys

from improved_gan_tf.cli.main import main

sys.exit(main())
