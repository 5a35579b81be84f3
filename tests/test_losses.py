"""Our losses against recorded ones, against an explicit softmax over K+1 classes, and at extremes.

Tolerances are those of tests.helpers.golden and, for the ImageNet model, of
tests.helpers.layer_golden. Where logits reach tens ("large") the
recording's softplus returns exactly x above 16 in float64, up to 1.1e-7 below the true value: 2e-7
absolute.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import losses
from reference import losses as oracle
from tests.helpers.golden import PRECISIONS, close, entries, load, name
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("entry", entries("losses"), ids=name)
def test_recorded(entry, precision):
    a = load(entry["file"])
    labels = tf.constant(a["labels"])
    lab, unl, fake, real_features, fake_features = (
        tf.constant(a[k], precision)
        for k in ("logits_lab", "logits_unl", "logits_fake", "feat_real", "feat_fake")
    )
    atol = 2e-7 if "large" in entry["file"] else 1e-12

    def check(actual, recorded):
        close(actual, recorded, PRECISIONS[precision], atol)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch([lab, unl, fake, fake_features])
        supervised = losses.supervised(labels, lab)
        unsupervised = losses.unsupervised(unl, fake)
        discriminator = supervised + unsupervised
        generator = losses.minibatch_generator(fake)
        squared = losses.feature_matching(real_features, fake_features)
        absolute = losses.feature_matching(real_features, fake_features, "absolute")
    check(losses.log_sum_exp(lab), a["lse_lab"])
    for script in ("mnist", "cifar"):
        check(supervised, a[f"{script}_loss_lab"])
        check(unsupervised, a[f"{script}_loss_unl"])
        check(losses.error_rate(labels, lab), a[f"{script}_train_err"])
        for short, logits in (("lab", lab), ("unl", unl), ("fake", fake)):
            check(tape.gradient(discriminator, logits), a[f"{script}_grad_{short}"])
    check(generator, a["mbd_loss_gen"])
    check(tape.gradient(generator, fake), a["mbd_loss_gen_grad_fake"])
    check(squared, a["fm_sq"])
    check(tape.gradient(squared, fake_features), a["fm_sq_grad"])
    check(absolute, a["fm_abs"])
    check(tape.gradient(absolute, fake_features), a["fm_abs_grad"])


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_explicit_softmax(classes):
    """The same from log p(y = 1 .. K+1 | x) with the last logit 0, as the paper states it."""
    rng = np.random.RandomState(classes)
    lab, unl, fake = 3 * rng.randn(3, 8, classes)
    labels = rng.randint(0, classes, 8)
    log_p = oracle.explicit_log_probabilities
    is_real = np.log1p(-np.exp(log_p(lab)[:, -1]))
    # 1 - p cancels where p is near 1: up to about 1e-12 relative at logits of a few units.
    np.testing.assert_allclose(
        losses.supervised(labels, lab),
        -np.mean(log_p(lab)[np.arange(8), labels] - is_real),
        rtol=1e-10,
        atol=1e-12,
    )
    is_real = np.log1p(-np.exp(log_p(unl)[:, -1]))
    np.testing.assert_allclose(
        losses.unsupervised(unl, fake),
        -0.5 * np.mean(is_real) - 0.5 * np.mean(log_p(fake)[:, -1]),
        rtol=1e-10,
    )
    np.testing.assert_allclose(
        losses.minibatch_generator(fake), np.mean(log_p(fake)[:, -1]), rtol=1e-10
    )


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e6])
def test_finite_at_any_scale(scale):
    """No overflow in float32, forward or backward, however large the logits."""
    rng = np.random.RandomState(0)
    lab, unl, fake = (tf.constant(scale * rng.randn(5, 10), "float32") for _ in range(3))
    labels = tf.constant(rng.randint(0, 10, 5))
    with tf.GradientTape() as tape:
        tape.watch([lab, unl, fake])
        loss = (
            losses.supervised(labels, lab)
            + losses.unsupervised(unl, fake)
            + losses.minibatch_generator(fake)
        )
    for value in [loss, *tape.gradient(loss, [lab, unl, fake])]:
        assert np.all(np.isfinite(value))


@pytest.mark.parametrize("shift", [0.0, 1e2, 1e4])
def test_a_common_shift_costs_no_precision(shift):
    """What a shift of all logits leaves unchanged is as precise in float32 where they are large."""
    rng = np.random.RandomState(2)
    logits, labels = (rng.randn(64, 10) + shift).astype("float32"), rng.randint(0, 10, 64)
    expected = oracle.supervised(labels, logits.astype("float64"))
    np.testing.assert_allclose(losses.supervised(labels, logits), expected, rtol=3e-7)


def test_confident_answers_keep_their_loss():
    """-log D and -log(1 - D) near 0 do not cancel in float32."""
    logits = np.full((4, 1), 20, "float32")
    expected = oracle.unsupervised(logits.astype("float64"), -logits.astype("float64"))
    np.testing.assert_allclose(losses.unsupervised(logits, -logits), expected, rtol=3e-7)


def test_different_numbers_of_rows():
    """The real and the generated batch need not be of one size."""
    rng = np.random.RandomState(0)
    unl, fake, features = rng.randn(6, 3), rng.randn(2, 3), rng.randn(9, 3)
    close(losses.unsupervised(unl, fake), oracle.unsupervised(unl, fake))
    for distance in ("squared", "absolute"):
        close(
            losses.feature_matching(features, fake, distance),
            oracle.feature_matching(features, fake, distance),
        )


def test_symbolic():
    """Losses run on the symbolic tensors of a functional model."""
    logits = keras.Input((10,))
    assert losses.unsupervised(logits, logits).shape == ()
    assert losses.log_sum_exp(logits).shape == (None,)


def test_compiled():
    rng = np.random.RandomState(0)
    unl, fake = rng.randn(2, 4, 3)
    compiled = tf.function(losses.unsupervised, jit_compile=True)
    close(compiled(tf.constant(unl), tf.constant(fake)), oracle.unsupervised(unl, fake))


def test_unknown_distance():
    with pytest.raises(ValueError, match="distance must be one of squared, absolute, not 'cosine'"):
        losses.feature_matching(np.ones((2, 3)), np.ones((2, 3)), "cosine")


# ---- the ImageNet model -------------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("target", ["0.75", "0.375", "0", "1", "0.5"])
def test_sigmoid_kl(target, precision):
    case = ImageNetCase("e_sigmoid_kl", precision)
    logits = case.tensor(case["logits"])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = losses.sigmoid_kl(logits, float(target))
    exact = oracle.sigmoid_kl(case["logits"], float(target))
    case.check(kl, f"kl_t{target}", exact)
    expected = oracle.sigmoid(case["logits"]) - float(target)
    case.check(tape.gradient(kl, logits), f"grad_t{target}", expected)


@both_precisions
@pytest.mark.parametrize("kind", ["unit", "wide", "offset", "gen_extreme"])
def test_imagenet_recorded(kind, precision):
    case = ImageNetCase("e_losses", precision)
    rows = case.hyper["B"]
    smoothing, target = case.hyper["d_label_smooth"], case.hyper["generator_target_prob"]
    logits = case.tensor(case[f"{kind}/class_logits"])
    labels = tf.constant(case[f"{kind}/labels"])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        gan = losses.gan_logits(logits)
        real, fake = gan[:rows], gan[rows:]
        classes = losses.supervised(labels, logits[:rows])
        d_loss = losses.one_sided_discriminator(real, fake, smoothing) + classes
        g_loss = losses.smoothed_generator(fake, target)
    exact = case[f"{kind}/class_logits"]
    gan_exact = oracle.gan_logits(exact)
    case.check(gan, f"{kind}/gan_logits", gan_exact)
    case.check(tf.sigmoid(gan), f"{kind}/probs")
    case.check(tf.reduce_mean(losses.sigmoid_kl(real, 1 - smoothing)), f"{kind}/d_loss_real")
    case.check(tf.reduce_mean(losses.sigmoid_kl(fake, 0.0)), f"{kind}/d_loss_fake")
    class_exact = oracle.supervised(case[f"{kind}/labels"], exact[:rows])
    case.check(classes, f"{kind}/d_loss_class", class_exact)
    expected = oracle.one_sided_discriminator(gan_exact[:rows], gan_exact[rows:]) + class_exact
    case.check(d_loss, f"{kind}/d_loss", expected)
    case.check(g_loss, f"{kind}/g_loss", oracle.smoothed_generator(gan_exact[rows:]))
    for player, loss in (("d", d_loss), ("g", g_loss)):
        gradient = tape.gradient(loss, logits).numpy()
        case.check(gradient[:, -1], f"{kind}/d_{player}_loss_gencol")
        case.check(gradient[:, :8], f"{kind}/d_{player}_loss_first8")
        at_labels = gradient[np.arange(rows), labels]
        case.check(at_labels, f"{kind}/d_{player}_loss_label")
        case.check(np.linalg.norm(gradient, axis=1), f"{kind}/d_{player}_loss_rownorm")
    # The defaults are the original's.
    default = losses.one_sided_discriminator(real, fake) + classes
    np.testing.assert_array_equal(default, d_loss)
    np.testing.assert_array_equal(losses.smoothed_generator(fake), g_loss)


def test_imagenet_explicit_softmax():
    """D = 1 - p(y = K+1 | x) of a softmax over all K+1 logits."""
    rng = np.random.RandomState(0)
    real, fake = 3 * rng.randn(2, 6, 5)
    d_real, d_fake = (1 - oracle.softmax(x)[:, -1] for x in (real, fake))
    gan_real, gan_fake = (losses.gan_logits(tf.constant(x)) for x in (real, fake))
    np.testing.assert_allclose(tf.sigmoid(gan_real), d_real, rtol=1e-12)

    def divergence(t, d):
        return np.mean(t * np.log(t / d) + (1 - t) * np.log((1 - t) / (1 - d)))

    expected = divergence(0.9, d_real) - np.mean(np.log(1 - d_fake))
    found = losses.one_sided_discriminator(gan_real, gan_fake, smoothing=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    found = losses.smoothed_generator(gan_fake, target=0.4)
    np.testing.assert_allclose(found, divergence(0.4, d_fake), rtol=1e-10)


@both_precisions
@pytest.mark.parametrize("target", [0.0, 0.375, 1.0])
def test_sigmoid_kl_at_extremes(target, precision):
    """Finite with finite gradients, linear far out, and 0 where sigmoid(l) is the target."""
    logits = tf.constant([-1e4, -100.0, 0.0, 100.0, 1e4], precision)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = losses.sigmoid_kl(logits, target)
    expected = oracle.sigmoid_kl(logits.numpy().astype(float), target)
    np.testing.assert_allclose(kl, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(
        tape.gradient(kl, logits), [-target, -target, 0.5 - target, *2 * [1 - target]], atol=1e-7
    )
    if 0 < target < 1:
        at_target = tf.constant([np.log(target / (1 - target))], precision)
        np.testing.assert_allclose(losses.sigmoid_kl(at_target, target), 0, atol=2e-7)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_outside_their_range(value):
    logits = tf.zeros(3)
    with pytest.raises(ValueError, match=r"target must lie in 0\.\.1, not"):
        losses.sigmoid_kl(logits, value)
    with pytest.raises(ValueError, match="target must lie"):
        losses.smoothed_generator(logits, target=value)
    with pytest.raises(ValueError, match="smoothing must lie"):
        losses.one_sided_discriminator(logits, logits, smoothing=value)


# ---- the best discriminator of section 3.4 -------------------------------------------------------

# How often each of five images is among twenty real and twenty generated ones.
DATA = np.array([8, 6, 4, 2, 0])
MODEL = np.array([1, 3, 4, 5, 7])


def minimized(loss):
    """D at the least loss, by Newton's method: an image's logit is a parameter of its own."""
    logits = tf.Variable(np.zeros(5))
    for _ in range(60):
        with tf.GradientTape() as second:
            with tf.GradientTape() as first:
                real, fake = (tf.repeat(logits, counts)[:, None] for counts in (DATA, MODEL))
                value = loss(real, fake)
            gradient = first.gradient(value, logits)
        logits.assign_sub(gradient / (second.gradient(gradient, logits) + 1e-12))
    return 1 / (1 + np.exp(-logits.numpy()))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.25])
def test_the_best_discriminator_is_the_papers(smoothing):
    found = minimized(lambda real, fake: losses.one_sided_discriminator(real, fake, smoothing))
    expected = (1 - smoothing) * DATA / (DATA + MODEL)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha, beta", [(0.9, 0.1), (0.75, 0.25)])
def test_why_one_side_alone_is_smoothed(alpha, beta):
    """With beta > 0 the best D is at beta where there are generated images only."""

    def loss(real, fake):
        kl = losses.sigmoid_kl
        return tf.reduce_mean(kl(real, alpha)) + tf.reduce_mean(kl(fake, beta))

    expected = (alpha * DATA + beta * MODEL) / (DATA + MODEL)
    np.testing.assert_allclose(minimized(loss), expected, rtol=1e-9)
    assert expected[-1] == pytest.approx(beta)
