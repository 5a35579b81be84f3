"""Timing on a machine whose speed varies: interleaved repeats, medians, their spread."""

import statistics
import time

FLOORS = {"float32": "float32 product", "bfloat16": "bfloat16 product"}  # names of `products`


def repeated(functions, repeats):
    """Returns each function's seconds of every round, {name: [seconds, ...]}.

    They are measured in turn, so that drift affects all alike.

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
    return seconds


def medians(seconds):
    """Returns each function's median, {name: seconds}, of what `repeated` returned."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def interleaved(functions, repeats):
    """Returns each function's median seconds, {name: seconds}; see `repeated`."""
    return medians(repeated(functions, repeats))


def spread(values, factor=1.0):
    """Returns the least and the largest of the values, times a factor."""
    return [factor * min(values), factor * max(values)]


def products():
    """Returns large matrix products by TensorFlow's own kernels, and a product's operations.

    Their rates are the floors' of float32 and of bfloat16, on the device that the steps run on. A
    GPU, whose float32 products are TF32's unless that is switched off, takes larger ones: 2,048^3
    would be over before it is busy.
    """
    import tensorflow as tf

    n = 8192 if tf.config.list_physical_devices("GPU") else 2048
    return {name: _product(n, dtype) for dtype, name in FLOORS.items()}, 2 * n**3


def rates(seconds, operations):
    """Takes the floors' products out of medians; returns their rates, {"float32": per second}."""
    return {dtype: operations / seconds.pop(name) for dtype, name in FLOORS.items()}


def _product(n, dtype):
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal((n, n), (1, 2)), dtype)
    product = tf.function(lambda: tf.matmul(a, a))
    return lambda: product()[0, 0].numpy()
