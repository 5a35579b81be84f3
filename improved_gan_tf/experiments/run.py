"""One run from start to end: the folder, the data, the model, `fit`, the results."""

import dataclasses
import importlib.metadata
import platform
import sys

import keras

from improved_gan_tf import __version__, callbacks, export
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import distribution, recipes
from improved_gan_tf.experiments.building import Sizes, build, experiment, load_data
from improved_gan_tf.runs.folder import RunFolder

_PACKAGES = ("keras", "numpy", "tensorflow", "tensorflow-datasets")


def train(recipe, out, data_dir=None, resume=False, verbose=True, devices=1):
    """Trains by `recipe` in the folder `out`; with its baseline where the recipe asks for one.

    A run that was stopped at any moment goes on by `resume=True`, from its last finished epoch,
    to the same weights bit for bit that it would have ended with.

    The ImageNet recipe can train on several devices, or in several workers (see
    `distribution.strategy`, which comes before anything else that uses TensorFlow): every worker
    calls this function with the same arguments, and the chief alone writes the folder, which all
    of them must be able to read.

    Args:
        recipe: a `Recipe`.
        out: the run's folder: absent or empty, or with `resume` that of a run by the same recipe
            (whose number of epochs alone may differ).
        data_dir: TFDS' data folder.
        resume: go on with the run in `out`.
        verbose: whether to show progress.
        devices: replicas in this process.

    Returns:
        The run's results, as in results.json; None in a worker that is not the chief.

    Raises:
        UserError: whatever makes the run impossible; nothing is then written.
    """
    folder = RunFolder(out)
    if resume:
        _check_same_run(folder, recipe)
    kind = experiment(recipe)
    strategy = distribution.strategy(recipe, devices)
    chief = distribution.is_chief(strategy)
    if chief and not resume:
        folder.refuse_if_used()
    data = load_data(recipe, data_dir)
    if resume:
        _check_same_data(folder, data)
    with strategy.scope():
        gan = build(recipe, data)
    first = folder.restore(gan) if resume else 0
    if recipe.epochs < first:
        raise UserError(f"{out} has {first} epochs already; --epochs {recipe.epochs} is fewer")
    if chief and resume:
        folder.write_config({**folder.config(), **recipes.to_config(recipe)})
    elif chief:
        folder.start(_config(recipe, data, strategy), getattr(data, "labeled_indices", None))
    if first < recipe.epochs:
        extra = callbacks.standard(folder, first) if chief else [callbacks.StopOnNaN()]
        if chief and verbose:
            extra.insert(1, callbacks.Progress(first, kind.title(recipe)))
        kind.fit(gan, recipe, data, first, extra, strategy)
    if not chief:
        return None
    results = kind.results(gan, recipe, data, folder)
    if getattr(recipe, "baseline", False):
        results["baseline"] = _baseline(recipe, folder.baseline, data_dir, resume, verbose)
    folder.write_results(results)
    if gan.trains_generator:
        export.export(gan, folder.generator)
    return results


def evaluate(recipe, data, gan):
    """{name: value} of the test set: `semi_supervised.evaluate` or `imagenet.evaluate`."""
    return experiment(recipe).evaluate(gan, data)


def load_run(out, data_dir=None):
    """(recipe, data, model at its last checkpoint, epochs done) of the run in the folder `out`.

    Raises:
        UserError: not a run's folder, no checkpoint yet, a damaged file, the data are absent.
    """
    recipe = _checkpointed(out)
    data = load_data(recipe, data_dir)
    gan = build(recipe, data)
    return recipe, data, gan, RunFolder(out).restore(gan)


def load_generator(out):
    """(recipe, model at its last checkpoint, epochs done), without the data.

    Both networks are there; what needs the data, training and testing, is not.

    Raises:
        UserError: as `load_run`, but for the data.
    """
    recipe = _checkpointed(out)
    folder = RunFolder(out)
    known = folder.config().get("data", {})
    try:
        sizes = Sizes(tuple(known["image_shape"]), known["num_classes"])
    except (KeyError, TypeError):
        raise UserError(f"{out}/config.json does not say what its data are") from None
    gan = build(recipe, sizes)
    return recipe, gan, folder.restore(gan)


def _checkpointed(out):
    """The recipe of the run in the folder `out`, which must have a checkpoint."""
    folder = RunFolder(out)
    recipe = recipes.from_config(folder.config())
    if folder.latest_checkpoint()[1] is None:
        raise UserError(f"{out} has no checkpoint yet; train it first (--resume)")
    return recipe


def _baseline(recipe, folder, data_dir, resume, verbose):
    """Results of the supervised-only baseline; with `resume`, of what is there."""
    recipe = dataclasses.replace(recipe, objective="supervised", baseline=False)
    resume = resume and folder.begun
    if resume and folder.finished:
        if not recipes.changed(recipes.from_config(folder.config()), recipe):
            return folder.results()
    return train(recipe, folder, data_dir, resume, verbose)


def _check_same_run(folder, recipe):
    """Refuses to resume by another recipe than the run began with; epochs may be added."""
    began = recipes.from_config(folder.config())
    for name, (before, after) in recipes.changed(began, recipe).items():
        if name != "epochs":
            raise UserError(
                f"{folder.path} was begun with {name} = {before!r}, not {after!r}; resume with the "
                "same values, or start elsewhere with --out"
            )


def _check_same_data(folder, data):
    """Refuses to resume on other data than the run began with."""
    indices = getattr(data, "labeled_indices", None)
    if indices is not None:
        folder.check_labeled_indices(indices)
    began, now = folder.config().get("data", {}), _description(data)
    for key in ("train_images", "image_shape", "num_classes"):
        if began.get(key) != now[key]:
            raise UserError(
                f"the data are not those that the run in {folder.path} began with: {key} is "
                f"{now[key]}, not {began.get(key)}; name the same data by --data and --data-dir"
            )


def _description(data):
    return {
        "name": data.name,
        "train_images": data.num_train,
        "test_images": data.num_test,
        "image_shape": list(data.image_shape),
        "num_classes": data.num_classes,
    }


def _config(recipe, data, strategy):
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {
        **recipes.to_config(recipe),
        "seeds": {k: getattr(recipe, k) for k in ("seed", "seed_data") if hasattr(recipe, k)},
        "data": _description(data),
        "replicas": strategy.num_replicas_in_sync,
        "versions": {
            "improved_gan_tf": __version__,
            "python": platform.python_version(),
            **versions,
        },
        "backend": keras.backend.backend(),
        "command": " ".join(sys.argv),
    }
