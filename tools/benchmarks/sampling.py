"""Sampling with virtual batch normalization: with the reference batch, and after freezing it."""

import resource
import tempfile

from benchmarks.timing import medians, repeated, spread

SUMMARY = "ImageNet's generator: speed after freeze_reference, and of the exported SavedModel"


def add_arguments(parser):
    parser.add_argument("--width", type=float, default=1.0, help="factor of the channels")
    parser.add_argument("--reference-size", type=int, default=16, help="examples of that batch")
    parser.add_argument("--batch", type=int, default=16, help="images per draw")
    parser.add_argument("--repeats", type=int, default=9)


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    import numpy as np
    import tensorflow as tf

    from improved_gan_tf import export, layers, networks

    generator = networks.imagenet.generator(
        width=options.width, reference_size=options.reference_size
    )
    frozen = layers.freeze_reference(generator)
    with tempfile.TemporaryDirectory() as folder:
        path = export.saved_model(frozen, f"{folder}/generator", (-1.0, 1.0), (-1.0, 1.0))
        served = tf.saved_model.load(str(path))
        shapes = [(options.batch, *x.shape[1:]) for x in generator.inputs]
        z = [tf.random.stateless_uniform(s, (1, i), -1, 1) for i, s in enumerate(shapes)]
        draws = {
            "with_reference": tf.function(lambda: generator(z)),
            "frozen": tf.function(lambda: frozen(z)),
            "saved_model": lambda: served.serve(*z),
        }
        images = {name: draw().numpy() for name, draw in draws.items()}
        functions = {name: lambda draw=draw: draw().numpy() for name, draw in draws.items()}
        measured = repeated(functions, options.repeats)
    seconds = medians(measured)
    whole = images["with_reference"]
    result = {
        "width": options.width,
        "batch": options.batch,
        "reference_size": options.reference_size,
        **{f"{name}_ms": 1e3 * value for name, value in seconds.items()},
        "frozen_ms_spread": spread(measured["frozen"], 1e3),
        "frozen_speedup": seconds["with_reference"] / seconds["frozen"],
        "saved_model_speedup": seconds["with_reference"] / seconds["saved_model"],
        "largest_difference": float(
            max(np.abs(images[name] - whole).max() for name in ("frozen", "saved_model"))
        ),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    for name, value in result.items():
        print(f"{name:24s}{value if isinstance(value, list) else f'{value:.4g}'}")
    return result
