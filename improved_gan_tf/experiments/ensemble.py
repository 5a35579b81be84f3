"""Ensembles: the class probabilities of several runs, averaged on the test set that they share."""

import gc
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.building import experiment, recipe_of_run
from improved_gan_tf.experiments.run import load_run
from improved_gan_tf.runs.folder import RunFolder

_SAME = {
    "name": "other data",
    "image_shape": "images of another size",
    "num_classes": "another number of classes",
    "class_names": "other classes",
    "test_images": "another number of test images",
}
_NEAR = 1e-4  # of a mean of images in 0..1 that were scaled in two ways


class Probabilities(NamedTuple):
    """What a run's classifier says of its test set.

    Attributes:
        labels: The true classes, integers (N,).
        averaged, current: The probabilities of the classes, floats (N, K), by the averaged and by
            the current parameters.
        marks: Two means of each image's pixels, float64 (N, 2), to know the test set by; None where
            they were not kept.
    """

    labels: np.ndarray
    averaged: np.ndarray
    current: np.ndarray
    marks: np.ndarray | None = None


class Ensemble:
    """The averaged class probabilities of several runs, which are added one after the other.

    The runs may differ in seeds, values and recipe, not in what they classify.

    Args:
        runs: Folders of two runs or more.

    Raises:
        UserError: A run is named twice, trains no classifier of single images, or has other data
            or classes than the first one; or there are fewer than two.

    Example:

    >>> runs = ["runs/seed-1", "runs/seed-2"]
    >>> ensemble = ig.experiments.Ensemble(runs)
    >>> for run in runs:
    ...     recipe, data, gan, epochs = ig.experiments.load_run(run)
    ...     ensemble.add(run, recipe, data, gan)
    >>> ensemble.results()["test_images"]
    500

    Source: section 5.1 and tables 1 and 2 of the paper, "Ensemble of 10 of our models".
    """

    def __init__(self, runs: Sequence[str | os.PathLike]):
        if len(runs) < 2:
            raise UserError("an ensemble needs two runs or more")
        self.runs: list[str] = [str(run) for run in runs]
        self._labels: np.ndarray | None = None
        self._marks: np.ndarray | None = None
        self._averaged: np.ndarray = np.zeros(())
        self._current: np.ndarray = np.zeros(())
        places: dict[str, str] = {}
        known: dict[str, dict[str, Any]] = {}
        for run in self.runs:
            place = os.path.realpath(run)
            if place in places:
                raise UserError(f"{run} is the run {places[place]} once more; name each run once")
            places[place] = run
            recipe = recipe_of_run(RunFolder(run))
            if not experiment(recipe).classifies:
                raise UserError(
                    f"{run}: {recipe.name} trains no classifier of single images; evaluate it alone"
                )
            known[run] = RunFolder(run).config().get("data") or {}
        first = self.runs[0]
        for run, data in known.items():
            for key, what in _SAME.items():
                if key in data and data[key] != known[first].get(key, data[key]):
                    differs = f"{data[key]}, not {known[first][key]}"
                    raise UserError(
                        f"{run} has {what} than {first}: {differs}; name runs on the same data"
                    )

    def add(self, run: str | os.PathLike, recipe: Any, data: Any, gan: Any) -> None:
        """Adds the probabilities of a run; of `gan`, nothing is kept.

        Args:
            run: Its folder, one of those that were named.
            recipe, data, gan: What `load_run` returned for it.

        Raises:
            UserError: Its test set is not that of the runs before it.
        """
        self.include(run, _classified(recipe, data, gan))

    def include(self, run: str | os.PathLike, found: Probabilities) -> None:
        """Adds the probabilities of a run, that are known already; see `add`."""
        if self._labels is None:
            self._labels = found.labels
            self._averaged = self._current = np.zeros(found.averaged.shape)
        classes, expected = found.averaged.shape[-1], self._averaged.shape[-1]
        if classes != expected:
            raise UserError(
                f"{run} gives each image {classes} class probabilities, {self.runs[0]} {expected}; "
                "name runs with the same classes"
            )
        same = np.array_equal(found.labels, self._labels)
        if same and found.marks is not None:
            self._marks = found.marks if self._marks is None else self._marks
            same = np.abs(found.marks - self._marks).max() <= _NEAR
        if not same:
            raise UserError(
                f"{run} has another test set than {self.runs[0]}; name runs on the same data"
            )
        self._averaged = self._averaged + found.averaged
        self._current = self._current + found.current

    def results(self) -> dict[str, Any]:
        """The errors of the ensemble, of all runs once all are added.

        Returns:
            {"runs": the folders, "test_images": N, "test_error": by the averaged parameters,
            "test_error_current": by the current parameters}, errors in 0..1.
        """
        labels = np.zeros(0, int) if self._labels is None else self._labels

        def error(total):
            return float((total.argmax(axis=1) != labels).mean())

        return {
            "runs": self.runs,
            "test_images": len(labels),
            "test_error": error(self._averaged),
            "test_error_current": error(self._current),
        }


def _classified(recipe: Any, data: Any, gan: Any) -> Probabilities:
    """The probabilities that a run's model gives, of what `load_run` returned."""
    chosen = experiment(recipe)
    labels, marks, averaged, current = [], [], [], []
    low, high = data.image_range
    for batch, classes in data.test:
        images = np.asarray(batch)
        labels.append(np.asarray(classes).reshape(-1))
        scaled = (images.reshape(len(images), -1).astype(np.float64) - low) / (high - low)
        marks.append(np.stack([scaled.mean(axis=1), (scaled**2).mean(axis=1)], axis=1))
        averaged.append(chosen.classify(gan, images)[0])
        current.append(chosen.classify(gan, images, averaged=False)[0])
    return Probabilities(*map(np.concatenate, (labels, averaged, current, marks)))


def keep(run: str | os.PathLike, data_dir: str | os.PathLike | None = None) -> Probabilities:
    """Returns the probabilities in a finished run's folder, which are written there if need be.

    An ensemble then needs neither its checkpoint nor its data. They are kept as float16: two
    classes whose means are closer than 0.0005 may change places.

    Args:
        run: Its folder.
        data_dir: See `ensemble`.

    Raises:
        UserError: As `load_run`, or the file of probabilities is damaged.
    """
    folder = RunFolder(run)
    if (found := folder.probabilities()) is None:
        recipe, data, gan, _ = load_run(run, data_dir)
        exact = _classified(recipe, data, gan)
        folder.write_probabilities(exact.labels, exact.averaged, exact.current)
        return keep(run)
    return Probabilities(*found)


def ensemble(
    runs: Sequence[str | os.PathLike],
    data_dir: str | os.PathLike | None = None,
    data: Any = None,
    kept: bool = False,
) -> dict[str, Any]:
    """Evaluates the ensemble of several runs on their test set, one model in memory at a time.

    The ensemble's class of an image is the one whose probability, averaged over the runs, is the
    largest.

    Args:
        runs: Folders of two runs or more.
        data_dir: TFDS' data folder; None (default) for that of each training.
        data: Data in place of the runs' own, see `load_run`. Default None.
        kept: Whether to take the probabilities that a table keeps in the folders of its runs, see
            `keep`, in place of the models'. Default False.

    Returns:
        As `Ensemble.results`.

    Raises:
        UserError: As `Ensemble`, `Ensemble.add` and `load_run`.

    Example:

    >>> found = ig.experiments.ensemble(["runs/seed-1", "runs/seed-2"])
    >>> sorted(found)
    ['runs', 'test_error', 'test_error_current', 'test_images']
    """
    whole = Ensemble(runs)
    for run in whole.runs:
        if kept:
            whole.include(run, keep(run, data_dir))
        else:
            recipe, loaded, gan, _ = load_run(run, data_dir, data)
            whole.add(run, recipe, loaded, gan)
            del loaded, gan
        gc.collect()  # Keras' models refer to themselves
    return whole.results()
