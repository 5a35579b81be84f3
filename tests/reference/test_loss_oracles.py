"""The NumPy oracles of losses and updates; see test_oracles.py."""

import numpy as np
import pytest

from reference import adam, averaging, losses
from tests.helpers.golden import close, entries, load, name
from tests.helpers.gradients import agree

RNG = np.random.RandomState(0)


# ---- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("losses"), ids=name)
def test_losses(entry):
    a = load(entry["file"])
    # The recording's softplus is exactly x above 16, up to 1.1e-7 less than the true one (D5).
    tolerance = {"atol": 2e-7} if "large" in entry["file"] else {}
    labels, lab, unl, fake = (a[k] for k in ("labels", "logits_lab", "logits_unl", "logits_fake"))
    close(losses.log_sum_exp(lab), a["lse_lab"])
    real_gradient, fake_gradient = losses.unsupervised_gradients(unl, fake)
    for script in ("mnist", "cifar"):
        close(losses.supervised(labels, lab), a[f"{script}_loss_lab"])
        close(losses.unsupervised(unl, fake), a[f"{script}_loss_unl"], **tolerance)
        close(losses.error_rate(labels, lab), a[f"{script}_train_err"])
        close(losses.supervised_gradient(labels, lab), a[f"{script}_grad_lab"])
        close(real_gradient, a[f"{script}_grad_unl"], **tolerance)
        close(fake_gradient, a[f"{script}_grad_fake"], **tolerance)
    close(losses.minibatch_generator(fake), a["mbd_loss_gen"], **tolerance)
    close(losses.minibatch_generator_gradient(fake), a["mbd_loss_gen_grad_fake"], **tolerance)
    for short, distance in (("sq", "squared"), ("abs", "absolute")):
        real, generated = a["feat_real"], a["feat_fake"]
        close(losses.feature_matching(real, generated, distance), a[f"fm_{short}"])
        gradient = losses.feature_matching_gradient(real, generated, distance)
        close(gradient, a[f"fm_{short}_grad"])


def test_loss_gradients():
    labels, lab, unl, fake = np.array([0, 2, 1]), *(2 * RNG.randn(3, 3, 4))
    agree(lambda t: losses.supervised(labels, t), lab, losses.supervised_gradient(labels, lab))
    real_gradient, fake_gradient = losses.unsupervised_gradients(unl, fake)
    agree(lambda t: losses.unsupervised(t, fake), unl, real_gradient)
    agree(lambda t: losses.unsupervised(unl, t), fake, fake_gradient)
    gradient = losses.minibatch_generator_gradient(fake)
    agree(losses.minibatch_generator, fake, gradient)
    for distance in ("squared", "absolute"):
        gradient = losses.feature_matching_gradient(unl, fake, distance)
        agree(lambda t, d=distance: losses.feature_matching(unl, t, d), fake, gradient)


def test_losses_are_those_of_the_explicit_softmax():
    labels, lab, unl, fake = RNG.randint(0, 10, 6), *(3 * RNG.randn(3, 6, 10))
    log_p = losses.explicit_log_probabilities
    np.testing.assert_allclose(np.exp(log_p(lab)).sum(1), 1, rtol=1e-12)
    real = np.log1p(-np.exp(log_p(lab)[:, -1]))
    expected = -np.mean(log_p(lab)[np.arange(6), labels] - real)
    np.testing.assert_allclose(losses.supervised(labels, lab), expected, rtol=1e-10)
    real = np.log1p(-np.exp(log_p(unl)[:, -1]))
    expected = -0.5 * np.mean(real) - 0.5 * np.mean(log_p(fake)[:, -1])
    np.testing.assert_allclose(losses.unsupervised(unl, fake), expected, rtol=1e-10)
    expected = np.mean(log_p(fake)[:, -1])  # -softplus(log Z) = log(1 - D)
    np.testing.assert_allclose(losses.minibatch_generator(fake), expected, rtol=1e-10)


# ---- updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("adam_updates"), ids=name)
def test_adam(entry):
    hyper, a = entry["hyper"], load(entry["file"])

    def optimizer():
        return adam.Adam(hyper["lr"], hyper["mom1"], hyper["mom2"])

    if "quadratic" in entry["file"]:
        one, p = optimizer(), a["p_0"]
        for s in range(1, hyper["steps"] + 1):
            close(np.sum(0.5 * a["a"] * (p - a["c"]) ** 2 + 0.1 * p**4), a[f"cost_{s}"])
            p = one.step(p, a["a"] * (p - a["c"]) + 0.4 * p**3)
            close(p, a[f"p_{s}"])
        return
    for i in (0, 1):
        one, p = optimizer(), a[f"p{i}_0"]
        for s in range(1, hyper["steps"] + 1):
            p = one.step(p, a[f"g{i}_{s}"])
            close(p, a[f"p{i}_{s}"])
            close(one.m, a[f"v{i}_{s}"])
            close(one.v, a[f"mg{i}_{s}"])
        assert one.t + 1 == a["t_final"]


def test_averaging():
    history, a = RNG.randn(30, 4), np.zeros(4)
    for p in history:
        a = a + 1e-2 * (p - a)
    np.testing.assert_allclose(averaging.average(history, 1e-2), a, rtol=1e-12)
    constant = np.full((7, 3), 2.5)
    np.testing.assert_allclose(averaging.debiased(constant, 1e-4), 2.5, rtol=1e-12)
    recorded = load("traj_cifar_fm.npz")
    np.testing.assert_allclose(
        averaging.average([recorded["d00_init"]], 1e-4), recorded["d00_avg1"], rtol=1e-12
    )
