"""Distances between features directly from their definitions, float64, pair by pair.

The Frechet distances by `scipy.linalg.sqrtm`, as the programs that are cited compute them.
"""

import numpy as np
import scipy.linalg


def frechet_distance(x, y):
    """|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))."""
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c @ d).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c + d - 2 * root)


def spatial_frechet_distance(maps_x, maps_y):
    """Of activations (N, height, width, channels): the first 7 channels at every place.

    Source: guided diffusion, evaluations/evaluator.py, _create_feature_graph.
    """
    return frechet_distance(*(maps[..., :7].reshape(len(maps), -1) for maps in (maps_x, maps_y)))


def memorization_distance(generated, real):
    """The mean over generated images of the smallest 1 - |cos| to a real one."""
    cosines = [
        [abs(g @ r) / np.sqrt((g @ g) * (r @ r)) for r in real if r.any()]
        for g in generated
        if g.any()
    ]
    return (1 - np.array(cosines)).min(axis=1).mean()


def memorization_informed(generated, real, threshold=0.1):
    """FID over that distance, where it is below the threshold."""
    distance = memorization_distance(generated, real)
    return frechet_distance(generated, real) / (distance + 1e-14 if distance < threshold else 1)


def rbf_distance(x, y, sigma):
    """The unbiased MMD^2 with the kernel exp(-|x - y|^2 / (2 sigma^2)), over all pairs."""
    n = len(x)

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * sigma**2))

    same = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j)
    return same / (n * (n - 1)) - 2 * sum(kernel(a, b) for a in x for b in y) / n**2


def clip_discrepancy(x, y, sigma=10, scale=1000):
    """The MMD^2 with that kernel over all pairs, i = j too, of vectors of length 1, scaled."""
    x, y = (s / np.sqrt((s**2).sum(axis=1, keepdims=True)) for s in (x, y))

    def mean(a, b):
        apart = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        return np.exp(-apart / (2 * sigma**2)).mean()

    return scale * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def monge_distance(x, y, directions):
    """3 F times the mean, over directions, of the squared 2-Wasserstein distance on a line."""
    found = []
    for direction in directions:
        u = direction / np.sqrt((direction**2).sum())
        pairs = zip(sorted(x @ u), sorted(y @ u), strict=True)
        found.append(np.mean([(a - b) ** 2 for a, b in pairs]))
    return 3 * x.shape[1] * np.mean(found)
