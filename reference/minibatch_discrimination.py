"""Minibatch discrimination, section 3.2 of the paper.

Source: mnist_svhn_cifar10/nn.py, MinibatchLayer. With theta (I, K, D), log weight scale (K, D):

    W[i, k, d] = theta[i, k, d] exp(scale[k, d]) / sqrt(sum_i theta^2)      (no epsilon)
    M = x W,   distance[n, j, k] = sum_d |M[n, k, d] - M[j, k, d]|
    f[n, k] = sum_{j != n} exp(-distance[n, j, k]),   output = [x, f + b]

All pairs of examples are in memory at once here (D6): only for small batches.
"""

import numpy as np


def _project(x, theta, scale):
    flat = np.reshape(x, (x.shape[0], -1))
    norm = np.sqrt(np.sum(np.square(theta), axis=0))
    return flat, norm, np.einsum("ni,ikd->nkd", flat, theta * (np.exp(scale) / norm))


def _distances(m):
    """(N, N, K), infinite from an example to itself (the original adds 1e6: exp is 0 too)."""
    d = np.sum(np.abs(m[:, None] - m[None, :]), axis=-1)
    d[np.arange(len(m)), np.arange(len(m))] = np.inf
    return d


def forward(x, theta, scale, b):
    """[x, f + b], (N, I + K), of x (N, ...) flattened in C order and b (K,)."""
    flat, _, m = _project(x, theta, scale)
    return np.concatenate([flat, np.exp(-_distances(m)).sum(1) + b], axis=1)


def gradients(x, theta, scale, b, upstream):
    """Gradients of sum(forward(...) * upstream): a dict with the keys x, theta, scale, b.

    With u the part of `upstream` at f and e = exp(-distance), each pair (n, j) has the weight
    c[n, j, k] = (u[n, k] + u[j, k]) e[n, j, k], because n's distance to j is also j's to n:
        dM[n, k, d] = -sum_j c[n, j, k] sign(M[n, k, d] - M[j, k, d]),    sign(0) = 0.
    The derivative of the normalization is that of weight norm with g = exp(scale), and
    dscale = g dg.
    """
    flat, norm, m = _project(x, theta, scale)
    inputs = flat.shape[1]
    u = upstream[:, inputs:]
    pull = (u[:, None] + u[None, :]) * np.exp(-_distances(m))
    m_gradient = -np.einsum("njk,njkd->nkd", pull, np.sign(m[:, None] - m[None, :]))
    w_gradient = np.einsum("ni,nkd->ikd", flat, m_gradient)
    inner = np.sum(w_gradient * theta, axis=0)
    gain = np.exp(scale) / norm
    x_gradient = np.einsum("nkd,ikd->ni", m_gradient, theta * gain) + upstream[:, :inputs]
    return {
        "x": x_gradient.reshape(x.shape),
        "theta": gain * (w_gradient - theta * inner / norm**2),
        "scale": gain * inner,
        "b": u.sum(0),
    }


def initialize(x, theta, scale):
    """The data-dependent initialization. Returns (output, new scale, new b).

    With mm[k] = 1/2 mean_n min_{j != n} distance[n, j, k], distances are divided by mm
    (scale[k, d] <- scale[k, d] - log mm[k]), and b <- -mean_n f, so that the features have mean 0.
    """
    flat, _, m = _project(x, theta, scale)
    d = _distances(m)
    mm = 0.5 * np.mean(np.min(d, axis=1), axis=0)
    f = np.exp(-d / mm).sum(1)
    return np.concatenate([flat, f - f.mean(0)], 1), scale - np.log(mm)[:, None], -f.mean(0)
