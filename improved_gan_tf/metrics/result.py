"""What `evaluate` returns: the figures, and the protocol that they must be quoted with."""

import dataclasses
from collections import namedtuple
from typing import Any

import numpy as np

from improved_gan_tf.metrics.statistics import Statistics

# Every figure: its key, its label, and its digits after the point.
METRICS = {
    "inception_score": ("Inception score", 4),
    "fid": ("FID", 4),
    "sfid": ("sFID", 4),
    "kid": ("KID", 6),
    "precision": ("precision", 4),
    "recall": ("recall", 4),
    "density": ("density", 4),
    "coverage": ("coverage", 4),
    "mind": ("MIND", 4),
    "mifid": ("MiFID", 4),
    "cmmd": ("CMMD", 4),
    "intra_fid": ("intra-class FID", 4),
    "inception_score_per_class": ("score per class", 4),
}


class Score(namedtuple("Score", "mean std")):
    """An Inception score, `mean, std`, with its `protocol`, a dictionary of plain values."""

    protocol: dict[str, Any]

    def __new__(cls, mean: float, std: float, protocol: dict[str, Any]) -> "Score":
        self = super().__new__(cls, mean, std)
        self.protocol = protocol
        return self


@dataclasses.dataclass(frozen=True)
class Result:
    """The figures of a set of images.

    Attributes:
        figures: Dictionary of the figures by name: "inception_score", "kid" and the figures per
            class dictionaries with "mean" and "std" (the latter with "classes" too, each class's
            value by its name), the others floats.
        protocol: Dictionary of plain values: images, extractor, resize, version, ...
        reference: Dictionary with the "images", "count", "extractor_digest" and "resize" of the
            reference; None without.
        image_scores: Float64 array (N,), if it was asked for: KL(p(y|x) || p(y)) of every image.
        statistics: `Statistics` of the images' features, if they were needed.
    """

    figures: dict[str, Any]
    protocol: dict[str, Any]
    reference: dict[str, Any] | None = None
    image_scores: np.ndarray | None = None
    statistics: Statistics | None = None

    def to_json(self) -> dict[str, Any]:
        """Figures, reference and protocol in one dictionary of plain values."""
        reference = {} if self.reference is None else {"reference": self.reference}
        return {**self.figures, **reference, "protocol": self.protocol}

    def lines(self) -> list[str]:
        """The figures and the protocol as lines of text: a label of 17 columns, then the value."""
        lines = []
        for name, figure in self.figures.items():
            label, digits = METRICS[name]
            if isinstance(figure, dict):
                text = f"{figure['mean']:.{digits}f} +- {figure['std']:.{digits}f}"
            else:
                text = f"{figure:.{digits}f}"
            if name == "kid":
                of = "" if figure["kernel"] == "polynomial" else f", kernel {figure['kernel']}"
                text += f"   ({figure['subsets']} subsets of {figure['subset_size']}{of})"
            if isinstance(figure, dict) and "classes" in figure:
                found = sorted(figure["classes"].items(), key=lambda item: item[1])
                ends = " to ".join(f"{found[i][0]}: {found[i][1]:.{digits}f}" for i in (0, -1))
                text += f"   ({len(found)} classes, {ends})"
            lines.append(f"{label:17s}{text}")
        about = self.protocol
        skipped = f", {about['skipped']} skipped" if about["skipped"] else ""
        lines.append(f"{'images':17s}{about['images']}: {about['count']}{skipped}")
        if self.reference is not None:
            count = self.reference["count"] or "unknown number"
            parts = {"extractor": "extractor_digest", "resize": "resize"}
            missing = [name for name, key in parts.items() if not self.reference[key]]
            silent = f"; the file does not state its {' and '.join(missing)}" if missing else ""
            lines.append(f"{'reference':17s}{self.reference['images']}: {count}{silent}")
        by = f"{about['extractor']} ({about['extractor_digest'][:23]})"
        lines.append(f"{'extractor':17s}{by}, resize {about['resize'] or 'not stated'}")
        protocol = f"improved_gan_tf {about['version']}"
        if "inception_score" in self.figures:
            seed = about["shuffle_seed"]
            order = "in order" if seed is None else f"shuffled by seed {seed}"
            split = f"{about['splits']} splits, {order}, population standard deviation"
            protocol = f"{split}, {protocol}"
        for names, k in about["neighbours"].items():
            protocol = f"{k} neighbours ({names}), {protocol}"
        if "mind" in self.figures:
            drawn = f"{about['mind']['projections']} projections of seed {about['mind']['seed']}"
            protocol = f"{drawn} (mind), {protocol}"
        return [*lines, f"{'protocol':17s}{protocol}"]
