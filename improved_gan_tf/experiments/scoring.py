"""Scores of the generators of a table's runs, kept with the runs: Inception score and FID."""

import dataclasses
import os
import warnings
from pathlib import Path
from typing import Any

from improved_gan_tf import data as data_sets
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.building import experiment
from improved_gan_tf.experiments.recipe import Recipe
from improved_gan_tf.experiments.run import open_generator
from improved_gan_tf.experiments.tables import IMAGES
from improved_gan_tf.files import write_json
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.reading import read_json
from improved_gan_tf.runs.schema import REAL

_SEED = 0  # of the latent vectors
_SPLITS = 10
# Data sets may be stored class by class: a split in their order would hold one class.
_SHUFFLE_SEED = 0


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How generators are scored.

    Attributes:
        classifier: A .keras file or a SavedModel in Inception's place; None (default): Inception.
        weights: File of Inception's weights, see `inception.load_weights`. Default None.
        check: Whether weights must be the published ones. Default True.
        fingerprint: What our own file of weights must have. Default None.
        images: How many images of each generator are scored. Default 50,000.
    """

    classifier: str | None = None
    weights: str | None = None
    check: bool = True
    fingerprint: str | None = None
    images: int = IMAGES


class Scorer:
    """Scores runs by one classifier, and the real test images that they are compared with.

    Args:
        scoring: How.
        recipe: The recipe that names the data; its test set is the reference of FID.
        out: The table's folder, which keeps what is known of the real images.
        data_dir: TFDS' data folder.

    Attributes:
        about: What the scores depend on besides the generator: classifier, its hash, images.

    Raises:
        UserError: There is no such classifier, no weights, or the data have no test set.
    """

    def __init__(
        self,
        scoring: Scoring,
        recipe: Recipe,
        out: str | os.PathLike,
        data_dir: str | os.PathLike | None = None,
    ):
        from improved_gan_tf import metrics

        if scoring.images < _SPLITS:
            raise UserError(f"at least {_SPLITS} images must be scored, not {scoring.images}")
        weights = scoring.weights, scoring.check, scoring.fingerprint
        if scoring.classifier is not None:
            self._classifier: Any = metrics.load_classifier(scoring.classifier)
        else:
            self._classifier = metrics.Inception(*weights)
        self.about: dict[str, Any] = {
            "classifier": self._classifier.name,
            "classifier_digest": self._classifier.digest,
            "images": scoring.images,
            "splits": _SPLITS,
            "shuffle_seed": _SHUFFLE_SEED,
            "seed": _SEED,
        }
        self._recipe, self._data_dir = recipe, data_dir
        self._real, self._statistics = Path(out) / "real.json", Path(out) / "real.npz"

    def real(self) -> dict[str, Any]:
        """The score of the real test images: {"inception_score": {"mean", "std"}, ...}."""
        known = read_json(self._real, REAL)
        wanted = {**self.about, "images": None, "data": self._recipe.data}
        if known is not None and known.get("about") == wanted and self._statistics.is_file():
            return known
        source, options = experiment(self._recipe).source(
            self._data_dir, image_size=self._recipe.image_size, resize=self._recipe.resize
        )
        if options:
            source = data_sets.open(source, **options)
        if not isinstance(source, data_sets.Source) or source.test_split is None:
            raise UserError(
                f"the data of {self._recipe.name} have no test set to compare generated images with"
            )
        images = source.images(source.test_split)
        found = self._evaluate(images, metrics=("inception_score",), keep_statistics=True)
        found.statistics.save(self._statistics)
        score = found.figures["inception_score"]
        known = {"about": wanted, "count": images.count, "inception_score": score}
        write_json(self._real, known)
        return known

    def score(self, folder: RunFolder) -> dict[str, Any]:
        """The scores of a run's generator, computed unless the run has them.

        Raises:
            Locked: Another process writes the run, or its scores.
        """
        with folder.lock():
            known = scores_of(folder, self.about)
            if known is None:
                self.real()
                epoch, _ = folder.latest_checkpoint()
                drawn = open_generator(folder, self.about["images"], _SEED)
                kinds = ("inception_score", "fid")
                found = self._evaluate(drawn, reference=self._statistics, metrics=kinds)
                known = {"about": self.about, "epoch": epoch, **found.figures}
                folder.write_scores(known)
        return known

    def _evaluate(self, images: Any, **options: Any) -> Any:
        from improved_gan_tf import metrics

        with warnings.catch_warnings():
            # Few images are a table's "reduced", and the test images are as many as they are.
            warnings.filterwarnings("ignore", "the Inception score of")
            return metrics.evaluate(
                images,
                self._classifier,
                splits=_SPLITS,
                shuffle_seed=_SHUFFLE_SEED,
                batch_size=100,
                **options,
            )


def scores_of(folder: RunFolder, about: dict[str, Any]) -> dict[str, Any] | None:
    """The scores that a finished run has by this classifier and of as many images, or None."""
    known = folder.scores()
    if known is None or known.get("about") != about:
        return None
    return known if known.get("epoch") == folder.latest_checkpoint()[0] else None
