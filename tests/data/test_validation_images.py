"""`validation_per_class`: training images to choose a recipe's values by."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.errors import UserError


def test_validation_images_of_the_training_set_in_place_of_the_test_set():
    x = np.arange(50, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    y = np.arange(50) % 5
    y[7] = -1
    arrays, test = (x, y), (x[:5] + 100, y[:5])
    found = data.load((arrays, test), 2, batch_size=8, validation_per_class=3, scaling="unit")
    assert found.num_test == 15 and found.num_train == 35
    assert np.bincount(found.test_labels).tolist() == [3] * 5
    tested, trained = found.test_images[:, 0, 0, 0], found.train_images[:, 0, 0, 0]
    assert sorted([*tested, *trained]) == list(range(50))
    np.testing.assert_array_equal(found.test_labels, tested % 5)
    np.testing.assert_array_equal(found.train_labels[trained != 7], trained[trained != 7] % 5)
    again = data.load((arrays, test), 2, batch_size=8, validation_per_class=3, seed=2, seed_data=2)
    np.testing.assert_array_equal(again.test_images, found.test_images)  # whatever the seeds
    assert "15 test images (validation: 3 of each class's training images)" in found.summary()
    assert "validation" not in data.load((arrays, test), 2, batch_size=8).summary()
    with pytest.raises(UserError, match="9 validation .*expected 1 to 8.*rarest class has 9"):
        data.load((arrays, test), 2, batch_size=8, validation_per_class=9)
    with pytest.raises(UserError, match="-1 validation images per class given"):
        data.load((arrays, test), 2, batch_size=8, validation_per_class=-1)
    with pytest.raises(UserError, match="with a file of labels leave validation_per_class at 0"):
        data.load((arrays, test), 2, batch_size=8, validation_per_class=1, labels_file="labels.txt")
