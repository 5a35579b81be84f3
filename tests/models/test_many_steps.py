"""Training on data in memory: many steps in one compiled call, the same numbers, the same logs."""

import keras
import numpy as np
import pytest

from improved_gan_tf import callbacks, data, models, networks, optimizers
from improved_gan_tf.errors import UserError
from improved_gan_tf.models import many_steps

SHAPE = (4, 4, 1)


def _data(images=44, test_batch_size=7):
    rng = np.random.RandomState(0)
    x, y = rng.randint(256, size=(images, *SHAPE)).astype("uint8"), np.arange(images) % 3
    tests = rng.randint(256, size=(17, *SHAPE)).astype("uint8"), np.arange(17) % 3
    given = {"batch_size": 4, "test_batch_size": test_batch_size}
    return data.load(((x, y), tests), 4, **given)


def _gan(**compile_arguments):
    keras.utils.set_random_seed(1)
    gan = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8, 8)),
        networks.dense.discriminator(SHAPE, 3, (12, 8), 0.3, 0.3),
        seed=1,
    )
    gan.compile(**{"jit_compile": True, **compile_arguments})
    return gan


def _state(gan):
    optimizers = [gan.generator_optimizer, gan.discriminator_optimizer]
    return [v.numpy() for x in (gan, *optimizers) for v in x.variables]


def _trained(at_once, monkeypatch, **arguments):
    monkeypatch.setattr(many_steps, "AT_ONCE", at_once)
    gan, loaded = _gan(), _data()
    history = gan.fit(loaded, epochs=2, validation_data=loaded.test, verbose=0, **arguments)
    return gan, history.history, loaded


@pytest.fixture(scope="module")
def one_by_one():
    with pytest.MonkeyPatch.context() as monkeypatch:
        return _trained(1, monkeypatch)


@pytest.mark.parametrize("at_once", [4, 25])  # 11 steps per epoch: 4 + 4 + 3, and all at once
def test_the_numbers_do_not_depend_on_the_steps_per_call(at_once, one_by_one, monkeypatch):
    gan, history, loaded = _trained(at_once, monkeypatch)
    for value, expected in zip(_state(gan), _state(one_by_one[0]), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert history == one_by_one[1]
    assert loaded.start_epoch == 2


def test_they_are_those_of_the_batches_one_by_one(one_by_one):
    gan, loaded = _gan(), _data()
    history = gan.fit(loaded.train, epochs=2, validation_data=loaded.test, verbose=0, shuffle=False)
    assert history.history.keys() == one_by_one[1].keys()
    for name, values in history.history.items():
        np.testing.assert_allclose(values, one_by_one[1][name], rtol=1e-5, err_msg=name)
    for value, expected in zip(_state(gan), _state(one_by_one[0]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_validation_is_evaluate(one_by_one):
    gan, history, loaded = one_by_one
    found = gan.evaluate(loaded.test, verbose=0, return_dict=True)
    assert {f"val_{name}": value for name, value in found.items()} == {
        name: values[-1] for name, values in history.items() if name.startswith("val_")
    }


@pytest.mark.parametrize("frequency, epochs", [(2, [2]), ([1, 3], [1, 3])])
def test_validation_at_some_epochs_alone(frequency, epochs):
    gan, loaded, seen = _gan(metrics=["accuracy"]), _data(test_batch_size=50), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch + 1) if "val_error" in logs else None
    )
    given = {"validation_data": loaded.test, "validation_freq": frequency, "callbacks": watch}
    history = gan.fit(loaded, epochs=3, verbose=0, **given).history
    assert seen == epochs and len(history["accuracy"]) == 3
    assert len(history["val_accuracy"]) == len(epochs)


def test_every_kind_of_fit_after_the_other(one_by_one):
    gan, loaded = _gan(), _data()
    other = loaded.test.take(1)
    gan.fit(loaded, epochs=1, validation_data=other, verbose=0)
    gan.fit(loaded.train, epochs=1, validation_data=loaded.test, verbose=0, shuffle=False)
    kept = gan.many_steps
    history = gan.fit(loaded, epochs=1, validation_data=other, verbose=0).history
    assert gan.many_steps is kept and loaded.start_epoch == 3
    assert history["val_error"] == [gan.evaluate(other, verbose=0, return_dict=True)["error"]]
    assert int(gan.discriminator_optimizer.iterations) == 33
    gan.compile(jit_compile=False)
    gan.fit(loaded, epochs=1, verbose=0)
    assert gan.many_steps is None and int(gan.discriminator_optimizer.iterations) == 11


def test_callbacks_see_calls_and_the_progress_bar_every_step(monkeypatch, capsys):
    monkeypatch.setattr(many_steps, "AT_ONCE", 4)
    gan, loaded, steps = _gan(), _data(), []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: steps.append(step))
    gan.fit(loaded, epochs=1, verbose=0, callbacks=[watch, callbacks.Progress()])
    assert steps == [3, 7, 11]  # the last call is one step shorter than it could be
    assert "1 epochs of 11 steps" in capsys.readouterr().out


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_step_that_broke_the_losses_is_named(at_once, monkeypatch):
    monkeypatch.setattr(many_steps, "AT_ONCE", at_once)
    gan, loaded = _gan(discriminator_optimizer=_Breaks()), _data()
    with pytest.raises(UserError, match=r"became nan in epoch 1, step 6: training"):
        gan.fit(loaded, epochs=1, verbose=0, callbacks=[callbacks.StopOnNaN()])


@keras.saving.register_keras_serializable("tests")
class _Breaks(optimizers.InnerEpsilonAdam):
    """Adam whose sixth update gives no number; the generator's loss of that step comes after."""

    def update_step(self, gradient, variable, learning_rate):
        broken = keras.ops.where(self.iterations == 5, float("nan"), 1.0)
        super().update_step(gradient * broken, variable, learning_rate)


def test_labels_beside_the_data_are_refused():
    with pytest.raises(ValueError, match="takes no y"):
        _gan().fit(_data(), np.zeros(44))
