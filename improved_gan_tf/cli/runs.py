"""The commands on a run's folder: `improved-gan evaluate`, `sample`, `export`, `report`."""

import argparse
import gc
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from improved_gan_tf import experiments
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli import places
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes
from improved_gan_tf.quantities import labels, quantity

# Images that one picture shows, and a GIF with its frames between them; more fit npz and folders.
_MOST = {".png": 10_000, ".gif": 250}
_FRAMES = 15  # of a GIF, between two images
_EXPORTED = {"savedmodel": "generator", "onnx": "generator.onnx", "litert": "generator.tflite"}


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    _add_run(evaluate, _evaluate)
    others = "more runs, e.g. with other seeds; their ensemble is evaluated too"
    evaluate.add_argument("more", metavar="RUN", nargs="*", help=others)
    json_help = "print the results, errors per class and the confusion matrix as JSON"
    evaluate.add_argument("--json", action="store_true", help=json_help)
    confusion = "write a picture of the confusion matrix: which classes are taken for which"
    evaluate.add_argument("--confusion", metavar="FILE.png", help=confusion)
    other = "data set whose test set is used (default: the recipe's; required without a recipe)"
    evaluate.add_argument("--data", metavar="NAME", help=other)
    evaluate.add_argument("--data-dir", help="TFDS' data folder (default: that of the training)")


def _add_sample(sample: argparse.ArgumentParser) -> None:
    _add_run(sample, _sample)
    add = sample.add_argument
    add("--count", type=kinds.images, default=100, help="how many (default 100)")
    add("--seed", type=kinds.seed, default=0, help="seed of the latent vectors (default 0)")
    places = "X.png: one grid; X.npz: arrays; X.gif: an interpolation; else a folder of PNG files"
    add("--out", help=f"{places} (default RUN/sample.png)")
    add("--columns", type=kinds.whole(1, _MOST[".png"]), help="columns of the grid")
    frames = f"GIF: frames between two images (default {_FRAMES})"
    add("--frames", type=kinds.whole(1, 1000), help=frames)
    add("--by-class", action="store_true", help="sort them by the run's own classifier")
    statistics = "normalize by the statistics of these images, as the original does"
    add("--batch-statistics", action="store_true", help=statistics)


def _add_export(export: argparse.ArgumentParser) -> None:
    _add_run(export, _export)
    export.add_argument("--format", default="savedmodel", help="savedmodel (default), onnx, litert")
    export.add_argument("--out", help="default RUN/generator, RUN/generator.onnx or .tflite")


def _add_report(report: argparse.ArgumentParser) -> None:
    _add_run(report, _report)
    report.add_argument("more", metavar="RUN", nargs="*", help="others, to compare them")
    places = "default RUN/report, or comparison in the folder that holds the runs"
    report.add_argument("--out", metavar="DIR", help=f"the folder of the files ({places})")
    report.set_defaults(keras=False)


COMMANDS: kinds.Commands = {
    "evaluate": _add_evaluate,
    "sample": _add_sample,
    "export": _add_export,
    "report": _add_report,
}


def _add_run(parser: argparse.ArgumentParser, command: Callable) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.set_defaults(command=command)


def _evaluate(options: argparse.Namespace) -> None:
    if options.confusion and Path(options.confusion).suffix != ".png":
        raise UserError(f"--confusion writes a .png file, not {options.confusion}")
    if options.confusion and options.more:
        raise UserError("--confusion draws one run; evaluate the others without it")
    places.check_files(options.confusion)
    if options.more:
        _evaluate_several([options.run, *options.more], options)
        return
    found = _evaluated(options.run, options)
    if options.json:
        print(json.dumps(found))


def _evaluate_several(runs: list[str], options: argparse.Namespace) -> None:
    """Each of the runs, their means and standard deviations, and their ensemble."""
    ensemble, found = experiments.Ensemble(runs), []
    for run in runs:
        found.append(_evaluated(run, options, ensemble))
        gc.collect()  # one model in memory at a time: Keras' models refer to themselves
    common = set.intersection(*(set(each) for each in found))
    keys = [key for key in found[0] if key in common and quantity(key).kind == "error"]
    values = {key: [each[key] for each in found] for key in keys}
    means = {key: statistics.mean(values[key]) for key in keys}
    deviations = {key: statistics.stdev(values[key]) for key in keys}
    whole = ensemble.results()
    if options.json:
        summary = {"mean": means, "standard_deviation": deviations, "ensemble": whole}
        print(json.dumps({"runs": found, **summary}))
        return
    print(f"{len(runs)} runs: mean +- standard deviation (smallest to largest)")
    for key, label in labels(keys).items():
        ends = [f"{100 * end:.2f}" for end in (min(values[key]), max(values[key]))]
        spread = f"+- {100 * deviations[key]:.2f}  ({' to '.join(ends)})"
        print(f"  {label:60s}{quantity(key).text(means[key]):>9s}  {spread}")
    print("their ensemble, by the mean of their class probabilities")
    print(*experiments.Experiment.result_lines(whole), sep="\n")


def _evaluated(run: str, options: argparse.Namespace, ensemble: Any = None) -> dict[str, Any]:
    """The errors of a run, which are printed unless JSON is wanted, and added to `ensemble`."""
    recipe, data, gan, epochs = experiments.load_run(run, options.data_dir, options.data)
    experiment = experiments.experiment(recipe)
    found = {"recipe": recipe.name, "epochs": epochs, **experiment.evaluate(gan, data)}
    if not options.json:
        named = f"{run}: " if options.more else ""
        print(f"{named}{recipe.name} after {epochs} epochs, {found['test_images']} test images")
        print(*experiment.result_lines(found), sep="\n")
    counts = experiment.confusion(gan, data) if options.json or options.confusion else None
    if options.confusion:
        _write_confusion(options.confusion, recipe, counts, data)
    if options.json and counts is not None:
        lines = dict(zip(data.class_names, counts.tolist(), strict=True))
        found["errors_per_class"] = {
            name: 1 - line[k] / sum(line) if sum(line) else None
            for k, (name, line) in enumerate(lines.items())
        }
        found["confusion"] = counts.tolist()
    if ensemble is not None:
        found = {"run": run, **found}
        ensemble.add(run, recipe, data, gan)
    return found


def _write_confusion(path: str, recipe: Any, counts: Any, data: Any) -> None:
    from improved_gan_tf.runs.report.confusion import confusion

    if counts is None:
        raise UserError(f"--confusion: {recipe.name} trains no classifier of single images")
    write_bytes(path, confusion(counts, data.class_names))
    print(path)


def _sample(options: argparse.Namespace) -> None:
    out = Path(options.out or Path(options.run) / "sample.png")
    _check_sample(out, options)
    if options.out:
        (places.check_files if out.suffix else places.check_new_folder)(out)

    import keras
    import numpy as np

    from improved_gan_tf import images

    recipe, gan, _ = experiments.load_generator(options.run, draws=True)
    latents = gan.latent_vectors(options.count, options.seed)
    if out.suffix == ".gif":
        frames = options.frames or _FRAMES
        latents = keras.tree.map_structure(lambda z: images.latent_path(z, frames), latents)
    try:
        drawn = gan.images(latents, options.batch_statistics)
    except ValueError as error:
        raise UserError(f"--batch-statistics: {error}") from error
    classes = {}
    if options.by_class:
        probabilities, _ = experiments.experiment(recipe).classify(gan, drawn)
        found = probabilities.argmax(axis=1)
        order = np.lexsort((-probabilities.max(axis=1), found))  # the most certain ones first
        drawn, classes = drawn[order], {"labels": found[order]}
        latents = keras.tree.map_structure(lambda z: np.asarray(z)[order], latents)
    pictures = images.to_uint8(drawn, *gan.image_range)
    if out.suffix == ".gif":
        images.save_gif(out, pictures)
    elif out.suffix == ".npz":
        names = (z.name for z in gan.generator.inputs)
        flat = keras.tree.flatten(latents)
        images.save_npz(out, pictures, **classes, **dict(zip(names, flat, strict=True)))
    elif out.suffix == ".png":
        images.save_png(out, images.grid(pictures, options.columns))
    else:
        images.save_folder(out, pictures)
    print(out)


def _check_sample(out: Path, options: argparse.Namespace) -> None:
    count = options.count
    if out.suffix not in (".png", ".npz", ".gif", ""):
        raise UserError(
            f"--out {out}: unknown suffix {out.suffix}; choose .png, .npz, .gif, or a name without "
            "suffix for a folder of PNG files"
        )
    if out.suffix == ".gif" and count < 2:
        raise UserError("an interpolation needs --count 2 or more")
    most = _MOST.get(out.suffix, count)
    if count > most:
        raise UserError(
            f"--count {count} is too many for {out.name}, which shows at most {most:,} images; "
            "name an .npz file or a folder with --out"
        )
    if out.suffix == ".gif" and options.by_class:
        raise UserError("--by-class sorts images, not a GIF's frames; name a .png or .npz file")
    for flag, given, suffix in (
        ("--columns", options.columns, ".png"),
        ("--frames", options.frames, ".gif"),
    ):
        if given is not None and out.suffix != suffix:
            raise UserError(
                f"{flag} changes nothing in {out}; leave it out, or name a {suffix} file with --out"
            )


def _export(options: argparse.Namespace) -> None:
    from improved_gan_tf import export

    out = options.out or Path(options.run) / _EXPORTED.get(options.format, "generator")
    _, gan, _ = experiments.load_generator(options.run, draws=True)
    print(export.export(gan, out, options.format))
    if options.format == "litert":
        print("its input is a batch of 1 until the interpreter's resize_tensor_input changes it")


def _report(options: argparse.Namespace) -> None:
    from improved_gan_tf.runs import report

    runs, out = [options.run, *options.more], options.out
    files = report.compare(runs, out) if options.more else report.report(options.run, out)
    print(*files, sep="\n")
