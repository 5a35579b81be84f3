"""Features of many images boiled down, a batch at a time, to what FID and KID need; and its files.

Mean and covariance take F (F + 1) numbers whatever the number of images (34 MB for Inception's
2,048 features). KID needs features themselves: of more than `kept` images a random sample is kept.
"""

import json
import zipfile
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary
from improved_gan_tf.metrics import distances

KEPT = 10_000  # rows of features: 80 MB of Inception's
_BLOCK = 512  # rows between two updates of the covariance
_FORMAT = "improved_gan_tf statistics, version 1"


class Statistics:
    """Mean and covariance (divided by N - 1) of rows that come in batches, in float64.

    Args:
        num_features: length F of a row.
        classifier: the digest of what made the features; statistics of two classifiers refuse to
            be compared.
        kept: rows that are kept for KID, all of them up to this number and beyond it a random
            sample (reservoir of a fixed seed). 0 keeps none.
        about: dictionary of what else to save with them.
    """

    def __init__(self, num_features, classifier="", kept=0, about=None):
        self.num_features = num_features
        self.classifier = classifier
        self.kept = kept
        self.about = about or {}
        self.count = 0
        self._mean = np.zeros(num_features)
        self._scatter = np.zeros((num_features, num_features))
        self._sample = None
        self._seen = 0  # rows that went past the sample
        self._rng = np.random.RandomState(0)
        self._pending = []

    def update(self, features):
        """Takes in float (n, F)."""
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

    def _keep(self, features):
        if self._sample is None:
            self._sample = np.empty((self.kept, self.num_features), np.float32)
        for row in features:
            place = self._seen
            self._seen += 1
            if place >= self.kept:
                place = self._rng.randint(self._seen)
            if place < self.kept:
                self._sample[place] = row

    def _flush(self):
        """Merges the pending rows: means and scatter matrices of two sets give those of both."""
        if not self._pending:
            return
        rows = np.concatenate(self._pending)
        self._pending = []
        mean = rows.mean(axis=0)
        rows -= mean
        total = self.count + len(rows)
        step = mean - self._mean
        self._scatter += rows.T @ rows
        self._scatter += np.outer(step, step * (self.count * len(rows) / total))
        self._mean += step * (len(rows) / total)
        self.count = total

    @property
    def mean(self):
        """(F,) float64."""
        self._flush()
        return self._mean

    @property
    def covariance(self):
        """(F, F) float64; needs 2 rows or more."""
        self._flush()
        if self.count is None:
            return self._scatter  # of another program's file, which does not say N
        if self.count < 2:
            raise UserError(f"{self.count} images have no covariance; give 2 or more")
        return self._scatter / (self.count - 1)

    @property
    def features(self):
        """The kept rows, float32 (at most `kept`, F), or None."""
        return None if self._sample is None else self._sample[: min(self._seen, self.kept)]

    def fid(self, other):
        """The Frechet distance to other `Statistics`.

        Raises:
            UserError: they are of another classifier.
        """
        self._check(other)
        for one in (self, other):
            distances.warn_if_singular(one.total, one.num_features)
        return distances.frechet_distance(self.mean, self.covariance, other.mean, other.covariance)

    @property
    def total(self):
        """Images taken in, or None where a foreign file does not say."""
        self._flush()
        return self.count

    def kid(self, other, subsets=100, subset_size=1000, seed=2020):
        """(mean, std) of the kernel distance to other `Statistics`; see `kernel_distance`."""
        self._check(other)
        for one in (self, other):
            if one.features is None:
                raise UserError(
                    "these statistics hold no features for KID; make them again with features "
                    "(--kid --save-statistics)"
                )
        return distances.kernel_distance(self.features, other.features, subsets, subset_size, seed)

    def _check(self, other):
        if self.num_features != other.num_features or (
            self.classifier and other.classifier and self.classifier != other.classifier
        ):
            raise UserError(
                f"statistics by {other.classifier or 'another classifier'} "
                f"({other.num_features} features) cannot be compared with those by "
                f"{self.classifier or 'this one'} ({self.num_features}); make both by the same"
            )

    def save(self, path):
        """Writes an .npz: `mu`, `sigma` (as other programs name them), `count`, `features`."""
        about = {"format": _FORMAT, "classifier": self.classifier, **self.about}
        arrays = {"mu": self.mean, "sigma": self.covariance, "count": np.int64(self.total)}
        if self.features is not None:
            arrays["features"] = self.features
            arrays["seen"] = np.int64(self._seen)
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with temporary(path) as name, open(name, "wb") as stream:
            np.savez(stream, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote, or any .npz with `mu` and `sigma` (pytorch-fid, TTUR).

        Raises:
            UserError: absent, damaged, another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
            about = json.loads(found["about"].tobytes()) if "about" in found else {}
            mean, covariance = found["mu"], found["sigma"]
            if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
                raise ValueError(f"mu {mean.shape}, sigma {covariance.shape}")
            statistics = cls(len(mean), about.pop("classifier", ""), about=about)
            statistics._mean = mean.astype(np.float64)
            if "count" in found:
                statistics.count = int(found["count"])
                statistics._scatter = covariance.astype(np.float64) * (statistics.count - 1)
            else:
                statistics.count = None
                statistics._scatter = covariance.astype(np.float64)
            if "features" in found:
                statistics._sample = found["features"]
                statistics.kept = len(found["features"])
                statistics._seen = int(found["seen"])
        except FileNotFoundError as error:
            raise UserError(f"{path}: there is no such statistics file") from error
        except (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError) as error:
            raise UserError(
                f"{path} is no file of statistics ({' '.join(str(error).split())[:120]}); expected "
                "an .npz with mu and sigma, as --save-statistics writes"
            ) from error
        return statistics
