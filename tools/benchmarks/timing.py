"""Timing on a machine whose speed varies: interleaved repeats, medians."""

import statistics
import time


def interleaved(functions, repeats):
    """Returns each function's median seconds, {name: seconds}, measured in turn, so that drift
    affects all alike.

    Args:
        functions: Dictionary of functions without arguments, which return when their work is done.
        repeats: Integer, the number of rounds; one more comes first and is not counted.
    """
    seconds = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sgemm(n=2048):
    """Returns a large float32 matrix product as a function, and its floating-point operations."""
    import tensorflow as tf

    a = tf.random.stateless_normal((n, n), (1, 2))
    product = tf.function(lambda: tf.matmul(a, a))
    return (lambda: product().numpy()), 2 * n**3
