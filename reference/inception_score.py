"""Inception score, FID and KID directly from their definitions.

Source of the score: inception_score/model.py, get_inception_score: the mean and the population
standard deviation over the parts from i*N//splits to (i+1)*N//splits, without an epsilon.
"""

import numpy as np


def softmax(logits):
    """The softmax of each image's logits, float64."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def inception_score(p, splits=10):
    """(mean, std) over the parts of exp(mean KL(p(y|x) || p(y))); a 0 in p gives NaN (D18)."""
    n = len(p)
    scores = []
    for i in range(splits):
        part = p[i * n // splits : (i + 1) * n // splits]
        with np.errstate(divide="ignore", invalid="ignore"):
            divergence = (part * (np.log(part) - np.log(part.mean(axis=0)))).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return np.mean(scores), np.std(scores)


def frechet_distance(x, y):
    """|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), by the eigenvalues of the product.

    They are real and not negative, because it is similar to C_x^(1/2) C_y C_x^(1/2).
    """
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(c @ d).astype(complex)).real.sum()
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * root


def kernel_distance(x, y):
    """The unbiased MMD^2 with the kernel (x.y / F + 1)^3, written out as sums over pairs."""
    n, f = x.shape

    def kernel(a, b):
        return (a @ b / f + 1) ** 3

    same_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    same_y = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    return (same_x + same_y) / (n * (n - 1)) - 2 * across / n**2
