"""The order in which rows are visited: in training a pure function of (seed, epoch)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from improved_gan_tf.errors import UserError


def checked_batch_size(batch_size: int, count: int | None = None, name: str = "") -> int:
    """The batch size as an integer.

    Raises:
        UserError: It is no whole number of 1 or more, or more than `count` training images.
    """
    if int(batch_size) != batch_size or batch_size < 1:
        raise UserError(f"batch size {batch_size} given; expected a whole number, 1 or more")
    if count is not None and batch_size > count:
        raise UserError(
            f"{name + ': ' if name else ''}batch size {batch_size} is more than the {count} "
            f"training images; use a batch size of at most {count}"
        )
    return int(batch_size)


def checked_seed(seed: int, what: str = "seed") -> int:
    """The seed as an integer.

    Raises:
        UserError: It is no whole number from 0 to 2**32 - 1.
    """
    if int(seed) != seed or not 0 <= seed < 2**32:
        raise UserError(f"{what} {seed} given; expected an integer from 0 to 2**32 - 1")
    return int(seed)


class Epoch(NamedTuple):
    """Row numbers of one epoch, each array [steps, batch] int32.

    `labeled` counts within the labelled subset, the other two within the unlabelled images.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray
    unlabeled_generator: np.ndarray


class EpochOrder:
    """Replays the random draws by which the original scripts ordered their three streams.

    `numpy.random.RandomState(seed)` first gives two numbers below 2**15 (the original seeds
    Theano and Lasagne with them; they are drawn here only to stay in step). Then every epoch
    draws, in this order,

    * permutations of the labelled rows, joined until they fill steps * batch rows,
    * a permutation of the unlabelled rows for the discriminator's stream,
    * another one for the generator's stream.

    The last two are applied to the order left by the epoch before, so they compose, starting
    from the order of the files. An epoch is floor(num_unlabeled / batch_size) steps; labelled
    rows that do not fit are dropped.

    Epoch e therefore depends on all epochs before it. Going forward costs one epoch's draws;
    going back replays from the start (MNIST: 4 ms an epoch), and gives the same rows, which is
    what makes a resumed run see what the uninterrupted one would have seen.

    Args:
        num_unlabeled: number of unlabelled images, >= batch_size.
        num_labeled: number of labelled images, >= 1.
        batch_size: rows a step of each stream, >= 1.
        seed: seed of the RandomState, 0 <= seed < 2**32.

    Raises:
        UserError: a count or the seed is out of its range.

    Source: train_mnist_feature_matching.py and the train_*.py of mnist_svhn_cifar10, the loops
    "construct randomly permuted minibatches". MNIST's script repeats the labelled rows
    floor(N / labelled) times, the others ceil(N / labelled); the two agree wherever the division
    is exact, and otherwise only the latter fills the last batch, so it is used throughout.
    """

    def __init__(self, num_unlabeled: int, num_labeled: int, batch_size: int, seed: int = 1):
        if num_labeled < 1:
            raise UserError("no image is labelled; give at least one label")
        self.num_unlabeled = int(num_unlabeled)
        self.num_labeled = int(num_labeled)
        self.batch_size = checked_batch_size(batch_size, num_unlabeled)
        self.seed = checked_seed(seed)
        self.steps_per_epoch = self.num_unlabeled // self.batch_size
        self._rows = self.steps_per_epoch * self.batch_size
        self._repeats = -(-self._rows // self.num_labeled)
        self._rewind()

    def _rewind(self) -> None:
        self._rng = np.random.RandomState(self.seed)
        self._rng.randint(2**15)
        self._rng.randint(2**15)
        self._unlabeled = np.arange(self.num_unlabeled, dtype=np.int32)
        self._unlabeled_generator = self._unlabeled
        self._labeled = None
        self._done = -1  # the epoch whose order is held

    def _advance(self) -> None:
        rng = self._rng
        self._labeled = np.concatenate(
            [rng.permutation(self.num_labeled) for _ in range(self._repeats)]
        )
        self._unlabeled = self._unlabeled[rng.permutation(self.num_unlabeled)]
        self._unlabeled_generator = self._unlabeled_generator[rng.permutation(self.num_unlabeled)]
        self._done += 1

    def epoch(self, epoch: int) -> Epoch:
        """Returns the rows of epoch `epoch`, counted from 0.

        Raises:
            UserError: `epoch` is negative.
        """
        if epoch < 0:
            raise UserError(f"epoch {epoch} given; epochs count from 0.")
        if epoch < self._done:
            self._rewind()
        while self._done < epoch:
            self._advance()
        return Epoch(
            *map(self._batches, (self._labeled, self._unlabeled, self._unlabeled_generator))
        )

    def _batches(self, rows: np.ndarray) -> np.ndarray:
        shape = (self.steps_per_epoch, self.batch_size)
        return rows[: self._rows].reshape(shape).astype(np.int32)


def mixed_order(labels) -> np.ndarray:
    """The order in which to test, [N] int64: as stored, but mixed if that is class by class.

    Where a discriminator's layer couples the rows of a batch (minibatch discrimination, batch
    normalization), it was trained on batches of all classes, and a batch of one class looks to it
    like a collapsed generator's. The original files of MNIST, CIFAR-10 and SVHN are mixed already
    and keep their order; folders of pictures are not. The mixed order is always the same.

    Args:
        labels: [N] integers, in the stored order.
    """
    labels = np.asarray(labels)
    runs = 1 + np.count_nonzero(np.diff(labels))
    if runs == 1 or runs > len(np.unique(labels)):
        return np.arange(len(labels))
    return np.random.RandomState(0).permutation(len(labels))
