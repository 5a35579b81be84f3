"""The cost of a step against batch, width and kernels, with what the arithmetic alone would cost.

The recipe's step by itself, on random images: what they show does not change what a step computes.
Minibatch discrimination forward and backward, ours and the direct formula.
"""

from benchmarks.minibatch import formulas
from benchmarks.operations import step_operations
from benchmarks.timing import medians, products, rates, repeated, spread

SUMMARY = "cost of the MNIST step and of minibatch discrimination vs batch, width and kernels"


def add_arguments(parser):
    parser.add_argument("--recipe", default="mnist-feature-matching")
    parser.add_argument("--batches", type=int, nargs="+", default=[25, 50, 100, 200, 400])
    parser.add_argument("--widths", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0])
    parser.add_argument("--kernels", type=int, nargs="+", default=[25, 50, 100, 200, 400])
    parser.add_argument("--repeats", type=int, default=5)


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    recipe, repeats = options.recipe, options.repeats
    batches = [_step(recipe, repeats, batch_size=n) for n in options.batches]
    widths = [_step(recipe, repeats, width=width) for width in options.widths]
    kernels = [_minibatch(repeats, kernels=n) for n in options.kernels]
    crowds = [_minibatch(repeats, batch=n) for n in options.batches]
    result = {
        "recipe": recipe,
        "repeats": repeats,
        "batch": _column(options.batches, batches),
        "width": _column(options.widths, widths),
        "minibatch_kernels": _column(options.kernels, kernels),
        "minibatch_batch": _column(options.batches, crowds),
    }
    for name, column in result.items():
        if isinstance(column, dict):
            for what, values in column.items():
                if "spread" not in what:
                    text = "".join(f"{value:10.4g}" for value in values)
                    print(f"{name:20s}{what:12s}{text}")
    return result


def _column(values, rows):
    return {"values": list(values), **{key: [row[key] for row in rows] for key in rows[0]}}


def _step(name, repeats, width=1.0, **values):
    """Milliseconds of a compiled step, and of its arithmetic at the rate of a large product."""
    import tensorflow as tf

    from improved_gan_tf import experiments

    sizes = {"generator": {"width": width}, "discriminator": {"width": width}}
    gan = experiments.build(name, **sizes, **values)
    n = values.get("batch_size", experiments.get(name).batch_size)
    images = tf.random.stateless_uniform((n, *gan.image_shape), (1, 2))
    labels = tf.range(n) % gan.num_classes
    streams = {"labeled": (images, labels), "unlabeled": images, "unlabeled_generator": images}
    step = tf.function(gan.train_step, jit_compile=gan.jit_compile, autograph=False)
    large, operations = products()
    functions = {"step": lambda: [step(streams)["error"].numpy() for _ in range(5)], **large}
    measured = repeated(functions, repeats)
    seconds = medians(measured)
    arithmetic = step_operations(gan, n)
    floors = {k: arithmetic / rate for k, rate in rates(seconds, operations).items()}
    return {
        "step_ms": 1e3 * seconds["step"] / 5,
        "spread_ms": spread(measured["step"], 1e3 / 5),
        "floor_ms": 1e3 * floors["float32"],
    }


def _minibatch(repeats, **sizes):
    """Milliseconds of minibatch discrimination, forward and backward."""
    measured = repeated(formulas(**sizes), repeats)
    seconds = medians(measured)
    return {
        "ours_ms": 1e3 * seconds["ours"],
        "direct_ms": 1e3 * seconds["direct"],
        "spread_ms": spread(measured["ours"], 1e3),
    }
