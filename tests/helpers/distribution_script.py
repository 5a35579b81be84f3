"""Two replicas on logical CPU devices: the ImageNet model, then `semi_supervised_replicas.py`; run
by tests/experiments/test_distribution.py.

Its argument is the precision, "float64" or "float32": TensorFlow's collective operations confuse
the two in one process. Prints "ok NAME" for every check that holds; the first that fails ends the
process.
"""

import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import data, experiments, models
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import distribution
from improved_gan_tf.models import distributed
from improved_gan_tf.regularizers import HistoricalAveraging
from improved_gan_tf.runs.folder import RunFolder
from reference import historical_averaging
from tests.helpers import semi_supervised_replicas
from tests.helpers.checkpoints import cut_off_after_an_epoch
from tests.helpers.imagenet_golden import (
    HYPER,
    Comparison,
    batch,
    grid,
    recorded_networks,
    variable,
)


def recipe(**values):
    """Small enough for seconds: digits, 20 images per step."""
    small = {
        "data": "digits",
        "image_size": None,
        "generator": {"width": 0.125, "reference_size": 4},
        "discriminator": {"width": 0.125, "minibatch_dims": 3},
        "batch_size": 20,
        "steps_per_epoch": 20,
        "epochs": 1,
        "checkpoint_seconds": 0,
    }
    return experiments.override(experiments.get("imagenet"), **{**small, **values})


def replicas(v):
    return [np.asarray(x) for x in STRATEGY.experimental_local_results(v.value)]


def whole_step(function):
    return semi_supervised_replicas.whole_step(STRATEGY, function)


def check_two_towers():
    """The golden case: after one step of plain descent at rate 1, the parameters have moved by the
    mean of the towers' gradients."""
    case = Comparison("j_two_towers")
    towers = [batch(t) for t in (0, 1)]
    images, labels = (tf.stack([tower[i] for tower in towers]) for i in (0, 1))
    latents = [tf.stack(z) for z in zip(*(tower[2] for tower in towers), strict=True)]
    with STRATEGY.scope():
        gan = models.ImageNetGAN(*recorded_networks(), seed=0, noise=0.0)
        gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    before = {id(v): np.asarray(v, "float64") for v in gan.trainable_variables}
    gan.latents = lambda n, seed, step, replica: [z[replica] for z in latents]
    logs = whole_step(lambda i: gan.train_step((images[i], labels[i])))
    losses = np.mean(logs["generator_loss"])
    np.testing.assert_allclose(losses, case.arrays["g_losses"].mean(), rtol=1e-6)
    parts = [np.mean(logs[f"{name}_loss"]) for name in ("real", "fake", "class")]
    np.testing.assert_allclose(sum(parts), case.arrays["d_losses"].mean(), rtol=1e-6)
    for key in case.arrays:
        kind, _, name = key.partition("/")
        if kind == "grad_norm" and name not in HYPER["zero_gradient"]:
            network = gan.generator if name.startswith("g_") else gan.discriminator
            v = variable(network, name)
            gradient = before[id(v)] - np.asarray(v, "float64")
            # A difference of float64 parameters of order 1.
            case.add(key, np.sqrt(np.square(gradient).sum()))
            case.add(f"grad_grid/{name}", grid(gradient, 16))
    case.check(128)


def check_mean_of_the_halves():
    """One step of two replicas equals the mean of two single-device gradients on the halves."""
    stream = data.load_stream("digits", image_size=None, batch_size=20)
    images, labels = next(iter(stream.train()))
    chosen = recipe()
    single = experiments.build(chosen, stream)
    with STRATEGY.scope():
        gan = experiments.build(chosen, stream)
        gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    for one, other in zip(single.weights, gan.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    halves = [slice(0, 10), slice(10, 20)]
    expected, reports = {}, []
    for i, half in enumerate(halves):
        words = (single.seed, 0, i)
        report, gradients = single.gradients(
            images[half], labels[half], single.latents(10, *words), words
        )
        reports.append(report)
        for name, values in gradients.items():
            expected.setdefault(name, []).append([np.asarray(g, "float64") for g in values])
    before = {
        name: [np.asarray(v, "float64") for v in getattr(gan, name).trainable_variables]
        for name in expected
    }
    parts = [tf.reshape(x, (2, 10, *x.shape[1:])) for x in (images, labels)]
    logs = whole_step(lambda i: gan.train_step(tuple(x[i] for x in parts)))
    for name in ("real_loss", "fake_loss", "class_loss", "generator_loss", "error"):
        wanted = np.mean([r[name] for r in reports])
        np.testing.assert_allclose(np.mean(logs[name]), wanted, rtol=1e-9, err_msg=name)
    assert reports[0]["fake_loss"] != reports[1]["fake_loss"]  # each replica draws its own
    for name, halves in expected.items():
        variables = getattr(gan, name).trainable_variables
        for old, a, b, v in zip(before[name], *halves, variables, strict=True):
            moved, mean = old - np.asarray(v, "float64"), (a + b) / 2
            assert np.abs(moved - mean).max() <= 1e-6 * max(np.abs(mean).max(), 1e-6), v.path


def check_historical_averaging():
    """Penalty and update on two replicas: one mean and one count, as on one device."""
    rng = np.random.RandomState(0)
    with STRATEGY.scope():
        theta = keras.Variable(np.zeros(3))
        averaging = HistoricalAveraging(0.3)
        averaging.build([theta])
    past = list(rng.randn(5, 3))
    for t, value in enumerate(past):
        theta.assign(value)

        def step(replica):
            penalty = averaging.penalty([theta])
            averaging.update([theta])
            return penalty

        expected = historical_averaging.penalty(value, past[:t], 0.3) if t else 0
        np.testing.assert_allclose(whole_step(step), [expected, expected], rtol=1e-12)
    for v, wanted in ((averaging.count, 5), (averaging.means[0], np.mean(past, axis=0))):
        np.testing.assert_allclose(replicas(v), [wanted, wanted], rtol=1e-12)


def check_twenty_steps():
    """`fit` on two replicas: all variables stay identical on both, and the metrics are means."""
    chosen = recipe(historical_averaging=0.01)
    stream = experiments.load_data(chosen)
    with STRATEGY.scope():
        gan = experiments.build(chosen, stream)
    train = distributed.batches(STRATEGY, lambda r, w, i: stream.train(0, w, i, r))
    history = gan.fit(
        train, steps_per_epoch=20, validation_data=stream.test, verbose=0, shuffle=False
    )
    assert int(gan.discriminator_optimizer.iterations.numpy()) == 20
    checked = 0
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    for v in [*gan.weights, *(v for o in optimizers for v in o.variables)]:
        copies = replicas(v)
        if len(copies) == 2:
            np.testing.assert_array_equal(*copies, err_msg=v.path)
            checked += 1
    assert checked > 150
    # Held-out losses by both replicas are those of one device, up to the halves' own statistics.
    single = experiments.build(chosen, stream)
    single.set_weights([np.asarray(replicas(v)[0]) for v in gan.weights])
    halves = stream.test.unbatch().batch(10, drop_remainder=True)
    wanted = single.evaluate(halves, verbose=0, return_dict=True)
    for name in ("class_loss", "error"):
        np.testing.assert_allclose(history.history[f"val_{name}"][0], wanted[name], rtol=1e-6)


def check_runs_resume_exactly():
    """A run on two devices, cut off after its first epoch and resumed, ends as the whole one."""
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = (RunFolder(f"{folder}/{name}") for name in ("whole", "cut"))
        chosen = recipe(steps_per_epoch=3, epochs=2, historical_averaging=0.01)
        experiments.train(chosen, whole, verbose=False, devices=2)
        cut_off_after_an_epoch(whole, cut)
        experiments.train(chosen, cut, resume=True, verbose=False, devices=2)
        models_ = []
        for run in (whole, cut):
            assert run.config()["replicas"] == 2 and len(run.rows()) == 2
            _, gan, epochs = experiments.load_generator(run.path)
            assert epochs == 2
            models_.append(gan)
        for one, other in zip(*(gan.weights for gan in models_), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=one.path)


def check_refusals():
    for values, message in (
        ({"batch_size": 15}, "does not divide among 2 replicas"),
        ({"jit_compile": True}, "without jit_compile"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            try:
                experiments.train(recipe(**values), f"{folder}/run", devices=2)
            except UserError as error:
                assert message in str(error), error
            else:
                raise AssertionError(message)
            assert not RunFolder(f"{folder}/run").path.exists()


CHECKS = {
    "float64": (check_two_towers, check_mean_of_the_halves, check_historical_averaging),
    "float32": (check_twenty_steps, check_runs_resume_exactly, check_refusals),
}

if __name__ == "__main__":
    STRATEGY = distribution.strategy(recipe(), 2)
    keras.config.set_floatx(sys.argv[1])
    keras.config.set_dtype_policy(sys.argv[1])
    for check in CHECKS[sys.argv[1]]:
        check()
        print("ok", check.__name__.removeprefix("check_"), flush=True)
    for check in semi_supervised_replicas.CHECKS[sys.argv[1]]:
        check(STRATEGY)
        print("ok", check.__name__, flush=True)
