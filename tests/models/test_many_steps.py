"""Training on data in memory: many steps in one compiled call, the same numbers, the same logs."""

import keras
import numpy as np
import pytest

from improved_gan_tf import callbacks, data, models, networks, optimizers
from improved_gan_tf.errors import UserError
from improved_gan_tf.models import streams

SHAPE = (4, 4, 1)
STEPS = 11


def _data():
    rng = np.random.RandomState(0)
    x, y = rng.randint(256, size=(4 * STEPS, *SHAPE)).astype("uint8"), np.arange(4 * STEPS) % 3
    tests = rng.randint(256, size=(17, *SHAPE)).astype("uint8"), np.arange(17) % 3
    return data.load(((x, y), tests), 4, batch_size=4, labeled_batch_size=2, test_batch_size=7)


def _gan(**compile_arguments):
    keras.utils.set_random_seed(1)
    gan = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8,)),
        networks.dense.discriminator(SHAPE, 3, (12, 8), 0.3, 0.3),
        seed=1,
    )
    gan.compile(**{"jit_compile": True, **compile_arguments})
    return gan


def _variables(gan):
    found = [gan, gan.generator_optimizer, gan.discriminator_optimizer]
    return [variable for each in found for variable in each.variables]


def _state(gan):
    return [variable.numpy() for variable in _variables(gan)]


class Case:
    """A compiled model that begins anew with each `fit`."""

    def __init__(self):
        self.gan, self.data = _gan(), _data()
        self.begin = _state(self.gan)
        self.gan.fit(self.data, epochs=1, verbose=0)  # makes `many_steps`
        self.expected = self.fit(1)

    def fit(self, at_once=None, x=None, epochs=2):
        """Trains on data in memory with so many steps per call, or on x; (history, state)."""
        for variable, value in zip(_variables(self.gan), self.begin, strict=True):
            variable.assign(value)
        self.data.start_epoch, self.gan.many_steps.at_once = 0, at_once
        given = {"validation_data": self.data.test, "shuffle": False, "verbose": 0}
        history = self.gan.fit(x or self.data, epochs=epochs, **given).history
        return history, _state(self.gan)


@pytest.fixture(scope="module")
def case():
    return Case()


def test_the_numbers_do_not_depend_on_the_steps_per_call(case):
    for at_once in (4, 25):  # 4 + 4 + 3, and all at once
        history, state = case.fit(at_once)
        assert history == case.expected[0] and case.data.start_epoch == 2
        for value, expected in zip(state, case.expected[1], strict=True):
            np.testing.assert_array_equal(value, expected)


def test_they_are_those_of_the_batches_one_by_one(case):
    history, state = case.fit(x=case.data.train)
    assert history.keys() == case.expected[0].keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, case.expected[0][name], rtol=1e-5, err_msg=name)
    for value, expected in zip(state, case.expected[1], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_validation_is_evaluate(case):
    history, _ = case.fit(4)
    found = case.gan.evaluate(case.data.test, verbose=0, return_dict=True)
    assert {f"val_{name}": value for name, value in found.items()} == {
        name: values[-1] for name, values in history.items() if name.startswith("val_")
    }


def test_no_pipeline_waits_for_the_autotuner(case):
    """Its thread sleeps for seconds, and the end of `fit` waited for it."""
    assert case.gan.many_steps.calls().options().autotune.enabled is False
    pairs = streams.from_arrays(np.zeros((8, *SHAPE), "float32"), np.zeros(8), 4, seed=(1, 0))
    assert pairs.options().autotune.enabled is False


def test_every_kind_of_fit_after_the_other(case):
    case.fit(4, epochs=1)
    gan, loaded, kept = case.gan, case.data, case.gan.many_steps
    other = loaded.test.take(1)
    gan.fit(loaded, epochs=1, validation_data=other, verbose=0)
    gan.fit(loaded.train, epochs=1, validation_data=loaded.test, verbose=0, shuffle=False)
    history = gan.fit(loaded, epochs=1, validation_data=other, verbose=0).history
    assert gan.many_steps is kept and loaded.start_epoch == 4
    assert history["val_error"] == [gan.evaluate(other, verbose=0, return_dict=True)["error"]]
    assert int(gan.discriminator_optimizer.iterations) == 4 * STEPS


def test_callbacks_see_calls_and_the_progress_bar_every_step(case, capsys):
    steps = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    case.gan.many_steps.at_once = 4
    case.gan.fit(case.data, epochs=1, verbose=0, callbacks=[watch, callbacks.Progress()])
    assert steps == [3, 7, 11]  # the last call is one step shorter than it could be
    assert f"1 epochs of {STEPS} steps" in capsys.readouterr().out


def test_metrics_of_compile_and_validation_at_some_epochs_alone():
    gan, loaded = _gan(metrics=["accuracy"]), _data()
    for frequency, epochs in ((2, [2]), ([1, 3], [1, 3])):
        seen = []
        watch = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda e, logs, to=seen: to.append(e + 1) if "val_error" in logs else None
        )
        given = {"validation_data": loaded.test, "validation_freq": frequency, "callbacks": watch}
        history = gan.fit(loaded, epochs=3, verbose=0, **given).history
        assert seen == epochs and len(history["accuracy"]) == 3
        assert len(history["val_accuracy"]) == len(epochs)
    gan.compile(jit_compile=False)
    gan.fit(loaded, epochs=1, verbose=0)
    assert gan.many_steps is None and int(gan.discriminator_optimizer.iterations) == STEPS


@keras.saving.register_keras_serializable("tests")
class _Breaks(optimizers.InnerEpsilonAdam):
    """Adam whose sixth update gives no number; the generator's loss of that step comes after."""

    def update_step(self, gradient, variable, learning_rate):
        broken = keras.ops.where(self.iterations == 5, float("nan"), 1.0)
        super().update_step(gradient * broken, variable, learning_rate)


def test_the_step_that_broke_the_losses_is_named():
    gan, loaded = _gan(discriminator_optimizer=_Breaks()), _data()
    with pytest.raises(UserError, match=r"became nan in epoch 1, step 6: training"):
        gan.fit(loaded, epochs=1, verbose=0, callbacks=[callbacks.StopOnNaN()])


def test_labels_beside_the_data_are_refused():
    with pytest.raises(ValueError, match="takes no y"):
        _gan().fit(_data(), np.zeros(44))
