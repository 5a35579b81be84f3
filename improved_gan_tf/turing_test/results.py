"""What the votes say: figures for the live page, JSON, CSV and the picture of images."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from improved_gan_tf.images import grid
from improved_gan_tf.turing_test.images import encode
from improved_gan_tf.turing_test.statistics import (
    Difference,
    annotators_needed,
    bootstrap,
    welch,
    wilson,
)
from improved_gan_tf.turing_test.store import Judged, Store
from improved_gan_tf.turing_test.study import Study

# Section 6 of the paper: (what was judged, the share of right judgements).
PAPER = (
    ("MNIST, minibatch discrimination", 0.524),
    ("CIFAR-10", 0.787),
    ("CIFAR-10, the best 1 % by Inception score", 0.714),
)
_PARTS = 10  # of the learning curve
_SHOWN = 18  # images of each picture


@dataclasses.dataclass(frozen=True)
class Share:
    """Right judgements among some: `right` of `total`, and Wilson's 95 % interval."""

    right: int
    total: int

    @property
    def share(self) -> float | None:
        """right / total; None where there are none."""
        return self.right / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval; None where there are none."""
        return wilson(self.right, self.total) if self.total else None


@dataclasses.dataclass(frozen=True)
class Group:
    """The complete sessions of one kind.

    Attributes:
        name: What they have in common.
        annotators: How many.
        all: Of all images.
        real: Of the real ones.
        generated: Of the generated ones; the others were taken for real.
        interval: The headline: the 95 % bootstrap interval over annotators, or None.
        accuracies: Of each annotator.
        curve: The shares over the course of a session, in order.
        needed: Annotators that the wanted precision needs, or None.
    """

    name: str
    annotators: int
    all: Share
    real: Share
    generated: Share
    interval: tuple[float, float] | None
    accuracies: list[float]
    curve: list[Share]
    needed: int | None


@dataclasses.dataclass(frozen=True)
class Believed:
    """How a generated image fared: `real` of `shown` judgements took it for real."""

    image: int
    real: int
    shown: int


@dataclasses.dataclass(frozen=True)
class Results:
    """All figures of a test.

    Attributes:
        settings: The test's settings.
        begun: Annotators who began.
        complete: Those who judged every image; the figures are theirs.
        unqualified: Those who failed the qualification.
        unfinished: Those who are still judging, or have left.
        votes: Votes in the database, those of the qualification included.
        groups: All complete sessions, and those with and without feedback where both exist.
        difference: With feedback minus without, or None.
        precision: The half-width of the interval that is planned for.
        most_believable: Generated images that most judgements took for real, best first.
        least_believable: Those that fewer than half did, worst first.
    """

    settings: dict[str, Any]
    begun: int
    complete: int
    unqualified: int
    unfinished: int
    votes: int
    groups: list[Group]
    difference: Difference | None
    precision: float
    most_believable: list[Believed]
    least_believable: list[Believed]

    def to_json(self) -> str:
        """The figures as JSON, with the shares and Wilson intervals written out."""
        value = dataclasses.asdict(self)
        for group, made in zip(value["groups"], self.groups, strict=True):
            for name in ("all", "real", "generated"):
                group[name] = _share(vars(made)[name])
            group["curve"] = [_share(share) for share in made.curve]
        value["paper"] = dict(PAPER)
        return json.dumps(value, indent=2) + "\n"


def _share(share: Share) -> dict[str, Any]:
    return {**dataclasses.asdict(share), "share": share.share, "wilson": share.interval}


def results(study: Study, store: Store, precision: float = 0.02) -> Results:
    """The figures of the votes so far.

    Only complete sessions count: whoever leaves early may do so because the images are hard. How
    many began, left or failed the qualification is stated.

    Args:
        study: The test.
        store: Its votes.
        precision: Float above 0, the half-width of an interval to plan for. Defaults to 0.02.
    """
    annotators, trials = store.annotators(), store.all_trials()
    judged = {who: [trial for trial in trials[who.number] if not trial.known] for who in annotators}
    complete = [who for who in annotators if who.finished and who.qualified]
    unqualified = sum(not who.qualified for who in annotators)
    with_feedback = [judged[who] for who in complete if who.feedback]
    without = [judged[who] for who in complete if not who.feedback]
    groups = [_group("all", with_feedback + without, precision)]
    if with_feedback and without:
        groups += [
            _group("with feedback", with_feedback, precision),
            _group("without feedback", without, precision),
        ]
    difference = welch(groups[1].accuracies, groups[2].accuracies) if len(groups) > 1 else None
    most, least = _believed(trial for session in with_feedback + without for trial in session)
    return Results(
        settings=dataclasses.asdict(study.settings),
        begun=len(annotators),
        complete=len(complete),
        unqualified=unqualified,
        unfinished=len(annotators) - len(complete) - unqualified,
        votes=sum(trial.answer is not None for session in trials.values() for trial in session),
        groups=groups,
        difference=difference,
        precision=precision,
        most_believable=most,
        least_believable=least,
    )


def _group(name: str, sessions: Sequence[Sequence[Judged]], precision: float) -> Group:
    def share(trials: Iterable[Judged]) -> Share:
        rights = [trial.right for trial in trials]
        return Share(sum(rights), len(rights))

    every = [trial for session in sessions for trial in session]
    each = [share(session) for session in sessions]
    accuracies = [one.right / one.total for one in each]
    parts = [np.array_split(np.asarray(session, object), _PARTS) for session in sessions]
    return Group(
        name=name,
        annotators=len(sessions),
        all=share(every),
        real=share(trial for trial in every if not trial.generated),
        generated=share(trial for trial in every if trial.generated),
        interval=bootstrap([one.right for one in each], [one.total for one in each]),
        accuracies=accuracies,
        curve=[
            share(trial for session in parts for trial in session[part])
            for part in range(_PARTS if sessions else 0)
        ],
        needed=annotators_needed(accuracies, precision),
    )


def _believed(trials: Iterable[Judged]) -> tuple[list[Believed], list[Believed]]:
    """The generated images, ordered by the share of judgements "real": (real + 1) / (shown + 2),
    so that one that was shown once is not the best. Believable ones fooled more than half."""
    counts: dict[int, list[int]] = {}
    for trial in trials:
        if trial.generated:
            count = counts.setdefault(trial.image, [0, 0])
            count[0] += not trial.answer
            count[1] += 1
    found = [Believed(image, *count) for image, count in counts.items()]
    found.sort(key=lambda one: (-(one.real + 1) / (one.shown + 2), -one.shown, one.image))
    most = [one for one in found if 2 * one.real > one.shown]
    least = [one for one in reversed(found) if 2 * one.real < one.shown]
    return most[:_SHOWN], least[:_SHOWN]


def votes_csv(study: Study, store: Store) -> str:
    """Every trial that was answered: a line of CSV each, in the order of the session."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        "annotator participant code status feedback position known image truth answer right "
        "time".split()
    )
    annotators = store.annotators()  # first: whoever begins in between has trials, but no line yet
    trials = store.all_trials()
    for who in annotators:
        status = "complete" if who.finished else "unfinished"
        status = status if who.qualified else "unqualified"
        code = study.secret(f"code:{who.name}", 5).upper() if who.finished else ""
        about = who.number, who.participant or "", code, status, "on" if who.feedback else "off"
        for trial in trials[who.number]:
            if trial.answer is None or trial.time is None:
                break
            kinds = [
                "generated" if is_generated else "real"
                for is_generated in (trial.generated, trial.answer)
            ]
            when = datetime.datetime.fromtimestamp(trial.time, datetime.UTC)
            seen = trial.position, int(trial.known), trial.image
            stamp = when.isoformat(timespec="milliseconds")
            writer.writerow((*about, *seen, *kinds, int(trial.right), stamp))
    return text.getvalue()


def picture(study: Study, chosen: Sequence[Believed]) -> bytes:
    """Generated images in one PNG, in order."""
    return encode(grid(study.pools["generated"][[one.image for one in chosen]], columns=9))


def curves(found: Results) -> list[tuple[str, str, list[tuple[float, float, float, float]]]]:
    """The learning curves as points of a drawing of 600 x 240: x, y, and y of the interval's ends.

    Returns:
        (name, "x,y x,y ...", [(x, y, low, high)]) of each group with sessions.
    """

    def height(share: float) -> float:
        return round(220 - 200 * share, 1)

    drawn = []
    for group in found.groups if len(found.groups) == 1 else found.groups[1:]:
        points = []
        for i, share in enumerate(group.curve):
            if share.share is not None and share.interval is not None:
                low, high = map(height, share.interval)
                points.append((45.0 + 60 * i, height(share.share), low, high))
        if points:
            drawn.append((group.name, " ".join(f"{x},{y}" for x, y, *_ in points), points))
    return drawn
