"""Minibatch discrimination: memory for a large batch, and speed vs the direct formula."""

import resource
import subprocess
import sys

from benchmarks.timing import medians, repeated, spread

SUMMARY = "MinibatchDiscrimination: peak memory at batch 2,048, speed vs the direct formula"


def add_arguments(parser):
    parser.add_argument("--batch", type=int, default=2048, help="of the memory measurement")
    parser.add_argument("--kernels", type=int, default=300)
    parser.add_argument("--dims", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only-memory", action="store_true", help="used by the tool itself")


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    if options.only_memory:
        print(_peak_growth(options.batch, options.kernels, options.dims))
        return {}
    # A process of its own: peak memory never comes down again.
    arguments = ["minibatch", "--only-memory", "--batch", str(options.batch)]
    arguments += ["--kernels", str(options.kernels), "--dims", str(options.dims)]
    shown = subprocess.run(
        [sys.executable, sys.argv[0], *arguments], capture_output=True, text=True, check=True
    )
    measured = repeated(formulas(), options.repeats)
    seconds = medians(measured)
    result = {
        "batch": options.batch,
        "kernels": options.kernels,
        "dims": options.dims,
        "peak_growth_mib": float(shown.stdout.split()[-1]),
        "ours_ms": 1e3 * seconds["ours"],
        "ours_ms_spread": spread(measured["ours"], 1e3),
        "direct_ms": 1e3 * seconds["direct"],
        "direct_over_ours": seconds["direct"] / seconds["ours"],
    }
    for name, value in result.items():
        print(f"{name:24s}{value if isinstance(value, list) else f'{value:.4g}'}")
    return result


def _gradients(function, variables):
    import tensorflow as tf

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(function(x)))
        return tape.gradient(loss, [x, *variables])

    return step


def _peak_growth(batch, kernels, dims):
    """MiB by which forward and backward raise the process' peak memory."""
    import tensorflow as tf

    from improved_gan_tf.layers import MinibatchDiscrimination

    layer = MinibatchDiscrimination(kernels, dims)
    x = tf.random.stateless_normal((batch, 250), (1, 2))
    layer.build(x.shape)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _gradients(layer, [layer.theta.value])(x)[0].numpy()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def formulas(batch=100, kernels=100, dims=5, features=250):
    """Returns functions of forward and backward, by default at the recipes' size.

    "ours" is the layer's, "direct" the formula written as it stands.
    """
    import tensorflow as tf

    from improved_gan_tf.layers import MinibatchDiscrimination

    layer = MinibatchDiscrimination(kernels, dims)
    x = tf.random.stateless_normal((batch, features), (1, 2))
    layer.build(x.shape)

    def direct(x):
        theta = layer.theta.value
        w = theta * tf.exp(layer.log_weight_scale.value) / tf.sqrt(tf.reduce_sum(theta**2, 0))
        m = tf.reshape(x @ tf.reshape(w, (features, -1)), (batch, kernels, dims))
        distance = tf.reduce_sum(tf.abs(m[:, None] - m[None]), -1)
        distance += 1e6 * tf.eye(batch)[:, :, None]
        f = tf.reduce_sum(tf.exp(-distance), 1) + layer.bias.value
        return tf.concat([x, f], -1)

    steps = {
        "ours": _gradients(layer, [layer.theta.value]),
        "direct": _gradients(direct, [layer.theta.value]),
    }
    return {name: lambda step=step: step(x)[0].numpy() for name, step in steps.items()}
