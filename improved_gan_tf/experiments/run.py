"""One run from start to end: the folder, the data, the model, `fit`, the results."""

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import distribution, recipes, training_scores
from improved_gan_tf.experiments.building import assemble, build, experiment, recipe_of_run
from improved_gan_tf.experiments.recipe import Recipe, override
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.software import software

_NAMED = 100  # classes whose names the config keeps
_GRID = 100  # real images in samples/real.png


def train(
    recipe: Any,
    out: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    resume: bool | None = False,
    verbose: bool = True,
    devices: int = 1,
    **values: Any,
) -> dict[str, Any] | None:
    """Trains a recipe in a folder, and its baseline where the recipe asks for one.

    A run that was stopped at any moment continues with `resume=True`, from its last finished epoch,
    to the same weights bit for bit that it would have ended with. One process at a time writes a
    folder: see `RunFolder.lock`.

    It can train on several devices, or in several workers (see `distribution.strategy`, which comes
    before anything else that uses TensorFlow): every worker calls this function with the same
    arguments, and the chief alone writes the folder, which all of them must be able to read.

    Args:
        recipe: A `Recipe` or what names one, see `get`.
        out: The run's folder: absent or empty, or with `resume` that of a run of the same recipe,
            whose number of epochs alone may differ.
        data_dir: TFDS' data folder, see `data.open`. The run's config.json keeps it, for what is
            done with the run later.
        resume: Whether to continue the run in `out`. None: begin it, continue it, or return the
            results that it has, whichever is left to do. Default False.
        verbose: Whether to show progress. Default True.
        devices: Replicas in this process. Default 1.
        **values: Values to replace in the recipe, see `override`.

    Returns:
        The run's results, as in results.json; None in a worker that is not the chief.

    Raises:
        Locked: Another process writes the folder.
        UserError: Something makes the run impossible; nothing is then written.

    Example:

    >>> values = {"epochs": 1, "baseline": False}
    >>> results = ig.experiments.train("digits", "runs/short", verbose=False, **values)
    >>> results["steps"]
    25
    """
    recipe = override(recipes.get(recipe), **values)
    folder = RunFolder(out)
    if resume:
        _check_same_run(folder, recipe)
    strategy = distribution.strategy(recipe, devices)
    if distribution.is_chief(strategy) and resume is False:
        folder.refuse_if_used(recipe.code.content if recipe.code else None)
    return _locked(recipe, folder, data_dir, resume, verbose, strategy)


def _locked(recipe, folder, data_dir, resume, verbose, strategy):
    """The same under a strategy, in a folder that is the chief's own meanwhile."""
    chief = distribution.is_chief(strategy)
    with folder.lock() if chief else contextlib.nullcontext():
        if resume is None:
            resume = folder.begun
            if folder.finished and not recipes.changed(recipes.of_run(folder), recipe):
                return folder.results()
            if resume:
                _check_same_run(folder, recipe)
        baseline = experiment(recipe).baseline()
        if chief and resume:
            folder.check()
            if baseline is not None and folder.baseline.begun:
                _check_same_run(folder.baseline, baseline)
                folder.baseline.check()
        return _train(recipe, folder, data_dir, resume, verbose, strategy, chief)


def _train(recipe, folder, data_dir, resume, verbose, strategy, chief):
    """The same, once it is known what there is to do, and the folder is this process's own."""
    from improved_gan_tf import callbacks, export

    chosen = experiment(recipe)
    if chief and resume:
        export.check_place(folder.generator)
    if resume:
        data_dir = data_dir or folder.config().get("data_dir")
        data = _same_data(folder, chosen, data_dir)
    else:
        chosen.refuse_unused()
        data = chosen.load_data(data_dir)
    with strategy.scope():
        gan = build(recipe, data)
    first = folder.restore(gan) if resume else 0
    if recipe.epochs < first:
        raise UserError(f"{folder} has {first} epochs already; --epochs {recipe.epochs} is fewer")
    scored = chief and first < recipe.epochs
    score = training_scores.callback(recipe, gan, data_dir) if scored else None
    if chief and resume:
        if first < recipe.epochs:
            folder.unfinish()  # before the config says more epochs: a kill leaves no old results
        kept = {**folder.config(), **_place(data_dir)}
        folder.write_config({**kept, **recipes.to_config(recipe)})
    elif chief:
        config = {**_config(recipe, data, strategy), **_place(data_dir)}
        code = recipe.code.content if recipe.code else None
        folder.start(config, data.labeled_indices, code)
    if chief and gan.trains_generator and not folder.real.exists():
        _save_real(data, folder)
    if first < recipe.epochs:
        extra = [callbacks.StopOnNaN()]
        if chief:
            seconds = recipe.checkpoint_seconds
            extra = callbacks.standard(folder, resume=True, checkpoint_seconds=seconds)
        if chief and verbose:
            print(data.summary())
            if recipe.expected and not resume:
                print(_expectation(recipe))
            extra.insert(2, callbacks.Progress(first, chosen.title))
        if score is not None:
            extra.insert(0, score)  # before what keeps the epoch's figures
        chosen.fit(gan, data, first, extra)
    results = chosen.results(gan, data, folder) if chief else {}
    baseline = chosen.baseline()
    if baseline is not None:
        place = folder.baseline
        results["baseline"] = _locked(baseline, place, data_dir, None, verbose, strategy)
    if not chief:
        return None
    if gan.trains_generator:
        export.export(gan, folder.generator)
    folder.write_results(results)  # last: the run is finished
    return results


def evaluate(recipe: Recipe | str, data: Any, gan: Any) -> dict[str, Any]:
    """Evaluates a model on the test set.

    Args:
        recipe: A recipe or what names one, see `get`.
        data: The data, as `load_run` or `load_data` returns them.
        gan: The model.

    Returns:
        A dictionary of errors (fractions in 0..1) and losses (nats) by name, see
        `Experiment.evaluate`.
    """
    return experiment(recipe).evaluate(gan, data)


def load_run(
    out: str | os.PathLike, data_dir: str | os.PathLike | None = None, data: Any = None
) -> tuple[Any, Any, Any, int]:
    """Loads the run in a folder: its recipe, data, model at the last checkpoint, epochs done.

    Args:
        out: The run's folder.
        data_dir: The TFDS data folder. None (default): the one that training used.
        data: Data to use instead of the recipe's: a name, or what `data.load` takes or returns.
            Required for a run that `callbacks.standard` started. None (default): the recipe's data.

    Returns:
        A tuple (recipe, data, gan, number of epochs trained).

    Raises:
        UserError: The folder does not contain a run, its newest checkpoint is missing or damaged,
            or the data are not available, or no longer those that the run began with.
    """
    recipe = _checkpointed(out)
    folder, chosen = RunFolder(out), experiment(recipe)
    place = data_dir or folder.config().get("data_dir")
    if data is None:  # an experiment of one's own may take no other data
        loaded = _same_data(folder, chosen, place)
    else:
        loaded = chosen.load_data(place, data=data)
        _check_form(folder, loaded)
    gan = build(recipe, loaded)
    return recipe, loaded, gan, folder.restore(gan)


def load_generator(out: str | os.PathLike, draws: bool = False) -> tuple[Any, Any, int]:
    """Loads the recipe and the model of a run, without its data.

    Args:
        out: The run's folder.
        draws: Whether the run must have trained a generator. False (default): the model may also
            be a supervised-only classifier, whose generator has its initial weights.

    Returns:
        A tuple (recipe, gan, number of epochs trained), the model at the last checkpoint.

    Raises:
        UserError: The folder does not contain a run, or its newest checkpoint is missing or
            damaged; or it has no trained generator.
    """
    recipe, folder = _checkpointed(out), RunFolder(out)
    if draws and not experiment(recipe).generates:
        raise UserError(
            f"{out} is a supervised-only run, whose generator was not trained; name a GAN's run"
        )
    try:
        known = folder.config()["data"]
        sizes = tuple(known["image_shape"]), known["num_classes"]
    except KeyError:
        raise UserError(f"{out}/config.json does not say what its data are") from None
    gan = assemble(experiment(recipe), *sizes)
    return recipe, gan, folder.restore(gan)


def open_generator(
    path: str | os.PathLike,
    count: int = 50_000,
    seed: int = 0,
    image_range: tuple[float, float] | None = None,
) -> Any:
    """Opens the generator of a run or an export, as images for the functions of `metrics`.

    Args:
        path: The folder of a run, whose last checkpoint draws, or of an exported SavedModel.
        count: Number of images. Default 50,000.
        seed: Seed of the draws. Default 0.
        image_range: (low, high), the values for black and full brightness; None (default): those
            that the generator states.

    Returns:
        A `metrics.Drawn`.

    Raises:
        UserError: The folder is neither, or damaged.

    Example:

    >>> images = ig.experiments.open_generator("runs/digits", count=1000)
    >>> images.name, images.count
    ('runs/digits (digits, epoch 1) (seed 0)', 1000)
    """
    from improved_gan_tf import export
    from improved_gan_tf.metrics import Drawn

    if RunFolder(path).begun:
        recipe, gan, epochs = load_generator(path, draws=True)
        name = f"{path} ({recipe.name}, epoch {epochs})"
        return Drawn(gan.sample, count, seed, image_range or gan.image_range, name)
    exported = export.open_generator(path)
    return Drawn(exported.draw, count, seed, image_range or exported.image_range, str(path))


def _checkpointed(out: str | os.PathLike) -> Any:
    """The recipe of the run in the folder `out`, which must have a checkpoint."""
    folder = RunFolder(out)
    recipe = recipe_of_run(folder)
    if folder.latest_checkpoint()[1] is None:
        raise UserError(f"{out} has no checkpoint yet; train it first (--resume)")
    return recipe


def _expectation(recipe: Recipe) -> str:
    """What a run of the recipe takes and reaches, in a line."""
    original = recipes.as_declared(recipe)
    other = original and set(recipes.changed(original, recipe)) - {"seed", "seed_data"}
    return f"expected{' of the unchanged recipe' if other else ''}: {recipe.expected}"


def _save_real(data: Any, folder: RunFolder) -> None:
    """Writes a grid of the test set's first images, as large as those of generated ones."""
    import numpy as np
    import tensorflow as tf

    from improved_gan_tf import images

    found: list[Any] = []
    with contextlib.suppress(tf.errors.OpError):  # training names the image that cannot be read
        for batch, _ in data.test or ():
            found += list(np.asarray(batch))
            if len(found) >= _GRID:
                break
    if found:
        pictures = images.to_uint8(np.stack(found[:_GRID]), *data.image_range)
        images.save_png(folder.real, images.grid(pictures))


def _check_same_run(folder: RunFolder, recipe: Recipe) -> None:
    """Refuses to resume by another recipe than the run began with; epochs may be added.

    The data may have another name: `_check_same_data` looks at what they are.
    """
    began = recipes.of_run(folder)
    if recipes.other_file(began, recipe):
        raise UserError(
            f"{folder} was begun with another recipe file; resume by its copy {folder.recipe}, or "
            "start elsewhere with --out"
        )
    for name, (before, after) in recipes.changed(began, recipe).items():
        if name not in ("epochs", "checkpoint_seconds", "data"):
            raise UserError(
                f"{folder} was begun with {name} = {before!r}, not {after!r}; resume with the same "
                "values, or start elsewhere with --out"
            )


def _same_data(folder: RunFolder, chosen: Any, data_dir: Any) -> Any:
    """Loads the data of a run that has begun, which are to be those that it began with."""
    name = chosen.recipe.data
    try:
        data = chosen.load_data(data_dir)
    except UserError as error:
        kept = isinstance(name, str) and name == folder.config().get("recipe", {}).get("data")
        if kept and ":" in name and not os.path.exists(name.partition(":")[2].partition("@")[0]):
            raise UserError(
                f"{error}; the name {name!r} is from the run's config.json; --data (in Python "
                "data=) names the place where they are now"
            ) from error
        raise
    _check_same_data(folder, data)
    return data


def _check_form(folder: RunFolder, data: Any) -> None:
    """Refuses data that the networks of a run cannot take."""
    began = folder.config().get("data", {})
    forms = [
        ("x".join(map(str, about["image_shape"])), about["num_classes"])
        for about in (_description(data), {**_description(data), **began})
    ]
    if forms[0] != forms[1]:
        raise UserError(
            f"{data.name} has images of {forms[0][0]} and {forms[0][1]} classes; the run in "
            f"{folder} was trained on {forms[1][0]} and {forms[1][1]}"
        )


def _check_same_data(folder: RunFolder, data: Any) -> None:
    """Refuses other data than the run began with."""
    if data.labeled_indices is not None:
        folder.check_labeled_indices(data.labeled_indices)
    began, now = folder.config().get("data", {}), _description(data)
    keys = ["train_images", "image_shape", "num_classes"]
    if began.get("name") != now["name"]:
        keys += ["test_images", "class_names"]
    for key in keys:
        if began.get(key) != now[key]:
            raise UserError(
                f"the data are not those that the run in {folder} began with: {key} is {now[key]}, "
                f"not {began.get(key)}; name the same data by --data and --data-dir"
            )


def _place(data_dir: str | os.PathLike | None) -> dict[str, str]:
    """What the config says of the data's folder, from wherever later commands are run."""
    return {} if data_dir is None else {"data_dir": os.path.abspath(data_dir)}


def _description(data: Any) -> dict[str, Any]:
    return {
        "name": data.name,
        "train_images": data.num_train,
        "test_images": data.num_test,
        "image_shape": list(data.image_shape),
        "num_classes": data.num_classes,
        "class_names": list(data.class_names) if data.num_classes <= _NAMED else None,
    }


def _config(recipe: Recipe, data: Any, strategy: Any) -> Mapping[str, Any]:
    config = recipes.to_config(recipe)
    return {
        **config,
        "seeds": {k: config["recipe"][k] for k in ("seed", "seed_data") if k in config["recipe"]},
        "data": _description(data),
        "replicas": strategy.num_replicas_in_sync,
        **software(),
    }
