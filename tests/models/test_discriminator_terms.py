"""Additional terms of the discriminator's loss: in a step, near an image, in files, refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, losses, models, networks, random, transformations
from improved_gan_tf.models import DiscriminatorTerm, smoothness
from improved_gan_tf.transformations import random_affine
from reference import losses as of_the_paper
from reference import semi_supervised_terms as oracle
from reference.losses import softmax
from tests.helpers.gradients import agree
from tests.helpers.model_cases import (
    OBJECTIVE,
    SHAPE,
    TERMS,
    later_gan,
    semi_supervised_gan,
    three_streams,
)

N, SIDE, CLASSES = 6, 3, 4


def _network(seed=0, pixels=SIDE * SIDE):
    rng = np.random.RandomState(seed)
    return oracle.Network(
        rng.randn(pixels, 5), rng.randn(5), rng.randn(5, CLASSES), rng.randn(CLASSES)
    )


def _discriminator(network, noise=0.0):
    """The oracle's network as a Keras model."""
    images = keras.Input((SIDE, SIDE, 1))
    x = layers.HashedGaussianNoise(noise)(keras.layers.Flatten()(images))
    x = keras.layers.Dense(5, activation="tanh", name="features")(x)
    model = keras.Model(images, keras.layers.Dense(CLASSES)(x))
    model.set_weights([network.w1, network.b1, network.w2, network.b2])
    return model


def _images(n=N, seed=1):
    return np.random.RandomState(seed).uniform(size=(n, SIDE, SIDE, 1))


def _start(state, jit_compile=False):
    """The direction that a draw by a seed generator in this state begins with."""
    shape = (N, SIDE, SIDE, 1)
    # The inverse error function is computed in float32, by XLA with other last digits.
    draw = tf.function(
        lambda words: random.normal(shape, tf.unstack(words)), jit_compile=jit_compile
    )
    normal = draw(tf.constant(state, "int32")).numpy().astype("float64")
    return oracle.unit(normal.reshape(N, -1))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_virtual_adversarial(float64, jit_compile):
    """Value and gradients of all parameters as NumPy's, by the whole second derivative."""
    network, x, seeds = _network(), _images(), keras.random.SeedGenerator(3)
    model, start = (
        _discriminator(network),
        _start(np.asarray(seeds.state).astype("int32"), jit_compile),
    )
    variables = model.trainable_variables

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            loss = smoothness.virtual_adversarial(x, model, seeds, radius=0.7)
        return loss, tape.gradient(loss, [v.value for v in variables])

    loss, gradients = step(tf.constant(x))
    expected, of_parameters = oracle.virtual_adversarial(network, x.reshape(N, -1), start, 0.7)
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    for ours, theirs in zip(gradients, of_parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


def test_the_oracle_of_virtual_adversarial():
    """Its direction is that of the published difference quotient, its gradients are derivatives."""
    network, x, start = _network(), _images().reshape(N, -1), _start((1, 0))
    exact = oracle.adversarial_direction(network, x, start)
    published = oracle.published_direction(network, x, start)
    np.testing.assert_allclose(published, exact, atol=1e-5)
    gradients = oracle.virtual_adversarial(network, x, start, 0.5)[1]
    near = x + 0.5 * exact
    logits = network.logits(x)  # a constant

    def loss(w1):
        other = oracle.Network(w1, network.b1, network.w2, network.b2)
        return oracle.divergence(logits, other.logits(near))

    agree(loss, network.w1, gradients[0])


def test_all_passes_have_the_same_noise():
    """However strong it is, no perturbation is no divergence, and the next step has another."""
    model = _discriminator(_network(), noise=2.0)
    noise = [v for v in model.variables if "seed" in v.path]
    x, seeds = tf.constant(_images(), "float32"), keras.random.SeedGenerator(3)
    before = [np.array(v) for v in noise]

    def training(images):
        return model(images, training=True)

    still = float(smoothness.virtual_adversarial(x, training, seeds, radius=1e-6))
    assert abs(still) < 1e-7  # rounding
    assert float(smoothness.virtual_adversarial(x, training, seeds, radius=1.0)) > 1e-3
    assert float(losses.divergence(training(x), training(x))) > 0.1
    assert noise and all(np.any(np.asarray(v) != b) for v, b in zip(noise, before, strict=True))


def test_transformed(float64, monkeypatch):
    """Value and gradients as NumPy's; images of which the teacher is not certain teach nothing."""
    network, teacher = _network(), _network(seed=4)
    x, unlabeled, labels = _images(seed=7), _images(5, seed=8), np.arange(N) % CLASSES
    model, averaged = _discriminator(network), _discriminator(teacher)
    target = teacher.logits(unlabeled.reshape(5, -1))
    certainty = np.sort(softmax(target).max(axis=1))
    threshold = certainty[1:3].mean()  # two of the five are left out
    drawn = {}

    def recorded(images, seed, *largest):
        drawn.update(images=np.asarray(images), largest=largest)
        drawn["moved"] = np.asarray(random_affine(images, seed, *largest))
        return tf.constant(drawn["moved"])

    monkeypatch.setattr(transformations, "random_affine", recorded)
    with tf.GradientTape() as tape:
        loss = smoothness.transformed(
            labels, tf.constant(x), tf.constant(unlabeled), averaged, model,
            keras.random.SeedGenerator(3), 0.1, 0.2, 0.3, threshold,
        )  # fmt: skip
    assert drawn["largest"] == (0.1, 0.2, 0.3)
    np.testing.assert_array_equal(drawn["images"], np.concatenate([x, unlabeled]))
    moved = drawn["moved"].reshape(N + 5, -1)
    value, expected = oracle.transformed(network, labels, moved[:N], target, moved[N:], threshold)
    np.testing.assert_allclose(loss, value, rtol=1e-9)
    gradients = tape.gradient(loss, model.trainable_variables)
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


def test_the_teacher_is_the_average_without_noise(float64):
    """The quantity "averaged" is the model itself, as it classifies."""
    found = {}

    def recorded(images_unlabeled, averaged):
        found.update(x=images_unlabeled, logits=averaged(images_unlabeled))
        return tf.reduce_mean(found["logits"])

    gan = _gan([DiscriminatorTerm(recorded)], noise=1.0)
    gan.update_averages()
    for variable in gan.discriminator.trainable_variables:
        variable.assign(2.0 * variable)
    _step(gan)
    expected = _discriminator(_network())(found["x"])  # before they were doubled
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-9)


def _gan(terms, noise=0.0, **values):
    keras.utils.set_random_seed(2)
    z = keras.Input((3,))
    images = keras.layers.Dense(SIDE * SIDE, activation="sigmoid")(z)
    generator = keras.Model(z, keras.layers.Reshape((SIDE, SIDE, 1))(images))
    gan = models.SemiSupervisedGAN(generator, _discriminator(_network(), noise), seed=5)
    gan.compile(discriminator_terms=terms, run_eagerly=True, **values)
    return gan


def _step(gan):
    """(what it reports, the gradients by which the discriminator moves) of a training step."""
    found, optimizer = [], gan.discriminator_optimizer
    apply = optimizer.apply

    def recorded(gradients, variables):
        found.extend(np.array(g) for g in gradients)
        return apply(gradients, variables)

    optimizer.apply = recorded
    labels = np.arange(N) % CLASSES
    batch = {"labeled": (_images(seed=7), labels), "unlabeled": _images(seed=8)}
    batch["unlabeled_generator"] = batch["unlabeled"]
    batch = keras.tree.map_structure(tf.constant, batch)
    report, _ = gan._discriminator_step(batch)
    return batch, report, found


def test_the_discriminators_step(float64):
    """Its gradients with all terms are NumPy's: each with its weight, of its own images."""
    seen = {}

    def recorded(latents, images_fake, images_labeled, generator, seed_generator):
        """A term that is 0; it keeps what the others draw by."""
        seen.update(
            latents=latents, fake=images_fake, state=np.array(seed_generator.state).astype("int32")
        )
        return 0 * tf.reduce_sum(images_labeled) + 0 * tf.reduce_sum(generator(latents))

    radius, distance = 0.4, 0.3
    terms = [
        DiscriminatorTerm(recorded),
        DiscriminatorTerm(smoothness.virtual_adversarial, 0.5, radius=radius),
        DiscriminatorTerm(losses.conditional_entropy, 0.1),
        DiscriminatorTerm(smoothness.generated_consistency, 0.2, distance=distance),
    ]
    gan, network = _gan(terms), _network()
    batch, report, gradients = _step(gan)
    flat = {
        "labeled": batch["labeled"][0].numpy().reshape(N, -1),
        "unlabeled": batch["unlabeled"].numpy().reshape(N, -1),
        "fake": seen["fake"].numpy().reshape(N, -1),
    }
    # The second draw by the model's seed generator is the direction of d.
    seeds = keras.random.SeedGenerator(0)
    seeds.state.assign(seen["state"])
    random.normal((1,), seeds)
    direction = oracle.unit(np.asarray(random.normal((N, 3), seeds, "float64")))
    moved = gan.generator(seen["latents"] + distance * direction)
    flat["near"] = np.asarray(moved).reshape(N, -1)
    logits = {name: network.logits(x) for name, x in flat.items()}
    supervised = of_the_paper.supervised_gradient(np.arange(N) % CLASSES, logits["labeled"])
    unlabeled, fake = of_the_paper.unsupervised_gradients(logits["unlabeled"], logits["fake"])
    apart = oracle.consistency_gradient(logits["fake"], logits["near"])
    upstream = {
        "labeled": supervised,
        "unlabeled": unlabeled + 0.1 * oracle.conditional_entropy_gradient(logits["unlabeled"]),
        "fake": fake + 0.2 * apart,
        "near": -0.2 * apart,
    }
    start = _start(seen["state"])
    adversarial, total = oracle.virtual_adversarial(network, flat["unlabeled"], start, radius)
    total = [0.5 * gradient for gradient in total]
    for name, at in upstream.items():
        total = [a + b for a, b in zip(total, network.gradients(flat[name], at), strict=True)]
    for ours, theirs in zip(gradients, total, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())
    expected = 0.5 * adversarial + 0.1 * oracle.conditional_entropy(logits["unlabeled"])
    expected += 0.2 * oracle.consistency(logits["fake"], logits["near"])
    np.testing.assert_allclose(report["additional_loss"], expected, rtol=1e-9)


@pytest.mark.long
def test_compiled_by_xla():
    """A step with all terms reports what it reports without XLA."""
    data, found = three_streams().take(1), []
    for jit_compile in (False, True):
        gan = later_gan(jit_compile=jit_compile)
        found.append(gan.fit(data, verbose=0, shuffle=False).history)
    assert set(found[0]) == set(found[1]) == {*gan.reported} - {"val_error", "val_error_current"}
    assert list(gan.reported)[2:4] == ["additional_loss", "generator_loss"]
    for name, values in found[0].items():
        np.testing.assert_allclose(values, found[1][name], rtol=1e-4, err_msg=name)


def test_the_average_begins_later():
    gan = semi_supervised_gan(average_start=2)
    variables, rate = gan.discriminator.trainable_variables, gan.average_rate
    past = []
    for step in range(4):
        past.append([np.asarray(v) + step for v in variables])
        for v, value in zip(variables, past[-1], strict=True):
            v.assign(value)
        gan.discriminator_optimizer.iterations.assign(step)
        gan.update_averages()
        assert int(gan.average_steps) == max(0, step - 1)
        if step < 2:
            assert not any(np.any(average) for average in gan.averages)
    for found, third, fourth in zip(gan.classifier_values(), *past[2:], strict=True):
        expected = ((1 - rate) * third + fourth) / (2 - rate)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_discriminator_that_couples_examples():
    generator = semi_supervised_gan().generator
    discriminator = networks.dense.discriminator(SHAPE, 3, (12, 8), 0.3, 0.3, 4, 2)
    gan = models.SemiSupervisedGAN(generator, discriminator, seed=1)
    gan.compile(objective=OBJECTIVE[:2], discriminator_terms=TERMS, run_eagerly=True)
    assert gan.couples_examples
    logs = gan.train_step(next(iter(three_streams())))
    assert all(np.isfinite(float(value)) for value in logs.values())


def test_without_terms_nothing_is_reported():
    gan = semi_supervised_gan(discriminator_terms=TERMS)
    gan.compile()
    assert gan.reported == models.SemiSupervisedGAN.reported
    assert gan.additional_terms == []


@pytest.mark.parametrize(
    "values, message",
    [
        ({"discriminator_terms": lambda x: x}, "a discriminator term takes some of labels"),
        ({"discriminator_terms": 3}, "discriminator_terms must be functions of some of .*, not 3"),
        ({"discriminator_terms": OBJECTIVE[1]}, "discriminator_terms must be functions"),
        ({"discriminator_terms": TERMS, "objective": "supervised"}, "takes no discriminator_terms"),
        ({"objective": TERMS[0]}, "an objective takes some of"),
        ({"average_start": -1}, "average_start must be at least 0, not -1"),
    ],
)
def test_refused(values, message):
    with pytest.raises(ValueError, match=message):
        semi_supervised_gan(**values)


def test_consistency_does_not_move_the_generators_averages():
    """They count the generated images of a step once, whatever else is drawn near them."""
    means = []
    for terms in ([], [DiscriminatorTerm(smoothness.generated_consistency, 0.1, distance=0.5)]):
        gan = semi_supervised_gan(discriminator_terms=terms)
        gan._discriminator_step(next(iter(three_streams())))
        means.append([np.asarray(v) for v in gan.generator.non_trainable_variables])
    assert np.abs(means[0][0]).max() > 0
    for plain, near in zip(*means, strict=True):
        np.testing.assert_array_equal(plain, near)
