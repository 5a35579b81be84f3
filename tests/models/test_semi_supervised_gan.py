"""`SemiSupervisedGAN` as a Keras model: fit, evaluate, predict, sample, save and load."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, losses, models, networks, optimizers
from tests.helpers.model_cases import assert_same

SHAPE = (4, 4, 1)
BATCH = 10


def _gan(seed=1, noise=0.3, kernels=None, **compile_arguments):
    keras.utils.set_random_seed(seed)
    gan = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8, 8)),
        networks.dense.discriminator(SHAPE, 3, (12, 8), noise, noise, kernels, 2),
        seed=seed,
    )
    gan.compile(**compile_arguments)
    return gan


def _data(steps=4, seed=0):
    rng = np.random.RandomState(seed)
    x = rng.uniform(size=(steps * BATCH, *SHAPE)).astype("float32")
    y = rng.randint(3, size=steps * BATCH).astype("int32")
    elements = {"labeled": (x, y), "unlabeled": x[::-1], "unlabeled_generator": x[::2].repeat(2, 0)}
    return tf.data.Dataset.from_tensor_slices(elements).batch(BATCH, drop_remainder=True)


def _test_set(n=25):
    rng = np.random.RandomState(9)
    x = rng.uniform(size=(n, *SHAPE)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, rng.randint(3, size=n))).batch(BATCH)


def _fit(gan, epochs=2, **arguments):
    return gan.fit(_data(), epochs=epochs, verbose=0, shuffle=False, **arguments)


OBJECTIVES = {
    "feature matching": {},
    "absolute": {"feature_distance": "absolute"},
    "minibatch": {"objective": "minibatch_discrimination", "generator_steps": 3},
}


@pytest.mark.parametrize(
    "objective, jit_compile",
    [
        ("feature matching", False),
        ("absolute", False),
        ("minibatch", False),
        pytest.param("minibatch", True, marks=pytest.mark.long),
    ],
)
def test_fit_reports_losses_and_errors(objective, jit_compile):
    arguments = OBJECTIVES[objective]
    kernels = 3 if "objective" in arguments else None
    gan = _gan(kernels=kernels, jit_compile=jit_compile, **arguments)
    history = _fit(gan, validation_data=_test_set()).history
    assert set(history) == {
        "supervised_loss",
        "unsupervised_loss",
        "generator_loss",
        "error",
        "val_error",
        "val_error_current",
    }
    assert all(np.isfinite(values).all() for values in history.values())
    steps = arguments.get("generator_steps", 1)
    assert int(gan.discriminator_optimizer.iterations) == 8
    assert int(gan.generator_optimizer.iterations) == 8 * steps
    assert int(gan.average_steps) == 8


def test_supervised_objective_leaves_the_generator_alone():
    gan = _gan(objective="supervised", jit_compile=False)
    before = [np.asarray(v) for v in gan.generator.trainable_variables]
    history = _fit(gan, epochs=20).history
    assert set(history) == {"supervised_loss", "error"}
    assert history["supervised_loss"][-1] < history["supervised_loss"][0]
    for old, new in zip(before, gan.generator.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)


def _passes(gan):
    """(examples of each pass of the discriminator, losses, gradients) of a discriminator step."""
    sizes, gradients = [], []
    discriminator, optimizer = gan.discriminator, gan.discriminator_optimizer
    call, apply = discriminator.call, optimizer.apply

    def counted(inputs, *args, **kwargs):
        sizes.append(inputs.shape[0])
        return call(inputs, *args, **kwargs)

    def recorded(grads, variables):
        gradients.extend(grads)
        return apply(grads, variables)

    discriminator.call, optimizer.apply = counted, recorded
    u = np.random.RandomState(4).uniform(size=(7, *discriminator.input_shape[1:]))
    x, y = u[:4] ** 2, np.arange(4, dtype="int32") % 3
    batch = {"labeled": (x, y), "unlabeled": u, "unlabeled_generator": u}
    report, _ = gan._discriminator_step(keras.tree.map_structure(tf.constant, batch))
    return sizes, report, gradients


def _double(networks_of):
    """A model in float64 of the two networks, without noise, always the same."""
    keras.utils.set_random_seed(5)
    gan = models.SemiSupervisedGAN(*networks_of(), seed=5)
    gan.compile(run_eagerly=True)
    return gan


def _dense():
    noiseless = networks.dense.discriminator(SHAPE, 3, (12, 8), 0.0, 0.0)
    return networks.dense.generator(SHAPE, 6, (8, 8)), noiseless


def _convolutional():
    shape = (16, 16, 3)
    noiseless = networks.convolutional.discriminator(shape, 3, (4, 6), 0.0, 0.0, 0.0)
    return networks.convolutional.generator(shape, 6, (8, 6, 4)), noiseless


@pytest.mark.parametrize("networks_of", [_dense, _convolutional])
def test_one_pass_equals_three(networks_of, float64):
    """Where no layer couples examples: equal losses and gradients, in one pass instead of three."""
    together, apart = _double(networks_of), _double(networks_of)
    assert not together.couples_examples
    apart.couples_examples = True
    (one, *ours), (three, *theirs) = _passes(together), _passes(apart)
    assert (one, three) == ([18], [4, 7, 7])
    assert set(ours[0]) == {"supervised_loss", "unsupervised_loss", "error"}
    assert len(ours[1]) == len(together.discriminator.trainable_variables)
    assert all(np.abs(np.asarray(gradient)).max() > 0 for gradient in ours[1])
    for a, b in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max()))


def _coupled(kind):
    """Networks whose discriminator relates the examples of a batch to each other."""
    images = keras.Input(SHAPE)
    x = keras.layers.Dense(6, name="features")(keras.layers.Flatten()(images))
    inner = keras.layers.BatchNormalization()
    if kind == "nested":
        hidden = keras.Input((6,))
        inner = keras.Model(hidden, keras.layers.Dense(5)(inner(hidden)))
    elif kind == "minibatch discrimination":
        inner = layers.MinibatchDiscrimination(3, 2)
    elif kind == "nested twice":
        inner = keras.Sequential([keras.Sequential([inner]), keras.layers.Dense(5)])
    logits = keras.layers.Dense(3)(inner(x))
    return networks.dense.generator(SHAPE, 6, (8, 8)), keras.Model(images, logits)


@pytest.mark.parametrize(
    "kind", ["minibatch discrimination", "batch normalization", "nested", "nested twice"]
)
def test_coupled_examples_stay_in_their_own_batches(kind, float64):
    """One pass would give other losses: real examples would see generated ones."""
    apart, together = _double(lambda: _coupled(kind)), _double(lambda: _coupled(kind))
    assert apart.couples_examples
    together.couples_examples = False
    (three, ours, _), (one, theirs, _) = _passes(apart), _passes(together)
    assert (three, one) == ([4, 7, 7], [18])
    assert abs(float(ours["supervised_loss"] - theirs["supervised_loss"])) > 1e-4


def test_generator_sees_the_updated_discriminator():
    """The reported generator loss is that of the discriminator after its step."""
    gan = _gan(noise=0.0, jit_compile=False)
    z = keras.ops.convert_to_tensor(np.random.RandomState(3).uniform(size=(BATCH, 6)), "float32")
    gan.latent = lambda n: z
    data = next(iter(_data(1)))
    generator = keras.models.clone_model(gan.generator)
    generator.set_weights(gan.generator.get_weights())
    loss = gan.train_step(data)["generator_loss"]
    expected = losses.feature_matching(
        gan.features(data["unlabeled_generator"]),
        gan.features(generator(z, training=True)),
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_average_uses_the_parameters_before_the_step():
    gan = _gan(jit_compile=False)
    before = [np.asarray(v) for v in gan.discriminator.trainable_variables]
    gan.train_step(next(iter(_data(1))))
    for a, p in zip(gan.averages, before, strict=True):
        np.testing.assert_allclose(a, 1e-4 * p, rtol=1e-6)
    # After one step the debiased average is that one value.
    for a, p in zip(gan.classifier_values(), before, strict=True):
        np.testing.assert_allclose(a, p, rtol=1e-5, atol=1e-8)


def test_predict_follows_the_choice_of_average():
    gan = _gan(jit_compile=False)
    x = next(iter(_test_set()))[0]
    np.testing.assert_allclose(gan(x), gan.discriminator(x), rtol=1e-6)  # nothing averaged yet
    _fit(gan)
    current = np.asarray(gan.discriminator(x))
    assert np.abs(np.asarray(gan(x)) - current).max() > 1e-3
    np.testing.assert_array_equal(gan.predict(x, verbose=0).shape, (BATCH, 3))
    gan.average = "none"
    np.testing.assert_allclose(gan(x), current, rtol=1e-6)
    gan.average = "original"
    for value, average in zip(gan.classifier_values(), gan.averages, strict=True):
        np.testing.assert_array_equal(value, average)


def test_evaluate_counts_every_image_once():
    """Also in a smaller last batch."""
    gan = _gan(jit_compile=False)
    logs = gan.evaluate(_test_set(25), verbose=0, return_dict=True)
    x, y = (np.concatenate(parts) for parts in zip(*_test_set(25).as_numpy_iterator(), strict=True))
    expected = np.mean(np.argmax(np.asarray(gan.discriminator(x)), -1) != y)
    np.testing.assert_allclose([logs["error"], logs["error_current"]], expected, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_error_rates_in_one_pass(jit_compile):
    """Exact counts with all three sets of parameters, whatever `average` is chosen."""
    gan = _gan(jit_compile=jit_compile)
    data, seen = _test_set(25), []
    _fit(gan, epochs=15)
    x, y = (np.concatenate(parts) for parts in zip(*data.as_numpy_iterator(), strict=True))
    expected = {}
    for average, name in (
        ("debiased", "error"),
        ("none", "error_current"),
        ("original", "error_original_average"),
    ):
        gan.average = average
        expected[name] = int(np.sum(np.argmax(np.asarray(gan(x)), -1) != y)) / 25
    assert len(set(expected.values())) > 1  # the sets of parameters differ

    def once():
        for batch in data:
            seen.append(len(batch[1]))
            yield batch

    assert gan.error_rates(once()) == {"images": 25, **expected}
    assert seen == [10, 10, 5]
    assert gan.average == "original"
    logs = gan.evaluate(data, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["error_current"], expected["error_current"], rtol=1e-6)


@pytest.mark.long
def test_minibatch_discrimination_goes_on_bit_for_bit(tmp_path):
    """As every model does (tests/conformance/test_models.py), also by this objective."""
    uninterrupted = _gan(kernels=3, jit_compile=False, **OBJECTIVES["minibatch"])
    _fit(uninterrupted)
    uninterrupted.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.objective == uninterrupted.objective
    assert loaded.generator_steps == uninterrupted.generator_steps
    assert_same(loaded, uninterrupted)
    _fit(uninterrupted)
    _fit(loaded)
    assert_same(loaded, uninterrupted)


def _losses(policy, optimizer):
    keras.config.set_dtype_policy(policy)
    try:
        gan = _gan(
            noise=0.05,
            generator_optimizer=optimizer(),
            discriminator_optimizer=optimizer(),
            jit_compile=False,
        )
        history = _fit(gan, epochs=20).history
    finally:
        keras.config.set_dtype_policy("float32")
    return gan, history


def _adam():
    return optimizers.InnerEpsilonAdam(1e-2, beta_1=0.5)


@pytest.mark.parametrize(
    "policy, optimizer",
    [
        ("mixed_bfloat16", _adam),
        ("mixed_float16", lambda: keras.optimizers.LossScaleOptimizer(_adam())),
    ],
)
def test_mixed_precision(policy, optimizer):
    """Learns as float32 does: 80 steps bring the losses to the same place within 6 %."""
    gan, mixed = _losses(policy, optimizer)
    _, full = _losses("float32", _adam)
    assert all(v.dtype == "float32" for v in gan.discriminator.trainable_variables)
    assert full["supervised_loss"][-1] < 0.9 * full["supervised_loss"][0]
    for name in ("supervised_loss", "unsupervised_loss"):
        np.testing.assert_allclose(mixed[name], full[name], rtol=0.06)
    assert np.isfinite(mixed["generator_loss"]).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"objective": "wasserstein"},
            "objective must be one of feature_matching, .*not 'wasserstein'",
        ),
        (
            {"feature_distance": "cosine"},
            "feature_distance must be one of squared, absolute, not 'cosine'",
        ),
        ({"generator_steps": 0}, "generator_steps must be at least 1"),
    ],
)
def test_compile_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        _gan(**arguments)


def test_an_unknown_average_is_refused():
    with pytest.raises(ValueError, match="average must be one of"):
        models.SemiSupervisedGAN(
            networks.dense.generator(), networks.dense.discriminator(), average="ema"
        )


def test_initialization_normalizes_every_layer():
    gan = _gan(noise=0.0)
    x = np.random.RandomState(0).uniform(size=(200, *SHAPE)).astype("float32")
    layers.initialize_from_data(gan.discriminator, x)
    logits = np.asarray(gan.discriminator(x))
    np.testing.assert_allclose(logits.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(logits.std(0), 1, rtol=1e-4)
