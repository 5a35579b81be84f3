"""The one way from images to figures: `evaluate`, and short forms of it.

What can be refused is refused before the first image meets the classifier.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data import as_images
from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.images import to_uint8
from improved_gan_tf.metrics import kernel, mind
from improved_gan_tf.metrics.classes import Classes, classes_of
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.density_coverage import NEIGHBOURS as DENSITY_NEIGHBOURS
from improved_gan_tf.metrics.drawn import FirstImages
from improved_gan_tf.metrics.extraction import LogitFile, extract
from improved_gan_tf.metrics.extractors import as_classifier
from improved_gan_tf.metrics.figures import ALL, PER_CLASS, SCORES, Asked, Labeled, lacking, named
from improved_gan_tf.metrics.inception_score import (
    best_fraction,
    image_scores_from_logits,
    warn_if_few,
)
from improved_gan_tf.metrics.precision_recall import NEIGHBOURS as PRECISION_NEIGHBOURS
from improved_gan_tf.metrics.result import Result, Score
from improved_gan_tf.metrics.statistics import KEPT, Statistics
from improved_gan_tf.metrics.statistics_file import is_statistics_file
from improved_gan_tf.version import VERSION

ALL_FEATURES = "all"
"""What `keep_features` may be, beside a truth value."""


def evaluate(
    images: Any,
    classifier: Classifier | str | os.PathLike | None = None,
    *,
    reference: Any = None,
    labels: Any = None,
    reference_labels: Any = None,
    metrics: Sequence[str] | str = ("inception_score",),
    splits: int = 10,
    shuffle_seed: int | None = None,
    kid_subsets: int = 100,
    kid_subset_size: int = 1000,
    kid_seed: int = kernel.SEED,
    kid_kernel: str = "polynomial",
    kid_sigma: float = kernel.SIGMA,
    precision_neighbours: int = PRECISION_NEIGHBOURS,
    density_neighbours: int = DENSITY_NEIGHBOURS,
    mind_projections: int = mind.PROJECTIONS,
    mind_seed: int = mind.SEED,
    per_image: bool = False,
    keep_statistics: bool = False,
    keep_features: bool | str = False,
    image_range: tuple[float, float] | None = None,
    count: int | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: bool = False,
) -> Result:
    """Computes figures of images, all from one pass of the classifier over them.

    Args:
        images: An array (N, H, W, C) of uint8, or of floats with `image_range`; a list of such
            images of any sizes; the path of a folder or an archive of pictures, of an .npy or .npz
            file; the name of a data set; a `Drawn`; `Statistics`, or the path of a file of them,
            which for the Inception score hold all features.
        classifier: The feature extractor: a `Classifier`, or the name of one as `load_extractor`
            takes it. None (default) is `Inception()` with the published weights.
        reference: The real images, or statistics of them, that all but the Inception score compare
            with.
        labels: The class number of each image, N integers, -1 for none, or the path of a file of
            them, for the figures per class. None (default): those of a data set of images by class.
        reference_labels: Those of the reference, likewise.
        metrics: Names of figures: "inception_score" (default), "fid", "sfid", "kid", "precision",
            "recall", "density", "coverage", "mind", "mifid", "cmmd", "intra_fid",
            "inception_score_per_class"; or "all", whatever can be computed from what is given: a
            warning names those that are left out.
        splits: Integer, the parts of the Inception score. Defaults to 10.
        shuffle_seed: Integer to shuffle the images before they are split, or None (default).
        kid_subsets: Integer, the subsets of KID. Defaults to 100.
        kid_subset_size: Integer, the images in each. Defaults to 1,000.
        kid_seed: Integer, the seed of the subsets. Defaults to 2020.
        kid_kernel: "polynomial" (default), or "rbf".
        kid_sigma: Float above 0, the width of the kernel "rbf". Defaults to 10.
        precision_neighbours: Integer, k of precision and recall. Defaults to 3.
        density_neighbours: Integer, k of density and coverage. Defaults to 5.
        mind_projections: Integer, the random directions of MIND. Defaults to 1,000.
        mind_seed: Integer, their seed. Defaults to 2020.
        per_image: Whether the result holds `image_scores` too. Defaults to False.
        keep_statistics: Whether the result holds `statistics` without FID or KID, too.
        keep_features: Whether these statistics also contain features: True keeps those of up to
            10,000 images, enough for KID; "all" keeps the features and logits of all images, from
            which every metric can be computed. Spatial features are included if the classifier has
            them. Defaults to False.
        image_range: `(low, high)`, the values for black and full brightness in images of floats.
            None (default): 0..255.
        count: Integer, the images to use, from the first on. None (default): all.
        batch_size: Integer, the images of a batch; no figure depends on it. Defaults to 32.
        workers: Integer, the threads that decode pictures. None (default): as many as processors,
            at most 8.
        progress: Whether to show the progress on stderr. Defaults to False.

    Returns:
        A `Result`.

    Raises:
        UserError: Something cannot be used.

    Example:

    >>> result = evaluate(images, "digits.keras", reference="digits", metrics=("fid", "kid"),
    ...                   kid_subset_size=100)
    >>> list(result.figures)
    ['fid', 'kid']
    """
    check_whole("the batch size", batch_size)
    if workers is not None:
        check_whole("the number of workers", workers)
    if image_range is not None:
        to_uint8([], *image_range)  # refuses what is no range, also beside images of bytes
    source = open_source(images, image_range, count)
    other = None if reference is None else open_source(reference, image_range)
    classifier = as_classifier(classifier)
    metrics = (metrics,) if isinstance(metrics, str) and metrics != ALL else metrics
    classes: Labeled = (None, None)
    if metrics == ALL or keep_features == ALL_FEATURES or set(metrics) & set(PER_CLASS):
        classes = (
            classes_of(source, labels, "labels"),
            None if other is None else classes_of(other, reference_labels, "reference_labels"),
        )
    elif labels is not None or reference_labels is not None:
        raise UserError(f"labels are given, but no figure uses them; name {' or '.join(PER_CLASS)}")
    asked = Asked(
        named(metrics, source, other, classifier, classes),
        splits,
        shuffle_seed,
        kid_subsets,
        kid_subset_size,
        kid_seed,
        kid_kernel,
        kid_sigma,
        precision_neighbours,
        density_neighbours,
        mind_projections,
        mind_seed,
    )
    asked.check(source, other, classifier, classes)
    if per_image and (reason := lacking(SCORES[0], source, other, classifier, classes)):
        raise UserError(reason)
    kept = asked.kept or (max(KEPT, kid_subset_size) if keep_features else 0)
    whole = asked.whole or keep_features == ALL_FEATURES
    spatial = bool(keep_features) or "sfid" in asked.names
    ours: Any = None
    theirs: Any = None
    if other is not None or keep_statistics or keep_features:
        ours = statistics_for(source, classifier, kept, whole, spatial)
    if other is not None:
        theirs = statistics_for(other, classifier, kept, whole, spatial)
        ours.check_comparable(theirs)

    scores, settings = None, (batch_size, workers, progress)
    known = isinstance(source, Statistics)  # otherwise images, which the classifier sees
    with LogitFile() as file:
        logits, n = (source.logits, source.count) if known else (file, 0)
        if not known:
            stored = keep_features == ALL_FEATURES and classifier.classifies
            needed = file if stored or per_image or set(SCORES) & set(asked.names) else None
            n = extract(source, classifier, needed, ours, *settings)
            if stored:
                ours.logits = file[:n]
        if other is not theirs:
            extract(other, classifier, None, theirs, *settings)
        sides = (source, ours, classes[0]), (other, theirs, classes[1])
        classes = _labeled(*sides[0], whole), _labeled(*sides[1], whole)
        if "inception_score" in asked.names:
            warn_if_few(n)
        figures = asked.compute(ours, theirs, logits, classes)
        if per_image:
            scores = image_scores_from_logits(logits)
    about = None
    if other is not None:
        title = str(reference) if isinstance(reference, str | os.PathLike) else other.name
        stated = {"extractor_digest": theirs.classifier or None, "resize": theirs.resized or None}
        about = {"images": title, "count": theirs.count, **stated}
    protocol = {
        "images": source.name,
        "count": n,
        "skipped": 0 if known else len(source.skipped),
        "skipped_pictures": [] if known else list(source.skipped)[:20],
        "extractor": source.extractor if known else classifier.name,
        "extractor_digest": source.classifier if known else classifier.digest,
        "resize": (source.resized if known else classifier.resized) or None,
        "num_classes": None if known else classifier.num_classes,
        **asked.protocol(),
        "version": VERSION,
    }
    return Result(figures, protocol, about, scores, ours)


def inception_score(
    images: Any, splits: int = 10, shuffle_seed: int | None = None, **options: Any
) -> Score:
    """The Inception score of images (section 4 of the paper).

    Fewer than 50,000 images give a warning: their score is biased.

    Args:
        images: As in `evaluate`, e.g. a uint8 array (N, H, W, 3).
        splits: Integer, the consecutive parts that are scored one by one. Defaults to 10.
        shuffle_seed: Integer to shuffle the images before they are split, or None (default).
        **options: As in `evaluate`: `classifier`, `image_range`, `count`, `batch_size`, ...

    Returns:
        `(mean, std)` over the parts, with the attribute `protocol`.

    Raises:
        UserError: As in `evaluate`.

    Example:

    >>> mean, std = inception_score(images, classifier="digits.keras")  # None: Inception
    >>> bool(1.0 <= mean <= 10.0)
    True
    """
    result = evaluate(images, splits=splits, shuffle_seed=shuffle_seed, **options)
    figure = result.figures["inception_score"]
    return Score(figure["mean"], figure["std"], result.protocol)


def fid(images: Any, reference: Any, **options: Any) -> float:
    """The Frechet Inception distance between images and a reference; arguments as in `evaluate`.

    Example:

    >>> distance = fid(images, "digits", classifier="digits.keras")
    """
    return evaluate(images, reference=reference, metrics=("fid",), **options).figures["fid"]


def kid(
    images: Any, reference: Any, subsets: int = 100, subset_size: int = 1000, **options: Any
) -> tuple[float, float]:
    """`(mean, std)` of the kernel Inception distance; further arguments as in `evaluate`.

    Example:

    >>> mean, std = kid(images, "digits", subset_size=100, classifier="digits.keras")
    """
    options |= {"kid_subsets": subsets, "kid_subset_size": subset_size}
    result = evaluate(images, reference=reference, metrics=("kid",), **options)
    return result.figures["kid"]["mean"], result.figures["kid"]["std"]


def image_scores(images: Any, **options: Any) -> np.ndarray:
    """KL(p(y|x) || p(y)) of every image, float64 (N,): what it adds to the Inception score.

    Arguments as in `evaluate`. The mean is the logarithm of the score with one split.

    Example:

    >>> scores = image_scores(images, classifier="digits.keras")
    """
    return np.asarray(evaluate(images, metrics=(), per_image=True, **options).image_scores)


def best(images: Any, fraction: float = 0.01, **options: Any) -> np.ndarray:
    """The indices of the best `fraction` of images by `image_scores`, best first (section 6.2).

    Example:

    >>> len(best(images, 0.01, classifier="digits.keras"))
    2
    """
    return best_fraction(image_scores(images, **options), fraction)


def statistics_of(images: Any, **options: Any) -> Statistics:
    """The `Statistics` of images, to save and to compare with; arguments as in `evaluate`.

    Example:

    >>> path = statistics_of("digits", classifier="digits.keras").save("real.npz")
    >>> distance = fid(images, "real.npz", classifier="digits.keras")
    """
    found = evaluate(images, metrics=(), keep_statistics=True, **options).statistics
    assert found is not None
    return found


def open_source(what: Any, image_range: Any = None, count: int | None = None) -> Any:
    """`Statistics`, or `data.Images`, of what `evaluate` takes."""
    path = what if isinstance(what, str | os.PathLike) else None
    if path is not None and is_statistics_file(path):
        what = Statistics.load(path)
    if isinstance(what, Statistics):
        if count is not None:
            raise UserError(
                f"the count chooses among images, but {path or what.name} holds their statistics; "
                "leave it out (count, --count)"
            )
        return what
    if path is not None:
        folder = Path(path).expanduser()
        if any((folder / name).is_file() for name in ("config.json", "saved_model.pb")):
            raise UserError(
                f"{what} is a run or an exported generator rather than images; open it with "
                "experiments.open_generator, or use the command improved-gan score"
            )
    images = as_images(what, image_range)
    return images if count is None else FirstImages(images, count)


def _labeled(
    side: Any, statistics: Statistics | None, classes: Classes | None, whole: bool
) -> Classes | None:
    """The classes of the images that could be read, kept with the features of all."""
    if classes is None or side is statistics:
        return classes
    classes = classes.of_readable(side)
    if statistics is not None and whole:
        statistics.label(classes.numbers, classes.names)
    return classes


def statistics_for(
    side: Any,
    classifier: Classifier,
    kept: int = 0,
    whole: bool = False,
    spatial: bool = False,
) -> Statistics:
    """`side` itself where it is `Statistics`, else empty ones for its images' features.

    Args:
        side: `Statistics` or `data.Images`.
        classifier: What computes the features.
        kept: The number of images whose features are kept.
        whole: Whether those of all images are. Defaults to False.
        spatial: Whether statistics of spatial features are made too, where the classifier has them.
            Defaults to False.
    """
    if isinstance(side, Statistics):
        return side
    if classifier.num_features is None:
        raise UserError(
            f"{classifier.name} gives no features, so it computes the score alone; name a layer "
            '"features"'
        )
    about: dict[str, Any] = {"images": side.name, "classifier_name": classifier.name}
    about |= {"resize": classifier.resized, "clip": classifier.clip}
    kept = max(kept, side.count) if whole else kept
    num_spatial = classifier.num_spatial if spatial else None
    return Statistics(classifier.num_features, classifier.digest, kept, about, num_spatial)
