"""The figures that are asked for: what they need, what they refuse, and how they are computed."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import cmmd, intra_class, kernel, memorization, mind
from improved_gan_tf.metrics.classes import Classes, summary
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.density_coverage import NEIGHBOURS as DENSITY_NEIGHBOURS
from improved_gan_tf.metrics.density_coverage import DensityCoverage
from improved_gan_tf.metrics.inception_score import (
    check_splits,
    class_scores_from_logits,
    score_from_logits,
)
from improved_gan_tf.metrics.neighbours import Counted, check_neighbours, count_memberships
from improved_gan_tf.metrics.precision_recall import NEIGHBOURS as PRECISION_NEIGHBOURS
from improved_gan_tf.metrics.precision_recall import PrecisionRecall
from improved_gan_tf.metrics.result import METRICS
from improved_gan_tf.metrics.statistics import KEPT, NO_FEATURES, NO_SPATIAL, Statistics

ALL = "all"
"""What `metrics` may be, beside a sequence of names: all that can be computed from what is given"""
SCORES = ("inception_score", "inception_score_per_class")
"""The figures that need no reference, and images rather than their statistics."""
PER_CLASS = ("intra_fid", "inception_score_per_class")
"""The figures that need class labels."""
_OF_ALL = ("precision", "recall", "density", "coverage", "mind", "mifid", "cmmd", "intra_fid")
_OF_FEATURES = ("kid", *_OF_ALL)
Labeled = tuple[Classes | None, Classes | None]
"""The classes of the images and of the reference."""
NONE: Labeled = (None, None)


@dataclasses.dataclass(frozen=True)
class Asked:
    """Figures and the options of each; the attributes are arguments of `evaluate`."""

    names: tuple[str, ...] = ("inception_score",)
    splits: int = 10
    shuffle_seed: int | None = None
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    kid_seed: int = kernel.SEED
    kid_kernel: str = "polynomial"
    kid_sigma: float = kernel.SIGMA
    precision_neighbours: int = PRECISION_NEIGHBOURS
    density_neighbours: int = DENSITY_NEIGHBOURS
    mind_projections: int = mind.PROJECTIONS
    mind_seed: int = mind.SEED

    @property
    def counted(self) -> list[Counted]:
        """What computes those of the figures that count memberships."""
        made = (
            PrecisionRecall(self.precision_neighbours),
            DensityCoverage(self.density_neighbours),
        )
        return [each for each in made if set(each.figures) & set(self.names)]

    @property
    def kept(self) -> int:
        """The images whose features KID needs."""
        return max(KEPT, self.kid_subset_size) if "kid" in self.names else 0

    @property
    def whole(self) -> bool:
        """Whether features of all images are needed."""
        return bool(set(self.names) & set(_OF_ALL))

    def check(
        self, images: Any, reference: Any, classifier: Classifier | None, classes: Labeled = NONE
    ) -> None:
        """Raises `UserError` for what no classifier, or not this one, could compute.

        Args:
            images: `data.Images` or `Statistics`.
            reference: Likewise, or None.
            classifier: What computes features; None: whatever will.
            classes: The classes of both. Defaults to none.
        """
        names = set(self.names)
        for name in self.names:
            if name not in METRICS:
                raise UserError(f"there is no metric {name!r}; choose from {', '.join(METRICS)}")
            if reason := lacking(name, images, reference, classifier, classes):
                raise UserError(reason)
        if reference is not None and not names - set(SCORES):
            raise UserError(
                "the Inception score uses no reference; choose metrics that do with metrics=(...): "
                f"{', '.join(name for name in METRICS if name not in SCORES)}"
            )
        if "inception_score" in names:
            check_splits(images.count, self.splits, self.shuffle_seed)
        for side in () if reference is None else (images, reference):
            if names & {"fid", "sfid", "mifid"} and side.count is not None and side.count < 2:
                raise UserError(
                    f"{side.name}: {side.count} image has no covariance; give 2 or more"
                )
            if names & set(_OF_FEATURES):
                self._check_features(side)
        if "kid" in names:
            kernel.check_kernel(self.kid_kernel, self.kid_sigma)
        if "mind" in names:
            mind.check_directions(self.mind_projections, self.mind_seed)
        if "intra_fid" in names and classes[0] is not None and classes[1] is not None:
            both = zip(classes[0].names, classes[1].names, strict=False)
            for label, (ours, theirs) in enumerate(both):
                if ours != theirs:
                    raise UserError(
                        f"class {label} is {ours} in {images.name} and {theirs} in "
                        f"{reference.name}; give both labels of the same classes"
                    )
            numbers = classes[0].numbers, classes[1].numbers
            intra_class.check_classes(*numbers, _names(classes))

    def _check_features(self, side: Any) -> None:
        count = side.count
        if isinstance(side, Statistics):
            count = len(side.features)
            if self.whole and side.count is not None and count < side.count:
                warnings.warn(
                    f"{side.name}: of its {side.count} images the features of {count} are kept, "
                    "and figures of features are theirs; --save-features (keep_features) keeps all",
                    stacklevel=4,
                )
        if "kid" in self.names:
            kernel.check_subsets(count, self.kid_subsets, self.kid_subset_size, self.kid_seed)
        for metric in self.counted:
            check_neighbours(count, metric.neighbours)

    def compute(
        self, ours: Any, theirs: Any, logits: Any, classes: Labeled = NONE
    ) -> dict[str, Any]:
        """The figures by name, in the order in which they are asked for.

        Args:
            ours: `Statistics` of the images; None where no figure needs them.
            theirs: Those of the reference, likewise.
            logits: The images' logits, as `score_from_logits` takes them.
            classes: The classes of both. Defaults to none.
        """
        names = set(self.names)
        found: dict[str, Any] = {}
        if "inception_score" in names:
            mean, std = score_from_logits(logits, self.splits, self.shuffle_seed)
            found["inception_score"] = {"mean": mean, "std": std}
        if names & {"fid", "mifid"}:
            found["fid"] = ours.fid(theirs)
        if "sfid" in names:
            found["sfid"] = ours.sfid(theirs)
        if "kid" in names:
            found["kid"] = self._kid(ours, theirs)
        if self.counted:
            found |= count_memberships(ours.features, theirs.features, self.counted)
        if "mind" in names:
            found["mind"] = mind.monge_distance(
                ours.features, theirs.features, self.mind_projections, self.mind_seed
            )
        if "mifid" in names:
            near = memorization.memorization_distance(ours.features, theirs.features)
            found["mifid"] = memorization.informed(found["fid"], near)
        if "cmmd" in names:
            found["cmmd"] = cmmd.clip_discrepancy(ours.features, theirs.features)
        if "inception_score_per_class" in names and classes[0] is not None:
            scores = class_scores_from_logits(logits, classes[0].numbers)
            found["inception_score_per_class"] = summary(scores, _names(classes))
        if "intra_fid" in names and classes[0] is not None and classes[1] is not None:
            distances = intra_class.intra_class_distances(
                ours.features, classes[0].numbers, theirs.features, classes[1].numbers
            )
            found["intra_fid"] = summary(distances, _names(classes))
        return {name: found[name] for name in self.names}

    def _kid(self, ours: Any, theirs: Any) -> dict[str, Any]:
        drawn = self.kid_subsets, self.kid_subset_size, self.kid_seed
        mean, std = ours.kid(theirs, *drawn, self.kid_kernel, self.kid_sigma)
        about: dict[str, Any] = dict(zip(("subsets", "subset_size", "seed"), drawn, strict=True))
        if self.kid_kernel == "rbf":
            about["sigma"] = self.kid_sigma
        return {"mean": mean, "std": std, **about, "kernel": self.kid_kernel}

    def protocol(self) -> dict[str, Any]:
        """What the figures must be quoted with, beside images and classifier."""
        about: dict[str, Any] = {
            "splits": self.splits,
            "shuffle_seed": self.shuffle_seed,
            "standard_deviation": "population, over the splits",
            "neighbours": {", ".join(each.figures): each.neighbours for each in self.counted},
        }
        if "mind" in self.names:
            about["mind"] = {"projections": self.mind_projections, "seed": self.mind_seed}
        return about


def named(
    metrics: Sequence[str] | str,
    images: Any,
    reference: Any,
    classifier: Classifier | None,
    classes: Labeled = NONE,
) -> tuple[str, ...]:
    """The names of figures; of "all", a warning names what is left out. As `Asked.check`."""
    if metrics != ALL:
        return (metrics,) if isinstance(metrics, str) else tuple(metrics)
    given = images, reference, classifier, classes
    names = tuple(name for name in METRICS if not lacking(name, *given))
    if len(names) < len(METRICS):
        left = ", ".join(name for name in METRICS if name not in names)
        warnings.warn(
            f"left out of all: {left}; name one to see why (metrics, --metrics)", stacklevel=3
        )
    return names


def lacking(
    name: str, images: Any, reference: Any, classifier: Classifier | None, classes: Labeled
) -> str:
    """Why a figure cannot be computed from what is given; empty where it can."""
    if name in SCORES and isinstance(images, Statistics) and images.logits is None:
        return (
            f"the statistics of {images.name} hold no images to score, nor their logits; give "
            "images, or make them again with all features (keep_features, --save-features)"
        )
    if name in PER_CLASS:
        if classes[0] is None:
            return f"{name} needs the images' class labels; give labels (labels, --labels)"
        if (classes[0].numbers < 0).all():
            return f"{name} needs labeled images, and every label is -1; label some of each class"
    if name in SCORES:
        if not isinstance(images, Statistics) and classifier and not classifier.classifies:
            return (
                f"{classifier.name} gives no class probabilities, so there is no Inception score "
                "of it; name other metrics (--no-score, --metrics)"
            )
        return ""
    if reference is None:
        return f"{name} needs a reference: the images or statistics to compare with"
    if name in PER_CLASS and classes[1] is None:
        given = "(reference_labels, --reference-labels)"
        return f"{name} needs the reference's class labels; give labels {given}"
    for side in (images, reference):
        if isinstance(side, Statistics):
            if name == "sfid" and side.spatial is None:
                return NO_SPATIAL
            if name in _OF_FEATURES and not side.has_features:
                return NO_FEATURES
        elif name == "sfid" and classifier is not None and classifier.num_spatial is None:
            return (
                f"{classifier.name} gives no spatial features, which sfid needs; name a layer "
                '"spatial", or leave sfid out'
            )
        maker = side if isinstance(side, Statistics) else classifier
        if name == "cmmd" and maker is not None and not maker.clip:
            return (
                "cmmd compares embeddings by CLIP; choose one for both sides, e.g. "
                "keras_hub:clip_vit_large_patch14_336 (--extractor, load_extractor)"
            )
    return ""


def _names(classes: Labeled) -> dict[int, str]:
    """The name of each class: the reference's where it has one."""
    return {k: v for each in classes if each is not None for k, v in enumerate(each.names)}
