"""Timing that can be trusted on a machine whose speed varies: interleaved repeats, medians."""

import statistics
import time


def interleaved(functions, repeats):
    """Seconds of each function: {name: median}, measured in turn so that drift hits all alike.

    Args:
        functions: {name: function without arguments that returns when its work is done}.
        repeats: rounds; one more comes first and is not counted.
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
    """(function, floating-point operations): this machine's large float32 matrix product."""
    import tensorflow as tf

    a = tf.random.stateless_normal((n, n), (1, 2))
    product = tf.function(lambda: tf.matmul(a, a))
    return (lambda: product().numpy()), 2 * n**3
