"""The commands on a run's folder: `improved-gan evaluate`, `sample`, `export`, `report`."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from improved_gan_tf import experiments
from improved_gan_tf.errors import UserError

# Images that one picture shows, and a GIF with its frames between them; more fit npz and folders.
_MOST = {".png": 10_000, ".gif": 250}
_EXPORTED = {"savedmodel": "generator", "onnx": "generator.onnx", "litert": "generator.tflite"}


def add_commands(commands: Any) -> None:
    """Adds them to the sub-parsers of the command line."""
    evaluate = _add(commands, "evaluate", "error rates on the test set", _evaluate)
    evaluate.add_argument("--json", action="store_true", help="print them as one JSON object")
    evaluate.add_argument("--data-dir", help="TFDS' data folder (default: that of the training)")

    sample = _add(commands, "sample", "draw images from the trained generator", _sample)
    add = sample.add_argument
    add("--count", type=int, default=100, help="how many (default 100)")
    add("--seed", type=int, default=0, help="of the latent vectors (default 0)")
    places = "X.png: one grid; X.npz: arrays; X.gif: an interpolation; else a folder of PNG files"
    add("--out", help=f"{places} (default RUN/sample.png)")
    add("--columns", type=int, help="of a grid")
    add("--frames", type=int, default=15, help="GIF: frames between two images (default 15)")
    statistics = "normalize by the statistics of these images, as the original does"
    add("--batch-statistics", action="store_true", help=statistics)

    export = _add(commands, "export", "write the generator for serving", _export)
    export.add_argument("--format", default="savedmodel", help="savedmodel (default), onnx, litert")
    export.add_argument("--out", help="default RUN/generator, RUN/generator.onnx or .tflite")

    report = _add(commands, "report", "plots and one self-contained HTML page", _report)
    report.set_defaults(keras=False)


def _add(commands: Any, name: str, summary: str, command: Callable) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.set_defaults(command=command)
    return parser


def _evaluate(options: argparse.Namespace) -> None:
    recipe, data, gan, epochs = experiments.load_run(options.run, options.data_dir)
    found = {"recipe": recipe.name, "epochs": epochs, **experiments.evaluate(recipe, data, gan)}
    if options.json:
        print(json.dumps(found))
        return
    print(f"{recipe.name} after {epochs} epochs, {found['test_images']} test images")
    print(*experiments.experiment(recipe).result_lines(found), sep="\n")


def _sample(options: argparse.Namespace) -> None:
    out = Path(options.out or Path(options.run) / "sample.png")
    _check_sample(out, options.count)

    import keras

    from improved_gan_tf import images

    _, gan, _ = experiments.load_generator(options.run)
    latents = gan.latent_vectors(options.count, options.seed)
    if out.suffix == ".gif":
        latents = keras.tree.map_structure(lambda z: images.latent_path(z, options.frames), latents)
    try:
        drawn = gan.images(latents, options.batch_statistics)
    except ValueError as error:
        raise UserError(f"--batch-statistics: {error}") from error
    pictures = images.to_uint8(drawn, *gan.image_range)
    if out.suffix == ".gif":
        images.save_gif(out, pictures)
    elif out.suffix == ".npz":
        names = (z.name for z in gan.generator.inputs)
        flat = keras.tree.flatten(latents)
        images.save_npz(out, pictures, **dict(zip(names, flat, strict=True)))
    elif out.suffix == ".png":
        images.save_png(out, images.grid(pictures, options.columns))
    else:
        images.save_folder(out, pictures)
    print(out)


def _check_sample(out: Path, count: int) -> None:
    if count < 1:
        raise UserError(f"--count must be at least 1, not {count}")
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


def _export(options: argparse.Namespace) -> None:
    from improved_gan_tf import export

    out = options.out or Path(options.run) / _EXPORTED.get(options.format, "generator")
    _, gan, _ = experiments.load_generator(options.run)
    print(export.export(gan, out, options.format))
    if options.format == "litert":
        print("its input is a batch of 1 until the interpreter's resize_tensor_input changes it")


def _report(options: argparse.Namespace) -> None:
    from improved_gan_tf.runs import report

    for path in report.report(options.run):
        print(path)
