"""Virtual batch normalization, section 3.5 of the paper.

Source: imagenet/model.py: VBN, VBNL (gamma = exp(driver), so that ddriver = gamma dgamma) and VBNLP
(VBNL per pixel). With n reference examples r, their means m0 of r and s0 of r^2, c = 1 / (n + 1),
and E_i the mean over height and width of the live example x_i alone:

    y(x; m, s) = gamma (x - m) / sqrt(1e-5 + s - m^2) + beta
    reference example:  y(r_i; m0, s0)
    live example:       y(x_i; c E_i[x_i] + (1 - c) m0, c E_i[x_i^2] + (1 - c) s0)

Examples are (N,), (N, C) or (N, H, W, C); the first two are taken as images of one pixel.
"""

import numpy as np

EPSILON = 1e-5


def _images(x):
    return x if x.ndim == 4 else x.reshape(len(x), 1, 1, -1)


def _used(count, half):
    """The reference examples that are counted."""
    n = count // 2
    return {None: slice(0, count), 1: slice(0, n), 2: slice(n, 2 * n)}[half]


def statistics(reference, per_pixel=False, half=None):
    """(m0, s0), each (C,), or (H, W, C) with `per_pixel`; `half` 1 or 2 counts half of them."""
    used = _images(reference)[_used(len(reference), half)]
    axes = 0 if per_pixel else (0, 1, 2)
    return used.mean(axes), np.square(used).mean(axes)


def _normalizers(reference, live, per_pixel, half):
    """c, and (m, s) of the reference and of each live example, broadcastable to the images."""
    m0, s0 = statistics(reference, per_pixel, half)
    c = 1 / (len(reference[_used(len(reference), half)]) + 1)
    x = _images(live)
    m, s = x, np.square(x)
    if not per_pixel:
        m, s = m.mean((1, 2), keepdims=True), s.mean((1, 2), keepdims=True)
    return c, (m0[None], s0[None]), (c * m + (1 - c) * m0, c * s + (1 - c) * s0)


def forward(reference, live, gamma, beta, per_pixel=False, half=None):
    """(reference, live) normalized; gamma and beta are (C,), or (H, W, C) with `per_pixel`."""
    _, *both = _normalizers(reference, live, per_pixel, half)
    return tuple(
        (gamma * (_images(x) - m) / np.sqrt(EPSILON + s - m**2) + beta).reshape(x.shape)
        for x, (m, s) in zip((reference, live), both, strict=True)
    )


def gradients(
    reference, live, gamma, beta, reference_upstream, live_upstream, per_pixel=False, half=None
):
    """Gradients of sum(outputs * upstreams), with the keys reference, live, gamma, beta.

    With d = sqrt(epsilon + s - m^2), h = (x - m) / d and a = gamma upstream, the gradients at the
    statistics of one example are, by dd/dm = -m / d and dd/ds = 1 / (2 d),

        dm = sum_HW a (-1 + h m / d) / d,    ds = -sum_HW a h / (2 d^2).

    Those of a live example pass to its own pixels with the factors c / (H W) and c 2 x / (H W), and
    with the factor 1 - c to m0 and s0. The sums at m0 and s0, over live and reference examples,
    pass to the n H W counted pixels. (Per pixel there are no sums and no H W.)
    """
    c, *both = _normalizers(reference, live, per_pixel, half)
    found, gamma_gradient, beta_gradient = [], 0, 0
    for x, upstream, (m, s) in zip(
        (reference, live), (reference_upstream, live_upstream), both, strict=True
    ):
        x, upstream = _images(x), _images(upstream)
        d = np.sqrt(EPSILON + s - m**2)
        h, a = (x - m) / d, gamma * upstream
        dm, ds = a * (-1 + h * m / d) / d, -a * h / (2 * d**2)
        if not per_pixel:
            dm, ds = dm.sum((1, 2), keepdims=True), ds.sum((1, 2), keepdims=True)
        found.append((x, a / d, dm, ds))
        axes = 0 if per_pixel else (0, 1, 2)
        gamma_gradient = gamma_gradient + (upstream * h).sum(axes)
        beta_gradient = beta_gradient + upstream.sum(axes)
    (r, r_gradient, r_dm, r_ds), (x, x_gradient, x_dm, x_ds) = found
    pixels = 1 if per_pixel else x.shape[1] * x.shape[2]
    x_gradient = x_gradient + c * (x_dm + 2 * x * x_ds) / pixels
    m0_gradient, s0_gradient = (
        to_reference.sum(0) + (1 - c) * to_live.sum(0)
        for to_reference, to_live in ((r_dm, x_dm), (r_ds, x_ds))
    )
    used = _used(len(r), half)
    n = len(r[used])
    r_gradient[used] += (m0_gradient + 2 * r[used] * s0_gradient) / (n * pixels)
    return {
        "reference": r_gradient.reshape(reference.shape),
        "live": x_gradient.reshape(live.shape),
        "gamma": gamma_gradient,
        "beta": beta_gradient,
    }
