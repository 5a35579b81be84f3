"""The order of the streams: the original's draws, and the same again after a restart."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.errors import UserError


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("epoch", [0, 1])
def test_mnist_order_is_the_originals(golden, seed, epoch):
    recorded = golden("theano/mnist_epoch_order")
    rows = data.EpochOrder(60000, 100, 100, seed).epoch(epoch)
    end = f"_seed{seed}_ep{epoch}"
    # Integers: equality.
    np.testing.assert_array_equal(rows.labeled.ravel()[:300], recorded["lab_first300" + end])
    np.testing.assert_array_equal(rows.unlabeled.ravel()[:200], recorded["unl_first200" + end])
    np.testing.assert_array_equal(
        rows.unlabeled_generator.ravel()[:200], recorded["unl2_first200" + end]
    )


def test_draws_one_after_the_other_by_hand():
    rng = np.random.RandomState(3)
    rng.randint(2**15, size=2)
    first, second = np.arange(25), np.arange(25)
    order = data.EpochOrder(25, 4, 6, seed=3)  # 4 steps of 6: 24 rows, 6 repeats of 4 labels
    for epoch in range(3):
        labeled = np.concatenate([rng.permutation(4) for _ in range(6)])
        first, second = first[rng.permutation(25)], second[rng.permutation(25)]
        rows = order.epoch(epoch)
        for got, expected in zip(rows, (labeled, first, second), strict=True):
            assert got.shape == (4, 6) and got.dtype == np.int32
            np.testing.assert_array_equal(got.ravel(), expected[:24])


def test_any_epoch_at_any_time():
    forward = data.EpochOrder(50, 10, 7, seed=5)
    epochs = [forward.epoch(e) for e in range(6)]
    for epoch in (5, 2, 2, 0, 4, 5):
        for again in (forward.epoch(epoch), data.EpochOrder(50, 10, 7, seed=5).epoch(epoch)):
            for a, b in zip(again, epochs[epoch], strict=True):
                np.testing.assert_array_equal(a, b)


def test_what_was_handed_out_stays_as_it_was():
    order = data.EpochOrder(20, 5, 5, seed=1)
    rows = order.epoch(0)
    kept = [r.copy() for r in rows]
    for r in rows:
        r[:] = -1  # a caller may do what it likes with its arrays
    order.epoch(3)
    for a, b in zip(order.epoch(0), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_unlabeled_row_once_an_epoch():
    rows = data.EpochOrder(30, 3, 10, seed=2).epoch(4)
    for stream in (rows.unlabeled, rows.unlabeled_generator):
        np.testing.assert_array_equal(np.sort(stream.ravel()), np.arange(30))
    assert (rows.unlabeled != rows.unlabeled_generator).any()
    np.testing.assert_array_equal(np.bincount(rows.labeled.ravel()), [10, 10, 10])


def test_more_labels_than_an_epoch_needs():
    rows = data.EpochOrder(10, 10, 4, seed=2).epoch(0)
    assert rows.labeled.shape == (2, 4)
    assert len(set(rows.labeled.ravel())) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 5, 11), "batch size 11 is more than the 10 training images"),
        ((10, 5, 0), "batch size 0 given"),
        ((10, 0, 2), "no image is labeled"),
        ((10, 5, 2, -1), "seed -1 given"),
        ((10, 5, 2, 2**32), "seed 4294967296 given"),
    ],
)
def test_bad_counts(arguments, message):
    with pytest.raises(UserError, match=message):
        data.EpochOrder(*arguments)


def test_negative_epoch():
    with pytest.raises(UserError, match="epoch -1 given"):
        data.EpochOrder(10, 5, 2).epoch(-1)
