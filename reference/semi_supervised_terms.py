"""Terms of later semi-supervised GANs, with their gradients, and a small network to put them on.

Source: Dai et al. (2017), Good Semi-supervised Learning that Requires a Bad GAN (conditional
entropy, pull-away term); Lecouat et al. (2018), Revisiting Manifold Regularization (consistency);
Miyato et al. (2017), Virtual Adversarial Training; Sajjadi et al. (2016), Regularization With
Stochastic Transformations and Perturbations, with the teacher of Tarvainen and Valpola (2017) and
the threshold of Sohn et al. (2020). Logits are (N, K), features (N, F), log Z =
log sum_k exp l_k and p = softmax(l).
"""

import numpy as np
from scipy.ndimage import affine_transform

from .losses import log_sum_exp, softmax, supervised, supervised_gradient


def conditional_entropy(logits):
    """mean(log Z - sum_k p_k l_k)."""
    return np.mean(log_sum_exp(logits) - np.sum(softmax(logits) * logits, axis=1))


def conditional_entropy_gradient(logits):
    """-p_k (log p_k + H) / N, with H the example's entropy."""
    p, log_p = softmax(logits), logits - log_sum_exp(logits)[:, None]
    entropy = -np.sum(p * log_p, axis=1, keepdims=True)
    return -p * (log_p + entropy) / len(logits)


def pull_away(features):
    """The mean over pairs i != j of the squared cosine."""
    total, n = 0.0, len(features)
    for i in range(n):
        for j in range(n):
            if i != j:
                a, b = features[i], features[j]
                total += (a @ b) ** 2 / ((a @ a) * (b @ b))
    return total / (n * (n - 1))


def pull_away_gradient(features):
    """Each pair counts twice; the derivative of cos(a, b) is (b / |b| - cos a / |a|) / |a|."""
    n, gradient = len(features), np.zeros(features.shape)
    lengths = np.sqrt(np.sum(features**2, axis=1))
    for i in range(n):
        for j in range(n):
            if i != j:
                cosine = features[i] @ features[j] / (lengths[i] * lengths[j])
                change = features[j] / lengths[j] - cosine * features[i] / lengths[i]
                gradient[i] += 2 * 2 * cosine * change / lengths[i]
    return gradient / (n * (n - 1))


def consistency(a, b):
    """The mean over examples of the squared distance."""
    return np.mean(np.sum((a - b) ** 2, axis=1))


def consistency_gradient(a, b):
    """With respect to a; to b it is the opposite."""
    return 2 * (a - b) / len(a)


def divergence(a, b):
    """mean sum_k p_k (log p_k - log q_k), p and q the softmax of a and b."""
    log_p, log_q = (x - log_sum_exp(x)[:, None] for x in (a, b))
    return np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))


def divergence_gradient(a, b):
    """With respect to b: (q - p) / N."""
    return (softmax(b) - softmax(a)) / len(a)


class Network:
    """l(x) = W2 tanh(W1 x + b1) + b2, its derivative and the gradients of its parameters."""

    def __init__(self, w1, b1, w2, b2):
        self.w1, self.b1, self.w2, self.b2 = w1, b1, w2, b2

    def hidden(self, x):
        return np.tanh(x @ self.w1 + self.b1)

    def logits(self, x):
        return self.hidden(x) @ self.w2 + self.b2

    def jacobian(self, x):
        """dl_k / dx_d, (N, K, D)."""
        slope = 1 - self.hidden(x) ** 2
        return np.einsum("dh,nh,hk->nkd", self.w1, slope, self.w2)

    def gradients(self, x, upstream):
        """Of sum(upstream * l(x)) with respect to w1, b1, w2, b2, x constant."""
        h = self.hidden(x)
        inner = upstream @ self.w2.T * (1 - h**2)
        return x.T @ inner, inner.sum(0), h.T @ upstream, upstream.sum(0)


def unit(x):
    return x / np.sqrt(np.sum(x**2, axis=1, keepdims=True))


def adversarial_direction(network, x, start):
    """J^T (diag(p) - p p^T) J u of each example as a unit vector."""
    jacobian, p = network.jacobian(x), softmax(network.logits(x))
    fisher = np.einsum("nk,kj->nkj", p, np.eye(p.shape[1])) - np.einsum("nk,nj->nkj", p, p)
    return unit(np.einsum("nkd,nkj,nje,ne->nd", jacobian, fisher, jacobian, start))


def published_direction(network, x, start, xi=1e-6):
    """The gradient of KL(p(x) || p(x + d)) with respect to d at d = xi u, as a unit vector."""
    difference = softmax(network.logits(x + xi * start)) - softmax(network.logits(x))
    return unit(np.einsum("nkd,nk->nd", network.jacobian(x + xi * start), difference))


def virtual_adversarial(network, x, start, radius):
    """(The loss, its gradients with respect to the parameters)."""
    near = x + radius * adversarial_direction(network, x, start)
    a, b = network.logits(x), network.logits(near)
    return divergence(a, b), network.gradients(near, divergence_gradient(a, b))


def affine(image, matrix, offset):
    """An image (H, W) seen through out[p] = in[matrix (p - m) + offset + m], m its middle.

    Interpolation is linear in both directions, and beyond the border stands the border.
    """
    middle = (np.array(image.shape) - 1) / 2
    start = middle + offset - matrix @ middle
    return affine_transform(image, matrix, start, order=1, mode="nearest")


def transformed(network, labels, moved_labeled, target, moved, threshold):
    """(The loss, its gradients) of transformed images; target are the logits of the teacher."""
    logits, near = network.logits(moved_labeled), network.logits(moved)
    value = supervised(labels, logits)
    certain = softmax(target).max(axis=1) > threshold
    for a, b in zip(target[certain], near[certain], strict=True):
        value += divergence(a[None], b[None]) / len(moved)
    upstream = divergence_gradient(target, near) * certain[:, None]
    parts = (
        network.gradients(moved_labeled, supervised_gradient(labels, logits)),
        network.gradients(moved, upstream),
    )
    return value, [a + b for a, b in zip(*parts, strict=True)]


def latent_likelihood(z, codes):
    """mean sum(log s + (z - m)^2 / (2 s^2)), codes the means m and log s side by side."""
    total = 0.0
    for value, code in zip(z, codes, strict=True):
        mean, log_s = np.split(code, 2)
        total += np.sum(log_s + (value - mean) ** 2 / (2 * np.exp(log_s) ** 2))
    return total / len(z)


def latent_likelihood_gradients(z, codes):
    """With respect to z and to the codes."""
    mean, log_s = np.split(codes, 2, axis=1)
    standard = (z - mean) / np.exp(log_s)
    of_latents = standard / np.exp(log_s) / len(z)
    return of_latents, np.concatenate([-of_latents, (1 - standard**2) / len(z)], axis=1)
