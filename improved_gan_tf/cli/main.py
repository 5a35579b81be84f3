"""The command line, `improved-gan`: train, evaluate, sample, export, report, score, ..."""

import argparse
import json
import os
import sys
from pathlib import Path

from improved_gan_tf import __version__
from improved_gan_tf.cli import convert as convert_commands
from improved_gan_tf.cli import score as score_command
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.runs.folder import RunFolder

# Option of `train`: the recipe's value that it overrides.
_RECIPE_OPTIONS = (
    "data",
    "epochs",
    "batch_size",
    "labels_per_class",
    "labels_file",
    "balance",
    "learning_rate",
    "seed",
    "seed_data",
    "mixed_precision",
    "baseline",
)


class _Parser(argparse.ArgumentParser):
    """argparse with one line for a mistake instead of the usage and a line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments=None):
    """Runs one command; returns the exit code: 0, 2 for input that cannot be used, 130 if stopped.

    Args:
        arguments: list of strings; None takes those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options.command(options)
    except UserError as error:
        print(f"improved-gan: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nimproved-gan: stopped; train goes on with --resume", file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = _Parser(
        prog="improved-gan", description="Improved Techniques for Training GANs, on Keras."
    )
    parser.add_argument("--version", action="version", version=f"improved_gan_tf {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)

    listing = commands.add_parser("recipes", help="list the recipes, or show one's values")
    listing.add_argument("recipe", nargs="?")
    listing.set_defaults(command=_recipes)

    evaluate = _run_command(commands, "evaluate", "error rates on the test set", _evaluate)
    evaluate.add_argument("--json", action="store_true", help="print them as one JSON object")
    evaluate.add_argument("--data-dir", help="TFDS' data folder")

    sample = _run_command(commands, "sample", "draw images from the trained generator", _sample)
    sample.add_argument("--count", type=int, default=100, help="how many (default 100)")
    sample.add_argument("--seed", type=int, default=0, help="of the latent vectors (default 0)")
    sample.add_argument(
        "--out",
        help="X.png: one grid; X.npz: arrays; X.gif: an interpolation; else a folder of PNGs "
        "(default RUN/sample.png)",
    )
    sample.add_argument("--columns", type=int, help="of a grid")
    sample.add_argument(
        "--frames", type=int, default=15, help="GIF: frames between two images (default 15)"
    )
    sample.add_argument(
        "--batch-statistics",
        action="store_true",
        help="normalise by the images of this draw, as the original does",
    )

    export = _run_command(commands, "export", "write the generator for serving", _export)
    export.add_argument(
        "--format", default="savedmodel", help="savedmodel (default), onnx or litert"
    )
    export.add_argument("--out", help="default RUN/generator, RUN/generator.onnx or .tflite")

    _run_command(commands, "report", "plots and one self-contained HTML page", _report)
    score_command.add_command(commands)
    convert_commands.add_commands(commands)
    return parser


def _run_command(commands, name, summary, function):
    command = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("run", metavar="RUN", help="the folder of a run")
    command.set_defaults(command=function)
    return command


def _add_train(commands):
    train = commands.add_parser("train", help="train a recipe", description="Train a recipe.")
    add = train.add_argument
    add("recipe", metavar="RECIPE", help=", ".join(recipes.RECIPES))
    add("--out", help="the run's folder (default runs/RECIPE)")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--data", help="digits, a TFDS name, npz:FILE, folder:DIR or, for imagenet, records:PATH")
    add("--data-dir", help="TFDS' data folder")
    add("--epochs", type=int)
    add("--batch-size", type=int)
    add("--labels-per-class", type=int)
    add("--labels-file", help="labels of the training images, -1 for none")
    add("--balance", action=argparse.BooleanOptionalAction, help="as many labels for every class")
    add("--learning-rate", type=float)
    add("--width", type=float, help="factor of the channels or units of both networks")
    add("--seed", type=int, help="of weights, noise, latent vectors and the order of the data")
    add("--seed-data", type=int, help="of the labelled subset")
    add("--jit", action=argparse.BooleanOptionalAction, help="compile the step by XLA")
    add("--mixed-precision", nargs="?", const="bfloat16", help="bfloat16, float16 or none")
    add(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        help="also train the same classifier on the labelled rows alone",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any value of the recipe, e.g. generator_steps=2 or discriminator.input_noise=0.2",
    )
    add(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="imagenet: train on N GPUs, or N logical CPU devices without any (several machines: "
        "TF_CONFIG)",
    )
    add("--quiet", action="store_true", help="no progress")
    train.set_defaults(command=_train)


def _recipe(options, out):
    """The recipe that the options of `train` describe; with --resume, on top of the run's own."""
    recipe = recipes.get(options.recipe)
    if options.resume:
        began = recipes.from_config(RunFolder(out).config())
        if began.name != recipe.name:
            raise UserError(f"{out} holds a run of {began.name}, not of {recipe.name}")
        recipe = began
    values = recipes.given(options, _RECIPE_OPTIONS)
    if options.jit is not None:
        values["jit_compile"] = options.jit
    for item in options.set:
        key, equals, text = item.partition("=")
        if not equals:
            raise UserError(f"--set takes KEY=VALUE, not {item!r}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        key, dot, inner = key.partition(".")
        values[key] = {**values.get(key, {}), inner: value} if dot else value
    return recipes.override(recipe, **values)


def _train(options):
    out = options.out or f"runs/{options.recipe}"
    recipe = _recipe(options, out)
    if recipe.name == "mnist-custom-labels" and recipe.labels_file is None:
        raise UserError("mnist-custom-labels needs its labels: --labels-file FILE")

    from improved_gan_tf import experiments

    try:
        results = experiments.train(
            recipe, out, options.data_dir, options.resume, not options.quiet, options.devices
        )
    except experiments.WorkerLost as error:
        print(f"improved-gan: {error}; this one goes on when all are back", file=sys.stderr)
        _start_again(options.arguments)
    if results is None:
        return  # a worker; the chief tells
    size = f"{results['steps']} steps, {results['seconds']:.0f} s"
    print(f"\n{recipe.name}, seed {recipe.seed}: {size}")
    print(*experiments.experiment(recipe).trained(results), sep="\n")
    print(f"run folder: {out}   (improved-gan report {out})")


def _start_again(arguments):
    """Replaces this process by a new one that resumes: TensorFlow joins a cluster only once."""
    arguments = [*arguments, *([] if "--resume" in arguments else ["--resume"])]
    sys.stdout.flush()
    sys.stderr.flush()
    # The old server's sockets would go on taking the other workers' calls.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.execv(sys.executable, [sys.executable, "-m", "improved_gan_tf", *arguments])


def _recipes(options):
    if options.recipe is None:
        for recipe in recipes.RECIPES.values():
            print(f"{recipe.name:32s}{recipe.summary}")
    else:
        for key, value in vars(recipes.get(options.recipe)).items():
            print(f"{key:22s}{json.dumps(value)}")


def _evaluate(options):
    from improved_gan_tf import experiments

    recipe, data, gan, epochs = experiments.load_run(options.run, options.data_dir)
    found = {
        "recipe": recipe.name,
        "epochs": epochs,
        **experiments.evaluate(recipe, data, gan),
    }
    if options.json:
        print(json.dumps(found))
        return
    print(f"{recipe.name} after {epochs} epochs, {found['test_images']} test images")
    print(*experiments.experiment(recipe).evaluated(found), sep="\n")


def _sample(options):
    if options.count < 1:
        raise UserError(f"--count must be at least 1, not {options.count}")
    out = Path(options.out or Path(options.run) / "sample.png")
    if out.suffix == ".gif" and options.count < 2:
        raise UserError("an interpolation needs --count 2 or more")

    import keras

    from improved_gan_tf import experiments, images

    recipe, gan, _ = experiments.load_generator(options.run)
    latents = gan.latent_vectors(options.count, options.seed)
    if out.suffix == ".gif":
        latents = keras.tree.map_structure(lambda z: images.latent_path(z, options.frames), latents)
    drawn = gan.images(latents, **_normalization(gan, options.batch_statistics))
    pictures = images.to_uint8(drawn, *experiments.value_range(recipe))
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


def _normalization(gan, batch_statistics):
    """Arguments of `images`; only some generators have a choice."""
    from improved_gan_tf.models import SemiSupervisedGAN

    if isinstance(gan, SemiSupervisedGAN):
        return {"batch_statistics": batch_statistics}
    if batch_statistics:
        raise UserError(
            "--batch-statistics: virtual batch normalization never uses the other images of a "
            "draw; leave it out"
        )
    return {}


def _export(options):
    from improved_gan_tf import experiments, export

    suffix = {"onnx": "generator.onnx", "litert": "generator.tflite"}
    out = options.out or Path(options.run) / suffix.get(options.format, "generator")
    _, gan, _ = experiments.load_generator(options.run)
    print(export.export(gan.serving_generator(), out, options.format, gan.latent_range))


def _report(options):
    from improved_gan_tf.runs import report

    for path in report.report(options.run):
        print(path)
