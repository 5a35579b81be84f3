"""A recipe's training step vs the arithmetic floor, `fit`, and its input pipeline."""

import itertools
import resource
import time

from benchmarks.timing import interleaved, sgemm
from improved_gan_tf.cli.train import add_value_options, given_values

SUMMARY = "a recipe's training step: images per second, share of the arithmetic floor, pipeline"


def add_arguments(parser):
    parser.add_argument("--recipe", default="mnist-feature-matching")
    parser.add_argument("--data-dir", help="TFDS' data folder")
    # Of mixed precision too the floor is that of float32.
    add_value_options(parser, ("data", "batch_size", "mixed_precision"))
    parser.add_argument(
        "--steps", type=int, help="steps per repeat (default: about one second of them, 1 to 20)"
    )
    parser.add_argument(
        "--repeats", type=int, help="default 9, or 5 where a step takes a second or more"
    )


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    import tensorflow as tf

    from improved_gan_tf import experiments
    from improved_gan_tf.in_memory import InMemory
    from improved_gan_tf.models import many_steps

    recipe = experiments.override(experiments.get(options.recipe), **given_values(options))
    data = experiments.load_data(recipe, options.data_dir)
    gan = experiments.build(recipe, data)
    step = tf.function(gan.train_step, jit_compile=gan.jit_compile)
    given = experiments.experiment(recipe).batches(data)
    in_memory = isinstance(given, InMemory)
    dataset = given.train if in_memory else given
    batch = next(iter(dataset))
    count, repeats = _counts(lambda: step(batch)["error"].numpy(), options)
    count = min(count, data.steps_per_epoch)
    # More batches than are prefetched: the time of those would not be seen.
    fetched = max(count, 20)
    batches = itertools.chain.from_iterable(itertools.repeat(dataset))
    matmul, operations = sgemm()

    def steps():
        for _ in range(count):
            logs = step(batch)
        logs["error"].numpy()

    def pipeline():
        for _ in range(fetched):
            next(batches)

    functions = {"steps": steps, "pipeline": pipeline, "sgemm": matmul}
    if in_memory and many_steps.possible(gan):
        fitted, trained = data.steps_per_epoch, data
        gan.fit(data, verbose=0)  # compiles the steps of a call
        functions["call"] = lambda: gan.many_steps(iter([0]))["error"].numpy()
    else:
        fitted, trained = count, dataset.take(count)
    functions["fit"] = lambda: gan.fit(trained, verbose=0, shuffle=False)
    seconds = interleaved(functions, repeats)
    alone = one = seconds["steps"] / count
    if "call" in functions:
        one = seconds["call"] / gan.many_steps.at_once
    rate = operations / seconds["sgemm"]
    floor = step_operations(gan, recipe.batch_size) / rate
    result = {
        "recipe": recipe.name,
        "data": data.name,
        "batch_size": recipe.batch_size,
        "mixed_precision": recipe.mixed_precision,
        "steps": count,
        "repeats": repeats,
        "steps_per_call": gan.many_steps.at_once if "call" in functions else 1,
        "step_ms": 1e3 * one,
        "step_by_itself_ms": 1e3 * alone,
        "images_per_second": recipe.batch_size / one,
        "step_gflop": step_operations(gan, recipe.batch_size) / 1e9,
        "sgemm_gflops": rate / 1e9,
        "floor_ms": 1e3 * floor,
        "floor_over_step": floor / one,
        "pipeline_over_step": seconds["pipeline"] / fetched / one,
        "fit_over_step": seconds["fit"] / fitted / one,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    for name, value in result.items():
        print(f"{name:20s}{value if isinstance(value, str) else f'{value:.4g}'}")
    return result


def _counts(one_step, options):
    """Returns the steps per repeat and the repeats, from the options or a step's duration."""
    one_step()  # compiles it
    start = time.perf_counter()
    one_step()
    seconds = time.perf_counter() - start
    return (
        options.steps or max(1, min(20, round(1 / seconds))),
        options.repeats or (5 if seconds >= 1 else 9),
    )


def step_operations(gan, batch):
    """Floating-point operations of one training step: matrix products and convolutions alone.

    A forward pass costs 2 operations per multiplication and image; the gradient of the weights
    costs as much again, and so does the gradient of the input.

    * The discriminator's step needs all three for three batches (no gradient of the first layer's
      input), and a forward pass of the generator.
    * A generator step needs the features of real images; those of generated images, with the
      gradient of their input; and the generator's forward pass with both gradients.
    * ImageNet's single update needs all three for the discriminator's joint batch, the gradient of
      its input once more for the generator, and the generator's three, in which a reference image
      costs as much as a live one.
    """
    disc = _multiplications(gan.discriminator)
    gen = _multiplications(gan.generator)
    d, g = sum(disc), sum(gen)
    if not hasattr(gan, "features"):
        reference = gan.generator.get_layer("z_reference").reference_size
        return 2 * (2 * batch * (4 * d - disc[0]) + (batch + reference) * (3 * g - gen[0]))
    features = _multiplications(gan.features)
    f = sum(features)
    if gan.objective == "supervised":
        return 2 * batch * (3 * d - disc[0])
    total = 3 * (3 * d - disc[0]) + g
    seen = f if gan.objective == "feature_matching" else d
    real = f if gan.objective == "feature_matching" else 0
    total += gan.generator_steps * (real + 2 * seen + 3 * g - gen[0])
    return 2 * batch * total


def _multiplications(model):
    """Multiplications per image of each layer with a kernel, in the order of the layers."""
    found = []
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        kernel = getattr(inner, "kernel", None)
        if kernel is None:
            if hasattr(inner, "theta"):
                found.append(int(inner.theta.shape[0] * inner.num_kernels * inner.dim_per_kernel))
            continue
        size = 1
        for n in kernel.shape:
            size *= n
        # A convolution uses its kernel once per position of its output, a transposed one per
        # position of its input.
        transposed = "Transpose" in type(inner).__name__
        positions = (layer.input if transposed else layer.output).shape[1:-1]
        for n in positions:
            size *= n
        found.append(size)
    return found
