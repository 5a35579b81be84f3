"""The rows of the paper's table 3 as values of the recipe `cifar10-samples` (section 6.2)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

_BATCH = {"normalization": "batch"}
_NO_KERNELS = {"minibatch_kernels": 0}
# Without smoothing the generator's target is what the original's 0.375 is of 0.75: half of the
# real images' target, the discriminator's best answer where both densities are equal.
_NO_SMOOTHING = {"smoothing": 0.0, "generator_target": 0.5}
# The paper has no weight (D25). After 300 steps at an eighth of the width the pull of this one is
# 2 % of the generator's gradient and 7 % of the discriminator's (root mean squares; one run). The
# best weight was not looked for.
_AVERAGING = {"historical_averaging": 0.1}


@dataclasses.dataclass(frozen=True)
class Ablation:
    """One row of table 3: the model of the paper with something taken away.

    Attributes:
        name: What the paper calls it; "ours" for the whole model.
        summary: What it is, in a line.
        paper: The paper's Inception score of 50,000 samples; None where it has none.
        values: What differs from the recipe, for `override`.
    """

    name: str
    summary: str
    paper: float | None
    values: Mapping[str, Any]


_ROWS = (
    Ablation("ours", "the whole model", 8.09, {}),
    Ablation(
        "-VBN+BN",
        "ordinary batch normalization in the generator, in place of the virtual one",
        7.54,
        {"generator": _BATCH},
    ),
    Ablation(
        "-L+HA",
        "without labels, and with historical averaging",
        6.86,
        {"labels": False, **_AVERAGING},
    ),
    Ablation("-LS", "without label smoothing", 6.83, _NO_SMOOTHING),
    Ablation("-L", "without labels: one logit, no class loss", 4.36, {"labels": False}),
    Ablation("-MBF", "without minibatch features", 3.87, {"discriminator": _NO_KERNELS}),
    # The networks' sizes stay, and with them everything that is not a technique of the paper.
    Ablation(
        "dcgan",
        "a plain DCGAN: none of the techniques, and the generator's own objective, -log D",
        None,
        {
            "generator": {**_BATCH, "noise_maps": False},
            "discriminator": {**_BATCH, **_NO_KERNELS},
            "labels": False,
            "smoothing": 0.0,
            "generator_target": 1.0,
            "noise": 0.0,
        },
    ),
)

ABLATIONS: dict[str, Ablation] = {row.name: row for row in _ROWS}
"""The rows by name, in the order of the table."""
