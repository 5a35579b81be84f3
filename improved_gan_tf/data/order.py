"""The order in which images are visited: in training a pure function of (seed, epoch)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from improved_gan_tf.errors import UserError


def checked_batch_size(batch_size: int, count: int | None = None, name: str = "") -> int:
    """The batch size; a UserError where it is below 1, broken, or beyond `count` images."""
    if int(batch_size) != batch_size or batch_size < 1:
        raise UserError(f"batch size {batch_size} given; expected a whole number, 1 or more")
    if count is not None and batch_size > count:
        raise UserError(
            f"{name + ': ' if name else ''}batch size {batch_size} is more than the {count} "
            f"training images; use a batch size of at most {count}"
        )
    return int(batch_size)


LARGEST_SEED = 2**32 - 1


def checked_seed(seed: int, what: str = "seed") -> int:
    """The seed; a UserError where it is no whole number from 0 to 2**32 - 1."""
    if int(seed) != seed or not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"{what} {seed} given; expected an integer from 0 to 2**32 - 1")
    return int(seed)


class Epoch(NamedTuple):
    """The images of one epoch by their places, int32 arrays of a row for each step.

    `labeled` counts within the labeled subset, the other two within the unlabeled images.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray
    unlabeled_generator: np.ndarray


class EpochOrder:
    """Replays the random draws by which the original scripts ordered their three streams.

    `numpy.random.RandomState(seed)` first gives two numbers below 2**15 (the original seeds
    Theano and Lasagne with them; they are drawn here only to stay in step). Then every epoch
    draws, in this order,

    * permutations of the labeled images, joined until they fill the batches of all steps,
    * a permutation of the unlabeled images for the discriminator's stream,
    * another one for the generator's stream, whether or not the recipe has one (D12).

    The last two are applied to the order left by the epoch before, so they compose, starting
    from the order of the files. An epoch is floor(num_unlabeled / batch_size) steps; labeled
    images that do not fit are dropped.

    Epoch e therefore depends on all epochs before it. Going forward costs one epoch's draws;
    going back replays from the start (MNIST: 4 ms per epoch), and gives the same order, which is
    what makes a resumed run see what the uninterrupted one would have seen.

    Args:
        num_unlabeled: The number of unlabeled images, at least `batch_size`.
        num_labeled: The number of labeled images, at least 1.
        batch_size: Images per step of each stream, at least 1.
        seed: The seed of the RandomState, 0 <= seed < 2**32, by default 1.
        labeled_batch_size: Labeled images per step; None (default) for `batch_size`.

    Raises:
        UserError: A count or the seed is out of its range.

    Source: train_mnist_feature_matching.py and the train_*.py of mnist_svhn_cifar10, the loops
    "construct randomly permuted minibatches". MNIST's script repeats the labeled images
    floor(N / labeled) times, the others ceil(N / labeled); the two agree wherever the division
    is exact, and otherwise only the latter fills the last batch, so it is used throughout (D13).
    """

    def __init__(
        self,
        num_unlabeled: int,
        num_labeled: int,
        batch_size: int,
        seed: int = 1,
        labeled_batch_size: int | None = None,
    ):
        if num_labeled < 1:
            raise UserError("no image is labeled; give at least one label")
        self.num_unlabeled = int(num_unlabeled)
        self.num_labeled = int(num_labeled)
        self.batch_size = checked_batch_size(batch_size, num_unlabeled)
        own = batch_size if labeled_batch_size is None else labeled_batch_size
        self.labeled_batch_size = checked_batch_size(own)
        self.seed = checked_seed(seed)
        self.steps_per_epoch = self.num_unlabeled // self.batch_size
        self._rewind()

    def _rewind(self):
        self._rng = np.random.RandomState(self.seed)
        self._rng.randint(2**15)
        self._rng.randint(2**15)
        files = np.arange(self.num_unlabeled, dtype=np.int32)
        self._order = Epoch(files[:0], files, files)
        self._done = -1  # the epoch whose order is held

    def _advance(self):
        draw = self._rng.permutation
        repeats = -(-self.steps_per_epoch * self.labeled_batch_size // self.num_labeled)
        self._order = Epoch(
            np.concatenate([draw(self.num_labeled) for _ in range(repeats)]),
            self._order.unlabeled[draw(self.num_unlabeled)],
            self._order.unlabeled_generator[draw(self.num_unlabeled)],
        )
        self._done += 1

    def epoch(self, epoch: int) -> Epoch:
        """The order of epoch `epoch`, counted from 0; a UserError where it is negative."""
        if epoch < 0:
            raise UserError(f"epoch {epoch} given; epochs count from 0")
        if epoch < self._done:
            self._rewind()
        while self._done < epoch:
            self._advance()
        steps, sizes = self.steps_per_epoch, (self.labeled_batch_size, *[self.batch_size] * 2)
        batches = (
            rows[: steps * size].reshape(steps, size).astype(np.int32)
            for rows, size in zip(self._order, sizes, strict=True)
        )
        return Epoch(*batches)


def mixed_order(labels: Any) -> np.ndarray:
    """The order in which to test, [N] int64: as stored, but mixed if that is class by class.

    Where a discriminator's layer couples the images of a batch (minibatch discrimination, batch
    normalization), it was trained on batches of all classes, and a batch of one class looks to it
    like a collapsed generator's. The original files of MNIST, CIFAR-10 and SVHN are mixed already
    and keep their order; class folders are not. The mixed order is always the same.

    Args:
        labels: The class numbers in the stored order, [N] integers.
    """
    labels = np.asarray(labels)
    runs = 1 + np.count_nonzero(np.diff(labels))
    if runs == 1 or runs > len(np.unique(labels)):
        return np.arange(len(labels))
    return np.random.RandomState(0).permutation(len(labels))
