"""Images and a classifier for the tests of the metrics."""

import numpy as np
import pytest

from improved_gan_tf import metrics
from tests.helpers.small_model import small_model


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (97, 6, 6, 3), dtype=np.uint8)


@pytest.fixture
def classifier():
    return metrics.OtherClassifier(small_model(), "small")
