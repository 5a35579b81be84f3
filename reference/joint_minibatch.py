"""The minibatch features of the ImageNet discriminator.

Source: imagenet/discriminator.py, discriminator. For the activations M (2B, K, D) of 2B examples,
real ones first, and e[n, k, j] = exp(-sum_d |M[n,k,d] - M[j,k,d]|), 0 for j = n:

    f1[n, k] = sum_{j < B} e[n, k, j] / S,    f2[n, k] = sum_{j >= B} e[n, k, j] / S.

S = B (2B - 1) is the sum of the mask over *all* n and over the j of one half: B columns of 2B
entries, one of them 0. All pairs of examples are in memory at once here (D6).
"""

import numpy as np


def _similarities(m):
    """e as (N, N, K)."""
    e = np.exp(-np.abs(m[:, None] - m[None, :]).sum(-1))
    e[np.arange(len(m)), np.arange(len(m))] = 0
    return e


def forward(m):
    """(f1, f2), each (2B, K)."""
    half = len(m) // 2
    e, scale = _similarities(m), half * (2 * half - 1)
    return e[:, :half].sum(1) / scale, e[:, half:].sum(1) / scale


def gradients(m, upstream1, upstream2):
    """The gradient of sum(f1 * upstream1) + sum(f2 * upstream2) with respect to M.

    The similarity of n to j has the weight w[n, j, k]: the upstream gradient at n of the feature
    of j's half, divided by S. As e is symmetric,
    dM[n,k,d] = -sum_j (w[n,j,k] + w[j,n,k]) e[n,k,j] sign(M[n,k,d] - M[j,k,d]), with sign(0) = 0.
    """
    half = len(m) // 2
    scale = half * (2 * half - 1)
    w = np.repeat(np.stack([upstream1, upstream2], axis=1), half, axis=1) / scale
    pull = (w + np.swapaxes(w, 0, 1)) * _similarities(m)
    return -np.einsum("njk,njkd->nkd", pull, np.sign(m[:, None] - m[None, :]))
