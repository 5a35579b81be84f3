"""The command `predict`: the classes of images, by the classifier of a run."""

import argparse
import csv
import io
import itertools

import numpy as np

from improved_gan_tf import data, experiments
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli import places
from improved_gan_tf.data.pictures import with_channels
from improved_gan_tf.files import write_text
from improved_gan_tf.runs.folder import RunFolder

_AT_ONCE = 500
_DESCRIPTION = """The class of each image by the averaged parameters of a run's classifier, as
CSV: the image's file (or its number), the class, its probability, and p(real), the probability that
the image is real rather than generated. Images are resized as in training."""


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.description = _DESCRIPTION
    add = predict.add_argument
    add("run", metavar="RUN", help="the folder of a run")
    images = "folder of pictures, .zip, tar, .npy or .npz file, or a data set (NAME@SPLIT)"
    add("images", metavar="IMAGES", help=images)
    add("--out", metavar="FILE.csv", help="where it goes (default: printed)")
    kinds.add_range(predict, "--range", help="black and white of floats")
    add("--data-dir", help="TFDS' data folder (default: that of the training)")
    predict.set_defaults(command=_predict)


COMMANDS: kinds.Commands = {"predict": _add_predict}


def _predict(options: argparse.Namespace) -> None:
    places.check_files(options.out)
    recipe, gan, _ = experiments.load_generator(options.run)
    experiment, config = experiments.experiment(recipe), RunFolder(options.run).config()
    height, width, channels = config["data"]["image_shape"]
    names = config["data"].get("class_names") or range(config["data"]["num_classes"] or 0)
    images = data.as_images(
        options.images,
        options.range,
        data_dir=options.data_dir or config.get("data_dir"),
        image_size=(height, width),
        resize=recipe.resize if height == width else "stretch",
    )
    low, high = gan.image_range

    def prepare(image: np.ndarray) -> np.ndarray:
        image = with_channels(image.astype(np.float32), channels)
        return image * ((high - low) / 255) + low

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "class", "probability", "p_real"))
    named = iter(images.names())

    def write(batch: list[np.ndarray]) -> None:
        probabilities, real = experiment.classify(gan, np.stack(batch))
        for of_classes, p in zip(probabilities, real, strict=True):
            best = int(of_classes.argmax())
            writer.writerow((next(named), names[best], f"{of_classes[best]:.6f}", f"{p:.6f}"))

    stream = images.images(prepare, workers=2)
    while batch := list(itertools.islice(stream, _AT_ONCE)):
        write(batch)
    if options.out is None:
        print(text.getvalue(), end="")
    else:
        write_text(options.out, text.getvalue())
        print(options.out)
