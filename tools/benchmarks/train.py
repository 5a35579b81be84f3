"""A recipe's training step against the arithmetic floor, `fit`, and its input pipeline."""

import itertools

from benchmarks.timing import interleaved, sgemm

SUMMARY = "a recipe's training step: images per second, share of the arithmetic floor, pipeline"


def add_arguments(parser):
    parser.add_argument("--recipe", default="mnist-feature-matching")
    parser.add_argument("--data-dir", help="TFDS' data folder")
    parser.add_argument("--steps", type=int, default=20, help="steps a repeat")
    parser.add_argument("--repeats", type=int, default=9)


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    import tensorflow as tf

    from improved_gan_tf import experiments

    recipe = experiments.get(options.recipe)
    data = experiments.load_data(recipe, options.data_dir)
    gan = experiments.build(recipe, data)
    step = tf.function(gan.train_step, jit_compile=recipe.jit_compile)
    batch = next(iter(data.train))
    batches = itertools.chain.from_iterable(itertools.repeat(data.train))
    matmul, operations = sgemm()

    def steps():
        for _ in range(options.steps):
            logs = step(batch)
        logs["error"].numpy()

    def pipeline():
        for _ in range(options.steps):
            next(batches)

    short = data.train.take(options.steps)

    def fit():
        gan.fit(short, verbose=0, shuffle=False)

    seconds = interleaved(
        {"steps": steps, "fit": fit, "pipeline": pipeline, "sgemm": matmul}, options.repeats
    )
    one = seconds["steps"] / options.steps
    rate = operations / seconds["sgemm"]
    floor = step_operations(gan, recipe.batch_size) / rate
    result = {
        "recipe": recipe.name,
        "step_ms": 1e3 * one,
        "images_per_second": recipe.batch_size / one,
        "sgemm_gflops": rate / 1e9,
        "floor_ms": 1e3 * floor,
        "floor_over_step": floor / one,
        "pipeline_over_step": seconds["pipeline"] / seconds["steps"],
        "fit_over_step": seconds["fit"] / seconds["steps"],
    }
    for name, value in result.items():
        print(f"{name:20s}{value if isinstance(value, str) else f'{value:.4g}'}")
    return result


def step_operations(gan, batch):
    """Floating-point operations of one training step, matrix products and convolutions alone.

    A pass forward costs 2 operations a multiplication and image; the gradient of the weights as
    much, the gradient of the input as much. The discriminator's step needs all three on three
    batches (no input gradient in the first layer), and the generator's images; a generator step
    the features of real images, and of generated ones with their input gradient, and the
    generator's pass and both gradients.
    """
    disc = _multiplications(gan.discriminator)
    gen = _multiplications(gan.generator)
    features = _multiplications(gan.features)
    d, g, f = sum(disc), sum(gen), sum(features)
    if gan.objective == "supervised":
        return 2 * batch * (3 * d - disc[0])
    total = 3 * (3 * d - disc[0]) + g
    seen = f if gan.objective == "feature_matching" else d
    real = f if gan.objective == "feature_matching" else 0
    total += gan.generator_steps * (real + 2 * seen + 3 * g - gen[0])
    return 2 * batch * total


def _multiplications(model):
    """Multiplications an image of each layer with a kernel, in the order of the layers."""
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
        # A convolution uses its kernel once a position of its output, a transposed one of its
        # input.
        transposed = "Transpose" in type(inner).__name__
        positions = (layer.input if transposed else layer.output).shape[1:-1]
        for n in positions:
            size *= n
        found.append(size)
    return found
