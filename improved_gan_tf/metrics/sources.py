"""What can be scored, opened by name: arrays, files, folders, archives, data sets, generators.

A source has `name`, `count`, `skipped` (names of pictures left out) and
`images(prepare, workers)`, which yields `prepare(image)` for uint8 (or float32, 0..255) images
(H, W, 1 or 3) one by one and may be called again for the same images.
"""

import os
from pathlib import Path

from improved_gan_tf import data
from improved_gan_tf.errors import UserError
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
    if isinstance(what, str | os.PathLike):
        source = _open_path(what, value_range, count, seed, skip_unreadable, data_dir)
    else:
        source = data.as_images(what, value_range)
    return source if count is None or isinstance(source, Drawn) else First(source, count)


def _open_path(what, value_range, count, seed, skip, data_dir):
    path = Path(what).expanduser()
    if (path / "config.json").is_file():
        return from_run(path, count, seed)
    if (path / "saved_model.pb").is_file():
        return from_saved_model(path, value_range, count, seed)
    return data.as_images(what, value_range, data_dir=data_dir, skip_unreadable=skip)


class First(data.Images):
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
