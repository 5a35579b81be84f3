"""Our losses against recorded ones, against an explicit softmax over K+1 classes, and at extremes.

Tolerances as in tests/layers/test_theano_golden.py. Where logits reach tens ("large") the
recording's softplus returns exactly x above 16 in float64, up to 1.1e-7 below the true value: 2e-7
absolute.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import losses
from reference import losses as oracle
from reference.cases import close, entries, load, name

PRECISIONS = {"float64": 1e-9, "float32": 1e-4}


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
    with pytest.raises(ValueError, match='"squared" or "absolute"'):
        losses.feature_matching(np.ones((2, 3)), np.ones((2, 3)), "cosine")
