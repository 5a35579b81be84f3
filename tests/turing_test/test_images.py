"""Both kinds of images in one form."""

import io

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf.data import as_images
from improved_gan_tf.data.pictures import Resizing
from improved_gan_tf.turing_test.images import alike, choose, encode, scrambled
from tests.helpers.one_line import refusal_of
from tests.helpers.turing import pictures


def test_a_seed_chooses_without_repetition():
    source = pictures(0)
    found, numbers = choose(as_images(source), 20, 3)
    assert len(set(numbers)) == 20 and np.array_equal(found, source[numbers])
    assert np.array_equal(choose(as_images(source), 20, 3)[0], found)
    assert not np.array_equal(choose(as_images(source), 20, 4)[1], numbers)


def test_images_of_other_sizes_are_refused_or_resized():
    several = as_images([pictures(0, 1)[0], pictures(0, 1, (9, 9, 1))[0]])
    refusal_of(choose)(r"several shapes, \(8, 8, 1\) and \(9, 9, 1\).*--resize", several, 2, 0)
    found, _ = choose(several, 2, 0, Resizing.of((8, 8), "square"))
    assert found.shape == (2, 8, 8, 1) and found.dtype == np.uint8
    message = "has 2 images, fewer than the 3 .*--images"
    refusal_of(choose)(message, several, 3, 0)


def test_the_two_kinds_have_one_shape():
    message = "real images are 8 x 8 grey, generated ones 8 x 8 colour; name .* same form$"
    refusal_of(alike)(message, pictures(0), pictures(1, shape=(8, 8, 3)))
    message = (
        "real images are 8 x 8 grey, generated ones 9 x 8 grey; .* --resize square or stretch$"
    )
    refusal_of(alike)(message, pictures(0), pictures(1, shape=(9, 8, 1)))


def test_grey_pictures_among_colour_ones():
    grey, colour = pictures(0, 1)[0], pictures(0, 1, (8, 8, 3))[0]
    found, numbers = choose(as_images([grey, colour]), 2, 0)
    assert found.shape == (2, 8, 8, 3)
    assert (found[list(numbers).index(0)] == grey).all()


def test_few_levels_of_the_real_images_are_those_of_all():
    real = (pictures(0) // 16 * 16).astype(np.uint8)
    generated = pictures(2)
    found = alike(real, generated)
    assert set(np.unique(found)) <= set(np.unique(real))
    assert np.abs(found.astype(int) - generated).max() <= 15
    assert alike(pictures(0), generated) is generated  # 255 levels: bytes as they are


def test_known_generated_images_keep_their_pixels_in_another_order():
    images = pictures(0, 3)
    found = scrambled(images, 0)
    assert found.shape == images.shape and not np.array_equal(found, images)
    assert np.array_equal(np.sort(found.reshape(3, -1)), np.sort(images.reshape(3, -1)))
    assert scrambled(pictures(0, 2, (7, 9, 3)), 0).shape == (2, 7, 9, 3)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 7, 3)])
def test_encoded_images_have_one_length_and_their_pixels(shape):
    images = [pictures(0, 1, shape)[0], np.zeros(shape, np.uint8), pictures(1, 1, shape)[0]]
    encoded = [encode(image) for image in images]
    assert len({len(data) for data in encoded}) == 1
    for image, data in zip(images, encoded, strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(data)))
        assert np.array_equal(decoded.reshape(shape), image)
