"""What can be scored, opened by name: arrays, files, folders, archives, data sets, generators.

A source has `name`, `count`, `skipped` (names of pictures left out) and
`images(prepare, workers)`, which yields `prepare(image)` for uint8 (or float32, 0..255) images
(H, W, 1 or 3) one by one and may be called again for the same images.
"""

import os
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import arrays, image_files
from improved_gan_tf.metrics.drawn import Drawn


def open_images(
    what,
    value_range=None,
    count=None,
    seed=0,
    skip_unreadable=False,
    data_dir=None,
):
    """The source for `what`.

    Args:
        what: an array (N, H, W, C) or a list of arrays (H, W, C); a folder of pictures with all
            its sub-folders; a .zip or tar archive of pictures; a .npy or .npz file
            (`FILE.npz@ARRAY` names the array); a data set, `digits` or a TFDS name, with
            `NAME@SPLIT` for another split than train; the folder of a run; an exported generator
            (a SavedModel with `sample(n, seed)`); a `Drawn`; or a source.
        value_range: (low, high) that stand for black and full brightness in floats.
        count: images to draw from a generator (default 50,000); of anything else, to use from its
            beginning.
        seed: of a generator's draws.
        skip_unreadable: leave out pictures that cannot be decoded; `skipped` names them.
        data_dir: TFDS' data folder.

    Raises:
        UserError: nothing there, nothing in it, or not what it should be.
    """
    if count is not None and count < 1:
        raise UserError(f"at least 1 image must be used, not {count}")
    if hasattr(what, "images") and hasattr(what, "count"):
        source = what
    elif isinstance(what, str | os.PathLike):
        source = _open_path(what, value_range, count, seed, skip_unreadable, data_dir)
    elif isinstance(what, list | tuple):
        source = arrays.ImageList(what, value_range)
    else:
        source = arrays.ArraySource(what, value_range)
    return source if count is None or isinstance(source, Drawn) else First(source, count)


def _open_path(what, value_range, count, seed, skip, data_dir):
    path = Path(what).expanduser()
    text, at, part = str(what).rpartition("@")
    if at and not path.exists() and Path(text).suffix == ".npz":
        return arrays.open_array_file(text, part, value_range)
    if path.is_dir():
        if (path / "config.json").is_file():
            return from_run(path, count, seed)
        if (path / "saved_model.pb").is_file():
            return from_saved_model(path, value_range, count, seed)
        return image_files.open_files(path, skip)
    if path.is_file():
        if path.suffix in (".npy", ".npz"):
            return arrays.open_array_file(path, None, value_range)
        found = image_files.open_files(path, skip)
        if found is None:
            raise UserError(
                f"{path} is none of the files that can be scored: .npz, .npy, .zip, .tar, .tar.gz"
            )
        return found
    if os.sep in str(what) or path.suffix in (".npy", ".npz", ".zip", ".tar", ".gz", ".tgz"):
        raise UserError(f"{what}: there is no such file or folder")
    return from_data_set(str(what), data_dir)


class First:
    """The first `count` images of another source."""

    def __init__(self, source, count):
        self.source, self.count = source, min(count, source.count)
        self.name = source.name
        if self.count < source.count:
            self.name += f"[:{self.count}]"

    @property
    def skipped(self):
        """Of the source, up to where it was read."""
        return self.source.skipped

    def images(self, prepare, workers):
        images = self.source.images(prepare, workers)
        for _, image in zip(range(self.count), images, strict=False):
            yield image


def from_saved_model(path, value_range=None, count=None, seed=0):
    """Draws from an exported generator, a SavedModel with `sample(n, seed)`."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises many kinds on damaged files
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} cannot be loaded as a SavedModel ({reason})") from error
    if not hasattr(loaded, "sample"):
        raise UserError(
            f"{path} has no sample(n, seed); expected a generator as `improved-gan export` writes "
            "it, or images that were drawn from it"
        )

    def draw(n, seed):
        return loaded.sample(tf.constant(n), tf.constant(seed)).numpy()

    return Drawn(draw, count or 50_000, seed, value_range, str(path))


def from_run(path, count=None, seed=0):
    """Draws from the generator of a run's newest checkpoint; the run knows its range."""
    from improved_gan_tf import experiments

    recipe, gan, epochs = experiments.load_generator(path)
    name = f"{path} ({recipe.name}, epoch {epochs})"
    return Drawn(gan.sample, count or 50_000, seed, experiments.value_range(recipe), name)


def from_data_set(name, data_dir=None):
    """The images of `digits` or of a TFDS data set, `NAME[@SPLIT]`; the split is train by default.

    Data sets of one image size are read into memory, in the order of their original files; others
    are streamed in the order TFDS stored them.
    """
    data_set, _, split = name.partition("@")
    split = split or "train"
    if data_set != "digits":
        streamed = _streamed(data_set, split, data_dir)
        if streamed is not None:
            return streamed
    from improved_gan_tf import data

    if split not in ("train", "test"):
        raise UserError(f"{data_set} has the splits train and test, not {split!r}")
    found = data.read(data_set, data_dir)
    images = found.train_images if split == "train" else found.test_images
    value_range = None
    if found.maximum != 255:
        images, value_range = images.astype(np.float32), (0, found.maximum)
    return arrays.ArraySource(images, value_range, f"{data_set}@{split}")


def _streamed(name, split, data_dir):
    """A source that streams, or None where `data.read` can have it."""
    from improved_gan_tf.data import tfds_source

    if not tfds_source.is_name(name):
        raise UserError(
            f"{name}: there is no such file or folder, and it is not the name of a data set"
        )
    tfds, builder = tfds_source.open_builder(name, data_dir)
    features = builder.info.features
    if not hasattr(features, "keys") or "image" not in features:
        raise UserError(f"{name} has no feature named image; choose another data set")
    if split in ("train", "test") and None not in features["image"].shape and "label" in features:
        return None
    try:
        count = builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        found = ", ".join(builder.info.splits)
        raise UserError(f"{name} has no split {split!r}; it has {found}") from error
    return _Streamed(tfds, builder, name, split, count)


class _Streamed(image_files.FileSource):
    def __init__(self, tfds, builder, name, split, count):
        super().__init__(f"{name}@{split}", count)
        self.tfds, self.builder, self.split = tfds, builder, split

    def items(self):
        import io

        rows = self.builder.as_dataset(
            self.split, decoders={"image": self.tfds.decode.SkipDecoding()}, shuffle_files=False
        )
        for i, row in enumerate(rows.as_numpy_iterator()):
            yield f"{self.name} image {i}", io.BytesIO(row["image"])
