"""Images that a generator draws, and the first of other images."""

import numpy as np
import pytest

from improved_gan_tf.data import as_images
from improved_gan_tf.errors import UserError
from improved_gan_tf.images import save_folder
from improved_gan_tf.metrics import Drawn
from improved_gan_tf.metrics.drawn import FirstImages


def _images(drawn):
    return list(drawn.images(lambda image: image, 1))


def test_drawn_images_are_the_same_for_the_same_seed():
    def draw(n, seed):
        return np.random.default_rng(seed).uniform(-1, 1, (n, 4, 4, 3))

    found = [_images(Drawn(draw, 230, seed, (-1, 1))) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert len(found[0]) == 230
    assert not np.array_equal(found[0][0], found[2][0])
    # No draw repeats another.
    assert len({image.tobytes() for run in (found[0], found[2]) for image in run}) == 460
    with pytest.raises(UserError, match="state its range"):
        _images(Drawn(draw, 10))
    with pytest.raises(UserError, match="images to draw must be a whole number from 1 up, not 2.5"):
        Drawn(draw, 2.5)
    with pytest.raises(UserError, match="seed of the images must be a whole number from 0 to"):
        Drawn(draw, 10, -1)
    with pytest.raises(UserError, match="drew an array of shape"):
        _images(Drawn(lambda n, seed: np.zeros((n, 4, 4)), 10))


def test_first_images():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    few = FirstImages(as_images(pixels), 7)
    assert (few.name, few.count) == ("array[:7]", 7)
    for _ in range(2):
        np.testing.assert_array_equal(_images(few), pixels[:7])
    all_of_them = FirstImages(as_images(pixels), 10)
    assert (all_of_them.name, all_of_them.count) == ("array", 9)
    np.testing.assert_array_equal(_images(all_of_them), pixels)


def test_first_images_that_can_be_read(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    save_folder(tmp_path / "x", pixels)
    names = [str(tmp_path / "x" / f"{i:05d}.png") for i in range(6)]
    (tmp_path / "x" / "00001.png").write_bytes(b"no picture")
    source = as_images(tmp_path / "x", skip_unreadable=True)
    source.label(lambda: np.arange(6), tuple("abcdef"))
    few = FirstImages(source, 3)
    assert list(few.names()) == names[:3] and few.labels().tolist() == [0, 1, 2]
    for _ in range(2):
        np.testing.assert_array_equal(_images(few), pixels[[0, 2, 3]])
        assert few.skipped == names[1:2]
        assert list(few.names()) == names[:4] and few.labels().tolist() == [0, 1, 2, 3]
