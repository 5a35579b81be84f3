"""A recipe's training step vs the arithmetic floors, its plain form, PyTorch's, and `fit`."""

import itertools
import math
import resource
import statistics
import time

from benchmarks import torch_step
from benchmarks.operations import step_operations
from benchmarks.timing import medians, products, rates, repeated, spread
from improved_gan_tf.cli.train import add_value_options, given_values

SUMMARY = "a recipe's training step: share of the arithmetic floors, plain form, PyTorch, pipeline"


def add_arguments(parser):
    parser.add_argument("--recipe", default="mnist-feature-matching")
    parser.add_argument("--data-dir", help="TFDS' data folder")
    add_value_options(parser, ("data", "batch_size", "mixed_precision"))
    parser.add_argument(
        "--steps", type=int, help="steps per repeat (default: about one second of them, 1 to 20)"
    )
    parser.add_argument(
        "--repeats", type=int, help="default 9, or 5 where a step takes a second or more"
    )


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    from improved_gan_tf import experiments
    from improved_gan_tf.in_memory import InMemory
    from improved_gan_tf.models import many_steps

    recipe = experiments.override(experiments.get(options.recipe), **given_values(options))
    data = experiments.load_data(recipe, options.data_dir)
    gan = experiments.build(recipe, data)
    given = experiments.experiment(recipe).batches(data)
    in_memory = isinstance(given, InMemory)
    dataset = given.train if in_memory else given
    batch = next(iter(dataset))
    one_step, steps = _steps(gan, batch, gan.jit_compile)
    seconds_of_one = _seconds(one_step)
    count, repeats = _counts(seconds_of_one, options)
    count = min(count, data.steps_per_epoch)
    # More batches than are prefetched: the time of those would not be seen.
    fetched = max(count, 20)
    batches = itertools.chain.from_iterable(itertools.repeat(dataset))

    def pipeline():
        for _ in range(fetched):
            next(batches)

    large, operations = products()
    functions = {"step": lambda: steps(count), "pipeline": pipeline, **large}
    if in_memory and many_steps.possible(gan):
        fitted, trained = data.steps_per_epoch, data
        timed = gan.many_steps = timed_calls(gan, data)
        gan.fit(data, verbose=0)  # compiles the steps of a call
        functions["call"] = lambda: timed(iter([0]))
    else:
        fitted, trained, timed = count, dataset.take(count), None
    # At least a second of them, since what begins and ends `fit` comes once a run.
    epochs = math.ceil(1 / (fitted * seconds_of_one))
    shares = []  # of each `fit`, what its calls took

    def fit():
        start = time.perf_counter()
        before = timed.seconds if timed else 0
        gan.fit(trained, epochs=epochs, verbose=0, shuffle=False)
        if timed:
            shares.append((timed.seconds - before) / (time.perf_counter() - start))

    functions["fit"] = fit
    if gan.jit_compile:
        _, plain = _steps(gan, batch, jit_compile=False)
        functions["plain"] = lambda: plain(count)
    if (peer := torch_step.peer(recipe, batch, data.num_classes)) is not None:
        functions["torch"] = lambda: [peer() for _ in range(count)]
    measured = repeated(functions, repeats)
    seconds = medians(measured)
    per_call = gan.many_steps.at_once if "call" in functions else count
    ours = "call" if "call" in functions else "step"
    one = seconds[ours] / per_call
    gflop = step_operations(gan, recipe.batch_size) / 1e9
    rate = {dtype: found / 1e9 for dtype, found in rates(seconds, operations).items()}
    result = {
        "recipe": recipe.name,
        "data": data.name,
        "batch_size": recipe.batch_size,
        "mixed_precision": recipe.mixed_precision,
        "steps": count,
        "repeats": repeats,
        "steps_per_call": per_call if "call" in functions else 1,
        "step_ms": 1e3 * one,
        "step_ms_spread": spread(measured[ours], 1e3 / per_call),
        "step_by_itself_ms": 1e3 * seconds["step"] / count,
        "images_per_second": recipe.batch_size / one,
        "step_gflop": gflop,
        "sgemm_gflops": rate["float32"],
        "bfloat16_gflops": rate["bfloat16"],
        "floor_ms": 1e3 * gflop / rate["float32"],
        "bfloat16_floor_ms": 1e3 * gflop / rate["bfloat16"],
        "floor_over_step": gflop / rate["float32"] / one,
        "bfloat16_floor_over_step": gflop / rate["bfloat16"] / one,
        "pipeline_over_step": seconds["pipeline"] / fetched / one,
        # By its own calls where it makes some: the machine's speed drifts by more from one turn to
        # the next than they differ.
        "fit_over_step": 1 / statistics.median(shares[1:])
        if timed
        else seconds["fit"] / (epochs * fitted) / one,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    for other in {"plain", "torch"} & set(seconds):
        result[f"{other}_ms"] = 1e3 * seconds[other] / count
        result[f"{other}_over_step"] = seconds[other] / count / one
    for name, value in result.items():
        print(f"{name:26s}{f'{value:.4g}' if isinstance(value, int | float) else value}")
    return result


def timed_calls(gan, data):
    """Returns the training function of `fit` on data in memory, which adds up its `seconds`."""
    from improved_gan_tf.models.many_steps import ManySteps

    class Timed(ManySteps):
        seconds = 0.0

        def __call__(self, calls):
            start = time.perf_counter()
            logs = super().__call__(calls)
            logs["error"].numpy()  # waits for the steps
            self.seconds += time.perf_counter() - start
            return logs

    return Timed(gan, data)


def _steps(gan, batch, jit_compile):
    """Returns functions of one step on a batch, and of a number of them."""
    import tensorflow as tf

    step = tf.function(gan.train_step, jit_compile=jit_compile, autograph=False)

    def steps(count):
        for _ in range(count):
            logs = step(batch)
        logs["error"].numpy()

    return lambda: steps(1), steps


def _seconds(one_step):
    """Returns what a step takes once it is compiled."""
    one_step()
    start = time.perf_counter()
    one_step()
    return time.perf_counter() - start


def _counts(seconds, options):
    """Returns the steps per repeat and the repeats, from the options or a step's duration."""
    return (
        options.steps or max(1, min(20, round(1 / seconds))),
        options.repeats or (5 if seconds >= 1 else 9),
    )
