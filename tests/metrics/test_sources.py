"""The first images of what can be scored."""

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.sources import open_images


def test_the_first_images_of_an_array():
    x = np.random.default_rng(0).integers(0, 256, (9, 5, 4, 3), dtype=np.uint8)
    images = open_images(x, count=7).images(lambda image: image, 3)
    np.testing.assert_array_equal(list(images), x[:7])
    with pytest.raises(UserError, match="at least 1 image"):
        open_images(x, count=0)
