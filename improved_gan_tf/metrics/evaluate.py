"""From images to numbers: the score, scores of single images, statistics for FID and KID.

Memory does not grow with the number of images: they pass in batches, their logits wait in a
temporary file (4 KB an image) and their features go into a mean and a covariance.
"""

import os
import tempfile
from collections import namedtuple

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import inception_score
from improved_gan_tf.metrics.progress import Progress
from improved_gan_tf.metrics.sources import open_images
from improved_gan_tf.metrics.statistics import KEPT, Statistics

BATCH_SIZE = 32


class Score(namedtuple("Score", "mean std")):
    """An Inception score, `mean, std = score(...)`: mean and standard deviation over the splits.

    Attributes:
        protocol: dictionary of plain values: what the number must be quoted with.
    """

    def __new__(cls, mean, std, protocol=None):
        self = super().__new__(cls, mean, std)
        self.protocol = protocol or {}
        return self


class LogitFile:
    """Rows of float32 logits in a temporary file without a name; slices read them back."""

    def __init__(self):
        self._stream = tempfile.TemporaryFile(prefix="improved_gan_tf_logits_")
        self.shape = (0, 0)

    def append(self, rows):
        """Writes float32 (n, K)."""
        rows = np.ascontiguousarray(rows, np.float32)
        try:
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(rows.tobytes())
        except OSError as error:
            raise UserError(
                f"no room for the logits in {tempfile.gettempdir()} ({error.strerror}); free some "
                "space or name another place with TMPDIR"
            ) from error
        self.shape = (self.shape[0] + len(rows), rows.shape[1])

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(self.shape[0])
        size = 4 * self.shape[1]
        self._stream.seek(start * size)
        data = self._stream.read(max(0, stop - start) * size)
        return np.frombuffer(data, np.float32).reshape(-1, self.shape[1])

    def close(self):
        """Gives the space back."""
        self._stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def batches(source, classifier, batch_size=BATCH_SIZE, workers=None):
    """Yields the source's images as batches for the classifier."""
    if batch_size < 1:
        raise UserError(f"the batch size must be at least 1, not {batch_size}")
    workers = workers or min(8, os.cpu_count() or 1)
    if workers < 1:
        raise UserError(f"at least 1 worker is needed, not {workers}")
    group = []
    for image in source.images(classifier.prepare, workers):
        group.append(image)
        if len(group) == batch_size:
            yield classifier.stack(group)
            group = []
    if group:
        yield classifier.stack(group)


def extract(
    source,
    classifier,
    logits=None,
    statistics=None,
    batch_size=BATCH_SIZE,
    workers=None,
    progress=None,
):
    """Runs the classifier over a source.

    Args:
        source: see `sources`.
        classifier: see `classifier`.
        logits: a `LogitFile` that receives the logits, or None.
        statistics: a `Statistics` that receives the features, or None.
        batch_size: images at a time; the results do not depend on it.
        workers: threads that decode pictures; None: as many as processors, at most 8.
        progress: a title to show progress under, or None.

    Returns:
        The number of images.
    """
    shown = None if progress is None else Progress(progress, source.count)
    done = 0
    for batch in batches(source, classifier, batch_size, workers):
        features, rows = classifier(batch)
        if logits is not None:
            logits.append(rows)
        if statistics is not None:
            statistics.update(features)
        done += len(batch)
        if shown is not None:
            shown.update(done + len(source.skipped))
    if not done:
        raise UserError(
            f"{source.name}: none of its {source.count} pictures could be read; the first is "
            f"{next(iter(source.skipped), 'missing')}"
        )
    return done


def new_statistics(classifier, source="", kid=False):
    """Empty `Statistics` for a classifier's features.

    Raises:
        UserError: the classifier has no features.
    """
    if classifier.num_features is None:
        raise UserError(
            f"{classifier.name} gives no features, so there is no FID or KID by it; name a layer "
            '"features"'
        )
    about = {"classifier_name": classifier.name, "images": source}
    return Statistics(classifier.num_features, classifier.digest, KEPT if kid else 0, about)


def score(
    images,
    splits=10,
    shuffle_seed=None,
    *,
    classifier=None,
    value_range=None,
    count=None,
    seed=0,
    batch_size=BATCH_SIZE,
    workers=None,
    progress=False,
):
    """The Inception score (section 4 of the paper) of anything `open_images` opens.

    Fewer images than splits are an error; fewer than 50,000 give a warning, since the score of few
    images is biased. Nothing is random unless `shuffle_seed` or a generator is given.

    Args:
        images: e.g. a uint8 array (N, H, W, 3), values 0..255.
        splits: consecutive parts that are scored one by one.
        shuffle_seed: None leaves the order as it is; see `score_from_logits`.
        classifier: None is Inception with its published weights.
        value_range, count, seed: see `open_images`.
        batch_size, workers: see `extract`.
        progress: whether to show it on stderr.

    Returns:
        `Score`: (mean, std), with an attribute `protocol`.
    """
    source = open_images(images, value_range, count, seed)
    if source.count < splits:
        raise UserError(
            f"{source.name}: {source.count} images cannot be split into {splits} parts; give more "
            "images or fewer splits"
        )
    classifier = classifier or _inception()
    with LogitFile() as logits:
        n = extract(
            source,
            classifier,
            logits,
            None,
            batch_size,
            workers,
            "Inception score" if progress else None,
        )
        inception_score.warn_if_few(n)
        mean, std = inception_score.score_from_logits(logits, splits, shuffle_seed)
    return Score(mean, std, protocol(source, classifier, n, splits, shuffle_seed))


def image_scores(
    images,
    *,
    classifier=None,
    value_range=None,
    count=None,
    seed=0,
    batch_size=BATCH_SIZE,
    workers=None,
    progress=False,
):
    """KL(p(y|x) || p(y)) of every image, float64 (N,): what it adds to the score; see `score`."""
    source = open_images(images, value_range, count, seed)
    with LogitFile() as logits:
        title = "scores of single images" if progress else None
        extract(source, classifier or _inception(), logits, None, batch_size, workers, title)
        return inception_score.image_scores_from_logits(logits)


def best(images, fraction=0.01, **options):
    """Indices of the best `fraction` of the images by `image_scores`, best first; section 6.2."""
    return inception_score.best_fraction(image_scores(images, **options), fraction)


def statistics_of(
    images,
    *,
    classifier=None,
    kid=False,
    value_range=None,
    count=None,
    seed=0,
    batch_size=BATCH_SIZE,
    workers=None,
    progress=False,
):
    """`Statistics` of the images' features; `kid` keeps features of up to 10,000 of them."""
    classifier = classifier or _inception()
    source = open_images(images, value_range, count, seed)
    found = new_statistics(classifier, source.name, kid)
    extract(
        source, classifier, None, found, batch_size, workers, "statistics" if progress else None
    )
    return found


def fid(images, reference, **options):
    """The Frechet Inception distance between two sets; each may be `Statistics` already."""
    one, two = _both(images, reference, options)
    return one.fid(two)


def kid(images, reference, subsets=100, subset_size=1000, subset_seed=2020, **options):
    """(mean, std) of the kernel Inception distance between two sets; see `kernel_distance`."""
    one, two = _both(images, reference, {**options, "kid": True})
    return one.kid(two, subsets, subset_size, subset_seed)


def _both(images, reference, options):
    sets = images, reference
    if not all(isinstance(x, Statistics) for x in sets):
        options = {**options, "classifier": options.get("classifier") or _inception()}
    return [x if isinstance(x, Statistics) else statistics_of(x, **options) for x in sets]


def protocol(source, classifier, n, splits, shuffle_seed):
    """What a score must be quoted with."""
    from improved_gan_tf import __version__

    return {
        "images": source.name,
        "count": n,
        "skipped": len(source.skipped),
        "classifier": classifier.name,
        "classifier_digest": classifier.digest,
        "num_classes": classifier.num_classes,
        "splits": splits,
        "shuffle_seed": shuffle_seed,
        "standard_deviation": "population, over the splits",
        "version": __version__,
    }


def _inception():
    from improved_gan_tf.metrics.classifiers import Inception

    return Inception()
