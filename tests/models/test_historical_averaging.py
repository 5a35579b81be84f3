"""Historical averaging in both models: steps, state and files against the NumPy oracle."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import experiments
from reference import historical_averaging as oracle
from tests.helpers.model_cases import (
    BATCH,
    MODELS,
    assert_same,
    imagenet_gan,
    labeled,
    plain_gan,
    semi_supervised_gan,
    three_streams,
)
from tests.helpers.one_line import refusal_of

WEIGHT, RATE, STEPS = 0.3, 0.125, 3
KINDS = {"semi-supervised": semi_supervised_gan, "imagenet": imagenet_gan, "plain": plain_gan}


def compiled(which, weight, **values):
    players = (keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE))
    return KINDS[which](
        generator_optimizer=players[0],
        discriminator_optimizer=players[1],
        historical_averaging=weight,
        **values,
    )


def parts(which):
    """The parts of a step, in each of which every player moves once at most, and who moves."""
    if which != "semi-supervised":
        return [(lambda gan, data: gan.train_step(data), ("discriminator", "generator"))]
    discriminator = (lambda gan, data: gan._discriminator_step(data), ("discriminator",))
    generator = (lambda gan, data: gan._generator_step(data), ("generator",))
    return [discriminator, generator, generator]  # generator_steps=2


def in_float64(x):
    return tf.cast(x, "float64") if x.dtype.is_floating else x


def parameters(gan, name):
    return [np.array(v) for v in gan.player(name)[0].trainable_variables]


@pytest.mark.parametrize("which", ["semi-supervised", "imagenet"])
def test_steps_and_state_against_the_oracle(which):
    """A step is that of the model without it, from the same place, and the oracle's pull."""
    keras.config.set_dtype_policy("float64")
    try:
        gan, twin = compiled(which, WEIGHT), compiled(which, 0.0)
    finally:
        keras.config.set_dtype_policy("float32")
    past = {"generator": [], "discriminator": []}
    for batch in MODELS[which][1]().take(STEPS):
        batch = keras.tree.map_structure(in_float64, batch)
        for step, movers in parts(which):
            for name in past:
                for v, value in zip(
                    twin.player(name)[0].trainable_variables, parameters(gan, name), strict=True
                ):
                    v.assign(value)
            before = {name: parameters(gan, name) for name in movers}
            for each in (gan, twin):
                step(each, batch)
            for name, values in before.items():
                past[name].append(values)
                # t - 1 values are the past of step t.
                pulls = [
                    oracle.gradient(value, history[:-1], WEIGHT) if len(history) > 1 else 0
                    for value, history in zip(values, zip(*past[name], strict=True), strict=True)
                ]
                moved = zip(parameters(gan, name), parameters(twin, name), pulls, strict=True)
                for found, free, pull in moved:
                    np.testing.assert_allclose(found, free - RATE * pull, rtol=1e-9, atol=1e-12)
    for name, values in past.items():
        history = gan.histories[name]
        assert int(history.count) == len(values)
        for mean, every in zip(history.means, zip(*values, strict=True), strict=True):
            np.testing.assert_allclose(mean, np.mean(every, axis=0), rtol=1e-9, atol=1e-12)


def test_files_keep_the_past(tmp_path):
    """Of both players; tests/conformance trains a loaded model of the other kind on."""
    gan = compiled("semi-supervised", WEIGHT, generator_steps=2)
    gan.fit(three_streams(), verbose=0, shuffle=False)
    gan.save(tmp_path / "gan.keras")
    gan.save_weights(tmp_path / "gan.weights.h5")
    other = compiled("semi-supervised", WEIGHT, generator_steps=2)
    other.load_weights(tmp_path / "gan.weights.h5")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.historical_averaging == WEIGHT
    for each in (loaded, other):
        assert int(each.histories["generator"].count) == 8
        assert int(each.histories["discriminator"].count) == 4
        assert_same(each, gan)


@pytest.mark.parametrize("which", KINDS)
def test_without_it_there_is_no_state(which):
    gan = KINDS[which]()
    assert gan.histories == {} and gan.get_compile_config()["historical_averaging"] == 0
    paths = [v.path for v in gan.variables]
    assert not [path for path in paths if "history" in path]
    with pytest.raises(ValueError, match="averaging must be a finite number of at least 0, not -1"):
        gan.compile(historical_averaging=-1)
    gan.compile(historical_averaging=0.5)
    gan.compile()
    assert gan.histories == {} and [v.path for v in gan.variables] == paths


def test_mixed_precision():
    """The past is in float32, and the penalty is not lost in the scaled losses of float16."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = imagenet_gan()
    finally:
        keras.config.set_dtype_policy("float32")
    players = [keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE)) for _ in range(2)]
    gan.compile(*players, historical_averaging=WEIGHT)
    images, labels = map(tf.constant, labeled(BATCH))
    history = gan.histories["generator"]
    history.update([v + 1 for v in gan.generator.trainable_variables])
    assert {mean.dtype for mean in history.means} == {"float32"}
    _, gradients = gan.gradients(images, labels, gan.latents(BATCH, 1))
    gan.histories.clear()
    _, free = gan.gradients(images, labels, gan.latents(BATCH, 1))
    scale = float(players[0].scale_loss(1.0))
    for a, b in zip(gradients["generator"], free["generator"], strict=True):
        # The mean lies 1 above every parameter: a gradient of 2 WEIGHT (-1).
        np.testing.assert_allclose((a - b) / scale, -2 * WEIGHT, rtol=1e-2)


def test_value_of_every_recipe():
    for name in ("digits", "imagenet"):
        recipe = experiments.get(name)
        assert recipe.historical_averaging == 0
        refusal_of(experiments.override)(
            "historical_averaging must be at least 0, not -0.1", recipe, historical_averaging=-0.1
        )
    gan = experiments.build("digits", historical_averaging=0.25)
    assert {h.weight for h in gan.histories.values()} == {0.25}
