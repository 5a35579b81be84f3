"""One run from start to end: the folder, the data, the model, `fit`, the results."""

import dataclasses
import importlib.metadata
import json
import platform
import sys

import keras

from improved_gan_tf import __version__, callbacks, export
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.building import build, load_data
from improved_gan_tf.run_folder import RunFolder

_PACKAGES = ("keras", "numpy", "tensorflow", "tensorflow-datasets")


def train(recipe, out, data_dir=None, resume=False, verbose=True):
    """Trains by `recipe` in the folder `out`; with its baseline where the recipe asks for one.

    A run that was stopped at any moment goes on by `resume=True`, from its last finished epoch,
    to the same weights bit for bit that it would have ended with.

    Args:
        recipe: a `Recipe`.
        out: the run's folder: absent or empty, or with `resume` that of a run by the same recipe
            (whose number of epochs alone may differ).
        data_dir: TFDS' data folder.
        resume: go on with the run in `out`.
        verbose: whether to show progress.

    Returns:
        The run's results, as in results.json.

    Raises:
        UserError: whatever makes the run impossible; nothing is then written.
    """
    folder = RunFolder(out)
    if resume:
        _check_same_run(folder, recipe)
    else:
        folder.refuse_if_used()
    data = load_data(recipe, data_dir)
    if resume:
        folder.check_labeled_indices(data.labeled_indices)
    gan = build(recipe, data)
    first = folder.restore(gan) if resume else 0
    if recipe.epochs < first:
        raise UserError(f"{out} has {first} epochs already; --epochs {recipe.epochs} is fewer")
    if resume:
        folder.write_json("config.json", {**folder.config(), "recipe": dataclasses.asdict(recipe)})
    else:
        folder.start(_config(recipe, data), data.labeled_indices)
    results = _fit(gan, recipe, data, folder, first, verbose)
    if recipe.baseline:
        baseline = dataclasses.replace(recipe, objective="supervised", baseline=False)
        has_begun = (folder.path / "baseline" / "config.json").is_file()
        results["baseline"] = train(
            baseline, folder.path / "baseline", data_dir, resume and has_begun, verbose
        )
    folder.write_json("results.json", results)
    if recipe.objective != "supervised":
        export.saved_model(gan.generator, folder.generator)
    return results


def _fit(gan, recipe, data, folder, first, verbose):
    """Epochs `first` to the last, and the error rates after them."""
    title = recipe.name if recipe.objective != "supervised" else "the same classifier, labels alone"
    extra = callbacks.standard(folder, first, data.range)
    if verbose:
        extra.insert(1, callbacks.Progress(first, title))
    data.start_epoch = first
    if first < recipe.epochs:
        gan.fit(
            data.train,
            epochs=recipe.epochs,
            initial_epoch=first,
            validation_data=data.test,
            callbacks=extra,
            verbose=0,
            shuffle=False,
        )
    return {
        "recipe": recipe.name,
        "objective": recipe.objective,
        "epochs": recipe.epochs,
        "steps": recipe.epochs * data.steps_per_epoch,
        "labels": len(data.labeled_indices),
        "seconds": round(folder.seconds(), 1),
        **test_errors(gan, data),
        "baseline": None,
    }


def test_errors(gan, data):
    """Error rates on the test set with each of three sets of parameters.

    Returns:
        {"test_images": N, "test_error": debiased average, "test_error_original_average": the
        average as the original has it, "test_error_raw": parameters without averaging}, each in
        0 .. 1.
    """
    found = {"test_images": data.num_test}
    chosen = gan.average
    names = {"debiased": "test_error", "original": "test_error_original_average"}
    try:
        for gan.average, name in names.items():
            # The choice is compiled into the test function, so that is made anew.
            gan.make_test_function(force=True)
            logs = gan.evaluate(data.test, verbose=0, return_dict=True)
            # Whole errors over whole images: float32 means are off in the last digits.
            found[name] = round(logs["error"] * data.num_test) / data.num_test
            found["test_error_raw"] = round(logs["error_raw"] * data.num_test) / data.num_test
    finally:
        gan.average = chosen
        gan.make_test_function(force=True)
    return found


def load_run(out, data_dir=None):
    """(recipe, data, model at its last checkpoint, epochs done) of the run in the folder `out`.

    Raises:
        UserError: not a run's folder, no checkpoint yet, a damaged file, the data are absent.
    """
    folder = RunFolder(out)
    recipe = recipes.from_config(folder.config())
    if folder.latest_checkpoint()[1] is None:
        raise UserError(f"{out} has no checkpoint yet; train it first (--resume)")
    data = load_data(recipe, data_dir)
    gan = build(recipe, data)
    return recipe, data, gan, folder.restore(gan)


def _check_same_run(folder, recipe):
    """Refuses to resume by another recipe than the run began with; epochs may be added."""
    began, now = (
        json.loads(json.dumps(dataclasses.asdict(r)))
        for r in (recipes.from_config(folder.config()), recipe)
    )
    changed = [k for k in now if k != "epochs" and began[k] != now[k]]
    if changed:
        raise UserError(
            f"{folder.path} was begun with {changed[0]} = {began[changed[0]]!r}, not "
            f"{now[changed[0]]!r}; resume with the same values, or start elsewhere with --out"
        )


def _config(recipe, data):
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {
        "recipe": dataclasses.asdict(recipe),
        "overrides": recipes.overrides(recipe),
        "seeds": {"seed": recipe.seed, "seed_data": recipe.seed_data},
        "data": {
            "name": data.name,
            "train_images": data.num_train,
            "test_images": data.num_test,
            "image_shape": list(data.image_shape),
            "num_classes": data.num_classes,
        },
        "versions": {
            "improved_gan_tf": __version__,
            "python": platform.python_version(),
            **versions,
        },
        "backend": keras.backend.backend(),
        "command": " ".join(sys.argv),
    }
