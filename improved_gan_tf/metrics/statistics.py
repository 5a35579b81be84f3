"""The statistics of many images' features that metrics need, and their files.

Mean and covariance take F (F + 1) numbers whatever the number of images (34 MB for Inception's
2,048 features). The other metrics need features themselves: of more than `kept` images a random
sample is kept.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary
from improved_gan_tf.metrics import frechet, kernel, statistics_file

KEPT = 10_000  # images whose features are kept: 80 MB of Inception's
NO_FEATURES = (
    "these statistics hold no features, which all but FID need; make them again with features "
    "(keep_features, --save-features)"
)
NO_SPATIAL = (
    "these statistics hold no spatial features, which sFID needs; make them again with features "
    "(keep_features, --save-features) by a classifier that has them"
)
_BLOCK = 512  # images between two updates of the covariance
_FORMAT = "improved_gan_tf statistics, version 1"


class Statistics:
    """Mean and covariance (divided by N - 1) of features that come in batches, in float64.

    Args:
        num_features: Integer, the length F of one image's features.
        classifier: String, the digest of the classifier that computes them. Statistics of two
            classifiers refuse to be compared.
        kept: Integer, the number of images whose features are kept: all up to this number,
            and beyond it a random sample (a reservoir with a fixed seed). Defaults to 0.
        about: Dictionary of JSON values that is saved with them.
        num_spatial: Integer, the length of one image's spatial features, which sFID needs. None
            (default): there are none.

    Attributes:
        spatial: The `Statistics` of the spatial features, or None.
        logits: Float32 array (N, K), the logits of all images, or None; the score needs them.

    Example:

    >>> statistics = Statistics(num_features=4)
    >>> statistics.update(np.ones((10, 4)))
    >>> statistics.count, statistics.mean.tolist()
    (10, [1.0, 1.0, 1.0, 1.0])
    """

    def __init__(
        self,
        num_features: int,
        classifier: str = "",
        kept: int = 0,
        about: dict[str, Any] | None = None,
        num_spatial: int | None = None,
    ):
        self.spatial = None if num_spatial is None else Statistics(num_spatial, classifier)
        self.num_features = num_features
        self.classifier = classifier
        self.kept = kept
        self.about = about or {}
        self._count: int | None = 0
        self._mean = np.zeros(num_features)
        self._scatter = np.zeros((num_features, num_features))
        self._sample: np.ndarray | None = None
        self._seen = 0  # images that went past the sample
        self._rng = np.random.RandomState(0)
        self._pending: list[np.ndarray] = []
        self._labels: np.ndarray | None = None
        self.logits: np.ndarray | None = None

    def update(self, features: Any, spatial: Any = None) -> None:
        """Adds the features of a batch of images, floats (n, F), and their spatial features."""
        if self.spatial is not None:
            self.spatial.update(spatial)
        features = np.asarray(features)
        if features.ndim != 2 or features.shape[1] != self.num_features:
            raise UserError(
                f"features of shape {features.shape}, expected (images, {self.num_features})"
            )
        self._pending.append(features.astype(np.float64))
        if self.kept:
            self._keep(features)
        if sum(map(len, self._pending)) >= _BLOCK:
            self._flush()

    def _keep(self, features: np.ndarray) -> None:
        if self._sample is None:
            self._sample = np.empty((self.kept, self.num_features), np.float32)
        room = max(0, self.kept - self._seen)
        self._sample[self._seen : self._seen + len(features[:room])] = features[:room]
        self._seen += len(features[:room])
        for row in features[room:]:
            self._seen += 1
            place = self._rng.randint(self._seen)
            if place < self.kept:
                self._sample[place] = row

    def _flush(self) -> None:
        """Merges the pending features: two sets' means and scatter matrices give those of both."""
        if not self._pending:
            return
        rows = np.concatenate(self._pending)
        self._pending = []
        mean = rows.mean(axis=0)
        rows -= mean
        count = self._count or 0
        total = count + len(rows)
        step = mean - self._mean
        self._scatter += rows.T @ rows
        self._scatter += np.outer(step, step * (count * len(rows) / total))
        self._mean += step * (len(rows) / total)
        self._count = total

    @property
    def name(self) -> str:
        """What the images were, or "statistics" if that is unknown."""
        return self.about.get("images", "") or "statistics"

    @property
    def extractor(self) -> str:
        """The name of what computed the features, or "unknown"."""
        return self.about.get("classifier_name", "") or "unknown"

    @property
    def resized(self) -> str:
        """How the images came to its size, as `Classifier.resized`; "" if that is unknown."""
        return self.about.get("resize", "")

    @property
    def clip(self) -> bool:
        """Whether the features are CLIP's embeddings."""
        return self.about.get("clip") is True

    @property
    def count(self) -> int | None:
        """The number of images; None if another program's file does not say it."""
        self._flush()
        return self._count

    @property
    def mean(self) -> np.ndarray:
        """Float64 array (F,)."""
        self._flush()
        return self._mean

    @property
    def covariance(self) -> np.ndarray:
        """Float64 array (F, F); it needs 2 images or more."""
        count = self.count
        if count is None:
            return self._scatter  # the covariance itself, of another program's file
        if count < 2:
            raise UserError(f"{count} images have no covariance; give 2 or more")
        return self._scatter / (count - 1)

    @property
    def has_features(self) -> bool:
        """Whether there are features."""
        return self._sample is not None

    @property
    def features(self) -> np.ndarray:
        """The kept features, float32 (at most `kept`, F). Raises `UserError` if none are kept."""
        if self._sample is None:
            raise UserError(NO_FEATURES)
        return self._sample[: min(self._seen, self.kept)]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """One name per class, None where there are none."""
        names = self.about.get("class_names")
        return None if names is None else tuple(names)

    def labels(self) -> np.ndarray | None:
        """The class number of each image whose features are kept, or None."""
        return self._labels

    def label(self, labels: np.ndarray, class_names: tuple[str, ...] = ()) -> None:
        """Gives the images labels: class numbers, in their order; they are saved with features of
        all images. `class_names` is one name per class."""
        self._labels = np.asarray(labels, np.int32)
        if class_names:
            self.about["class_names"] = list(class_names)

    def names(self) -> Iterator[str]:
        """Yields the number of each image."""
        return map(str, range(self.count or 0))

    def fid(self, other: "Statistics", name: str = "FID") -> float:
        """The Frechet distance to other statistics of the same classifier, `name` in warnings."""
        self.check_comparable(other)
        for one in (self, other):
            frechet.warn_if_singular(one.count, one.num_features, name)
        return frechet.frechet_distance(self.mean, self.covariance, other.mean, other.covariance)

    def sfid(self, other: "Statistics") -> float:
        """The Frechet distance of the spatial features. Raises `UserError` without these."""
        self.check_comparable(other)
        if self.spatial is None or other.spatial is None:
            raise UserError(NO_SPATIAL)
        return self.spatial.fid(other.spatial, "sFID")

    def kid(
        self,
        other: "Statistics",
        subsets: int = 100,
        subset_size: int = 1000,
        seed: int = kernel.SEED,
        *by: Any,
    ) -> tuple[float, float]:
        """The kernel distance (mean, std) to other statistics; see `kernel.kernel_distance`."""
        self.check_comparable(other)
        # As many as are kept for KID alone, so that it does not depend on what else is computed.
        most = max(KEPT, subset_size)
        ours, theirs = (_sampled(side.features, most) for side in (self, other))
        return kernel.kernel_distance(ours, theirs, subsets, subset_size, seed, *by)

    def check_comparable(self, other: "Statistics") -> None:
        """Raises `UserError` if the two are known to differ in their classifiers or resizes."""
        if self.num_features != other.num_features or (
            self.classifier and other.classifier and self.classifier != other.classifier
        ):
            raise UserError(
                f"statistics by {other._maker} ({other.num_features} features) cannot be compared "
                f"with those by {self._maker} ({self.num_features}); make both by the same"
            )
        if self.resized and other.resized and self.resized != other.resized:
            raise UserError(
                f"statistics of images resized by {other.resized} cannot be compared with those by "
                f"{self.resized}; make both by the same (--resize, load_extractor(resize=...))"
            )

    @property
    def _maker(self) -> str:
        """The extractor's name and the beginning of its hash, as far as they are known."""
        known = dict.fromkeys((self.about.get("classifier_name", ""), self.classifier[:23]))
        return " ".join(filter(None, known)) or "an unknown extractor"

    def save(self, path: str | os.PathLike) -> Path:
        """Writes an .npz with `mu` and `sigma` (other programs' names), `count`, `features`,
        `labels`, `logits`; of the spatial features `mu_s` and `sigma_s`."""
        about = {"format": _FORMAT, "classifier": self.classifier, **self.about}
        arrays: dict[str, Any] = {"mu": self.mean, "sigma": self.covariance}
        if self.spatial is not None:
            arrays |= {"mu_s": self.spatial.mean, "sigma_s": self.spatial.covariance}
        if self.count is not None:
            arrays["count"] = np.int64(self.count)
        if self._sample is not None:
            arrays |= {"features": self.features, "seen": np.int64(self._seen)}
        if self._labels is not None:
            arrays["labels"] = self._labels
        if self.logits is not None:
            arrays["logits"] = self.logits
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with temporary(path) as name, open(name, "wb") as stream:
            np.savez(stream, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Statistics":
        """Reads what `save` wrote, or any .npz with `mu` and `sigma` (pytorch-fid, TTUR), or with
        `mu_s` and `sigma_s` too (guided diffusion).

        Raises:
            UserError: The file is absent, damaged or of another kind.
        """
        found = statistics_file.read(path)
        mean, covariance = found.moments
        num_spatial = None if found.spatial is None else len(found.spatial[0])
        about = dict(found.about)
        statistics = cls(len(mean), about.pop("classifier", ""), 0, about, num_spatial)
        statistics._set(mean, covariance, found.count)
        if found.spatial is not None and statistics.spatial is not None:
            statistics.spatial._set(*found.spatial, found.count)
        if found.features is not None:
            statistics._sample, statistics.kept = found.features, len(found.features)
            statistics._seen = found.seen
        statistics._labels, statistics.logits = found.labels, found.logits
        return statistics

    def _set(self, mean: np.ndarray, covariance: np.ndarray, count: int | None) -> None:
        self._mean, self._count = mean, count
        self._scatter = covariance * (1 if count is None else count - 1)


def _sampled(features: np.ndarray, most: int) -> np.ndarray:
    """What `Statistics(kept=most)` keeps of features that come in this order."""
    if len(features) <= most:
        return features
    sample = Statistics(features.shape[1], kept=most)
    sample._keep(features)
    return sample.features
