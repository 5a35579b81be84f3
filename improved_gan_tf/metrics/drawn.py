"""Images that a generator draws as they are needed, and the first images of others."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from improved_gan_tf.data import Images, as_pixels
from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.metrics.seeds import check_seed

AT_ONCE = 100  # images of one draw: fixed, so that a seed means the same images


class Drawn(Images):
    """The images of a generator, a source of images like a folder of pictures.

    Args:
        draw: Function `(n, seed)` of two integers that returns n images (n, H, W, C) in
            `image_range`, the same ones for the same seed; e.g. the `sample` of a GAN.
        count: Integer from 1, the number of images.
        seed: Integer from 0, the seed of all of them: draw i is given the first word of
            `numpy.random.SeedSequence((seed, i))`. Defaults to 0.
        image_range: `(low, high)`, the values for black and full brightness. None (default):
            0..255.
        name: String for the protocol. Defaults to "generator".

    Raises:
        UserError: `count` or `seed` is no integer or out of its bounds.

    Example:

    >>> def draw(n, seed):
    ...     return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, 8, 8, 1))
    >>> images = Drawn(draw, count=1000, seed=1, image_range=(-1.0, 1.0))
    >>> images.name, images.count
    ('generator (seed 1)', 1000)
    """

    def __init__(
        self,
        draw: Callable[[int, int], Any],
        count: int,
        seed: int = 0,
        image_range: tuple[float, float] | None = None,
        name: str = "generator",
    ):
        check_whole("the number of images to draw", count)
        check_seed("the seed of the images", seed)
        super().__init__(f"{name} (seed {seed})", count)
        self.draw, self.seed, self.image_range = draw, seed, image_range

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        """Yields `prepare(image)` for each image, uint8 or float32 (H, W, 1 or 3)."""
        for start in range(0, self.count, AT_ONCE):
            n = min(AT_ONCE, self.count - start)
            state = np.random.SeedSequence((self.seed, start // AT_ONCE)).generate_state(1)
            images = np.asarray(self.draw(n, int(state[0] >> 1)))
            if images.ndim != 4 or len(images) != n or images.shape[3] not in (1, 3, 4):
                raise UserError(
                    f"{self.name} drew an array of shape {images.shape} for {n} images; expected "
                    "(N, height, width, channels)"
                )
            if self.image_range is None and start == 0 and images.max() <= 1:
                raise UserError(
                    f"{self.name} drew values from {images.min():g} to {images.max():g}; state its "
                    "range (image_range, --range LOW HIGH)"
                )
            for image in as_pixels(images[..., :3], self.image_range, self.name):
                yield prepare(image)


class FirstImages(Images):
    """The first `count` of other images, `source`, that can be read.

    Once they were read, labels and names are those of all images up to the last one that was used,
    the skipped ones included; before, those of the first `count`.
    """

    def __init__(self, source: Images, count: int):
        check_whole("the number of images to use", count)
        name = f"{source.name}[:{count}]" if count < source.count else source.name
        super().__init__(name, min(count, source.count))
        self.source, self.class_names = source, source.class_names

    def labels(self) -> np.ndarray | None:
        """The class number of each image."""
        found = self.source.labels()
        return None if found is None else found[: self.count + len(self.skipped)]

    def names(self) -> Iterator[str]:
        """Yields the name of each image."""
        return itertools.islice(self.source.names(), self.count + len(self.skipped))

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        """Yields `prepare(image)` for each image."""
        self.skipped = self.source.skipped
        yield from itertools.islice(self.source.images(prepare, workers), self.count)
