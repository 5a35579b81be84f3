"""Matrix products in float32 and bfloat16, by XLA and by TensorFlow's own kernels.

Those of a dense recipe's training step, at their own shapes, and a large one. They say how much of
the step's distance from its floor is the products', and what bfloat16 gains in either library.
"""

from benchmarks.operations import dense_products
from benchmarks.timing import interleaved
from improved_gan_tf.errors import UserError

SUMMARY = "float32 and bfloat16 products under XLA and TensorFlow, at the shapes of a dense step"
LIBRARIES = {"TensorFlow": False, "XLA": True}  # jit_compile
DTYPES = ("float32", "bfloat16")
WAYS = [f"{dtype}, {library}" for dtype in DTYPES for library in LIBRARIES]


def add_arguments(parser):
    parser.add_argument("--recipe", default="mnist-feature-matching", help="a dense one")
    parser.add_argument("--size", type=int, default=2048, help="of the large product")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--operations",
        type=float,
        default=1e9,
        help="per measurement: a small product is repeated until it has so many (default 1e9)",
    )


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    from improved_gan_tf import experiments

    recipe = experiments.get(options.recipe)
    if recipe.network != "dense" or recipe.objective != "feature_matching":
        raise UserError(f"{recipe.name} is no dense recipe with feature matching")
    counted = dense_products(experiments.build(recipe), recipe.batch_size)
    n = options.size
    shapes = {("large", n, n, n): 0, **counted}
    print(f"{'':32s}{'ms of':>8s}{'GFLOP/s':>10s}")
    print(f"{'product (m, k) (k, n)':26s}{'times':>6s}" + "".join(f"{w:>22s}" for w in WAYS))
    rows = []
    for (kind, *shape), times in shapes.items():
        row = _measured(kind, shape, options)
        rows.append({"kind": kind, "shape": shape, "times": times, **row})
        text = "".join(f"{row['ms'][w]:12.3f}{row['gflops'][w]:10.0f}" for w in WAYS)
        print(f"{kind:9s}{'x'.join(map(str, shape)):17s}{times:6d}{text}", flush=True)
    of_step = {way: sum(row["times"] * row["ms"][way] for row in rows) for way in WAYS}
    best = sum(row["times"] * min(row["ms"][way] for way in WAYS[:2]) for row in rows)
    gain = {
        library: {
            "large": _ratio(rows[0]["ms"], library),
            "step": _ratio(of_step, library),
        }
        for library in LIBRARIES
    }
    print(f"{'all of a step, ms':32s}" + "".join(f"{of_step[w]:12.3f}{'':10s}" for w in WAYS))
    for library, found in gain.items():
        said = f"{found['large']:.2f} (large), {found['step']:.2f} (the step's)"
        print(f"bfloat16 is so many times as fast as float32 under {library}: {said}")
    return {
        "recipe": recipe.name,
        "batch_size": recipe.batch_size,
        "repeats": options.repeats,
        "products": rows,
        "step_gflop": sum(2 * m * k * n * c for (_, m, k, n), c in counted.items()) / 1e9,
        "step_ms": of_step,
        "step_ms_float32_by_the_faster": best,
        "bfloat16_gain": gain,
    }


def _ratio(ms, library):
    return ms[f"float32, {library}"] / ms[f"bfloat16, {library}"]


def _measured(kind, shape, options):
    """Milliseconds and GFLOP/s of one product in each way."""
    m, k, n = shape
    operations = 2 * m * k * n
    count = max(1, round(options.operations / operations))
    functions = {
        f"{dtype}, {library}": _product(kind, shape, dtype, jit_compile, count)
        for dtype in DTYPES
        for library, jit_compile in LIBRARIES.items()
    }
    seconds = interleaved(functions, options.repeats)
    return {
        "ms": {way: 1e3 * s / count for way, s in seconds.items()},
        "gflops": {way: operations * count / s / 1e9 for way, s in seconds.items()},
    }


def _product(kind, shape, dtype, jit_compile, count):
    """A function that makes one product `count` times.

    Its left factor is another one each time, or XLA would compute it once.
    """
    import tensorflow as tf

    m, k, n = shape
    sizes, transposed = {
        "weights": (((m, k), (m, n)), {"transpose_a": True}),
        "inputs": (((m, n), (k, n)), {"transpose_b": True}),
    }.get(kind, (((m, k), (k, n)), {}))
    left, right = (
        tf.cast(tf.random.stateless_normal(size, (i, 0)), dtype)
        for i, size in enumerate(((2, *sizes[0]), sizes[1]))
    )

    @tf.function(jit_compile=jit_compile, autograph=False)
    def products():
        first = tf.matmul(left[0], right, **transposed)

        def product(i, _):
            return i + 1, tf.matmul(tf.gather(left, i % 2), right, **transposed)

        return tf.while_loop(lambda i, _: i < count, product, [1, first])[1][0, 0]

    return lambda: products().numpy()
