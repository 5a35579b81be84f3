"""Steps of fewer labeled images than of each other stream."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.errors import UserError


def test_the_order():
    rng = np.random.RandomState(3)
    rng.randint(2**15, size=2)
    labeled = np.concatenate([rng.permutation(4) for _ in range(3)])  # 4 steps of 3 fill 12 places
    rows = data.EpochOrder(25, 4, 6, seed=3, labeled_batch_size=3).epoch(0)
    assert [part.shape for part in rows] == [(4, 3), (4, 6), (4, 6)]
    np.testing.assert_array_equal(rows.labeled.ravel(), labeled)
    np.testing.assert_array_equal(rows.unlabeled.ravel(), rng.permutation(25)[:24])


def test_the_batches():
    found = data.load("digits", batch_size=60, labeled_batch_size=20)
    first, *others = found.train.as_numpy_iterator()
    assert found.labeled_batch_size == 20
    assert {len(batch["labeled"][1]) for batch in (first, *others)} == {20}
    halves = list(found.part(replicas=2).take(2).as_numpy_iterator())
    for half, rows in zip(halves, (slice(10), slice(10, 20)), strict=True):
        for ours, whole in zip(half["labeled"], first["labeled"], strict=True):
            np.testing.assert_array_equal(ours, whole[rows])
    both = np.concatenate([half["unlabeled"] for half in halves])
    np.testing.assert_array_equal(both, first["unlabeled"])


def test_refused():
    found = data.load("digits", batch_size=60, labeled_batch_size=20)
    with pytest.raises(UserError, match="batch size 20 cannot be shared by 3 workers of 1"):
        found.part(workers=3)
    with pytest.raises(UserError, match="batch size 0 given"):
        data.load("digits", labeled_batch_size=0)
