"""What an annotator sees, in which order, and what is true of it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from improved_gan_tf.errors import UserError

_QUALIFICATION = 10  # known examples, half of them real
QUALIFIED = 0.65  # the share that must be right, as in HYPE


@dataclasses.dataclass(frozen=True)
class Trial:
    """One image to be judged.

    Attributes:
        page: The page that shows it, from 0 on.
        known: Whether it is a known example of the qualification.
        generated: Whether it is generated: the truth.
        image: Its number among the images of its kind.
    """

    page: int
    known: bool
    generated: bool
    image: int


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A way to ask.

    Attributes:
        name: "paper" or "hype".
        judgements: Of each annotator, without the qualification.
        per_page: Images on a page.
        known: Known examples before these, the qualification.
        balanced: Whether exactly half of the images are real. Otherwise each is real or generated
            with probability 1/2, so that nobody can infer the last ones by counting.
        question: What is asked.
    """

    name: str
    judgements: int
    per_page: int
    known: int
    balanced: bool
    question: str

    @property
    def needed(self) -> int:
        """How many images of each kind there must be, at least."""
        return self.judgements // 2 if self.balanced else self.judgements

    @property
    def to_qualify(self) -> int:
        """How many known examples must be judged rightly."""
        return math.ceil(QUALIFIED * self.known)

    def check(self) -> None:
        """Raises a `UserError` if the number of judgements does not fill the pages."""
        unit = math.lcm(self.per_page, 2 if self.balanced else 1)
        if self.judgements < unit or self.judgements % unit:
            raise UserError(
                f"--judgements must be a multiple of {unit} in protocol {self.name!r}, not "
                f"{self.judgements}"
            )

    def trials(self, random: np.random.Generator, images: int, known: int) -> list[Trial]:
        """The trials of one annotator; no image comes twice.

        Args:
            random: Decides.
            images: Integer, the images of each kind.
            known: Integer, the known examples of each kind.
        """
        halves = np.arange(self.known) % 2
        parts = [(True, random.permutation(halves), known)]
        if self.balanced:
            kinds = random.permutation(np.arange(self.judgements) % 2)
        else:
            kinds = random.integers(2, size=self.judgements)
        parts.append((False, kinds, images))
        trials = []
        first_page = 0
        for is_known, truths, count in parts:
            orders = [iter(random.permutation(count)) for _ in range(2)]
            for i, generated in enumerate(truths):
                page = first_page + i // self.per_page
                trials.append(Trial(page, is_known, bool(generated), int(next(orders[generated]))))
            first_page += len(truths) // self.per_page
        return trials


PROTOCOLS = {
    # Section 4: "a web page of nine images"; annotators went on as long as they liked.
    "paper": Protocol(
        "paper", 90, per_page=9, known=0, balanced=False,
        question="Is each image real or generated?",
    ),
    # HYPE-infinity (Zhou et al., 2019): a qualification, then 50 real and 50 generated images.
    "hype": Protocol(
        "hype", 100, per_page=1, known=_QUALIFICATION, balanced=True,
        question="Is this image real or generated?",
    ),
}  # fmt: skip
