"""Writes the bits behind `improved_gan_tf.random` to the standard output, for a battery of tests.

    python tools/random_bits.py layers | dieharder -g 200 -a

Streams, each without an end:

* draws: the draws of one seed, of 300 x 784 numbers, one after the other;
* layers: eight seeds 1 to 8, 512 numbers of each seed in turn, draw after draw;
* steps: four numbers of each step of one seed, so that neighbours are of other keys;
* replicas: 64 numbers of each of 16 replicas, keys (seed, step, replica), step after step.

Results: reference/results/random.
"""

import argparse
import contextlib
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Numbers per draw, and the words of the key from the count of draws so far.
STREAMS = {
    "draws": (300 * 784, lambda n: (1, n)),
    "layers": (512, lambda n: (1 + n % 8, n // 8)),
    "steps": (4, lambda n: (1, n)),
    "replicas": (64, lambda n: (1, n // 16, n % 16)),
}


def blocks(stream):
    """Yields bytes, about 4 MiB at a time."""
    import tensorflow as tf

    from improved_gan_tf import random

    size, words = STREAMS[stream]
    draws = max(1, 2**20 // size)

    @tf.function(autograph=False)
    def keys(first):
        # One column of keys for all draws, where `random._bits` has a key for one.
        counts = (first + tf.range(draws))[:, None]
        return random._key(tf.zeros_like(counts) + word for word in words(counts))

    @tf.function(jit_compile=True, autograph=False)
    def block(left, right):
        return random._mix(random._mix(left + tf.range(size)) ^ right)

    first = 0
    while True:
        yield block(*keys(tf.constant(first))).numpy().tobytes()
        first += draws


def main():
    """Writes until the reader has enough."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stream", choices=STREAMS)
    options = parser.parse_args()
    with contextlib.suppress(BrokenPipeError):
        for block in blocks(options.stream):
            sys.stdout.buffer.write(block)


if __name__ == "__main__":
    main()
