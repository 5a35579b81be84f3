"""Annotators, what each of them sees, and their votes, in one SQLite file.

A vote is confirmed to the browser when its transaction is on the disk (`synchronous=FULL`): a
killed server or a power cut loses none that was confirmed. Every change of an annotator's state is
one transaction that first compares the state, so that a repeated request changes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.turing_test.protocol import Trial

VERSION = 1
_APPLICATION = 0x69677474  # marks the file as ours
_SCHEMA = """
CREATE TABLE annotator (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, participant TEXT UNIQUE,
    feedback INTEGER NOT NULL, page INTEGER NOT NULL DEFAULT 0, -- the next one to be answered
    reviewing INTEGER NOT NULL DEFAULT 0, -- whether the truth about the page before is shown
    qualified INTEGER NOT NULL DEFAULT 1, begun REAL NOT NULL, finished REAL
) STRICT;
CREATE TABLE trial (
    annotator INTEGER NOT NULL REFERENCES annotator, position INTEGER NOT NULL,
    page INTEGER NOT NULL, known INTEGER NOT NULL, generated INTEGER NOT NULL,
    image INTEGER NOT NULL, PRIMARY KEY (annotator, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE vote (
    annotator INTEGER NOT NULL, position INTEGER NOT NULL, generated INTEGER NOT NULL,
    time REAL NOT NULL, PRIMARY KEY (annotator, position),
    FOREIGN KEY (annotator, position) REFERENCES trial
) STRICT, WITHOUT ROWID;
"""


@dataclasses.dataclass(frozen=True)
class Annotator:
    """The state of an annotator; the attributes are the columns of the table.

    Attributes:
        number: From 1 on, in the order of beginning.
        name: What the signed cookie holds.
        participant: What a crowd platform calls them, or None.
        feedback: Whether mistakes are shown.
        page: The next page to be answered.
        reviewing: Whether the truth about the page before is shown.
        qualified: False after a qualification that was failed.
        begun: Seconds since the epoch.
        finished: The same, or None.
    """

    number: int
    name: str
    participant: str | None
    feedback: bool
    page: int
    reviewing: bool
    qualified: bool
    begun: float
    finished: float | None

    @property
    def shown_page(self) -> int:
        """The page that is on the screen."""
        return self.page - 1 if self.reviewing else self.page


@dataclasses.dataclass(frozen=True)
class Judged(Trial):
    """A `Trial` with its answer.

    Attributes:
        position: Its place in the annotator's order, from 0 on.
        answer: Whether it was judged generated; None before that.
        time: When, in seconds since the epoch; None before that.
    """

    position: int
    answer: bool | None
    time: float | None

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.answer == self.generated


class Refused(Exception):
    """A request that does not fit the annotator's state; its message is for them."""


class Store:
    """The votes of one test.

    Args:
        path: The file; it is made if it is absent.

    Raises:
        UserError: The file is none of ours, of another version, or cannot be used.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._connections: dict[int, sqlite3.Connection] = {}  # of each thread
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as found:  # changes nothing
                self._check(found)
            with self._change() as connection:
                if not _pragma(connection, "user_version"):
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                    connection.execute(f"PRAGMA user_version = {VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"{self.path} cannot be used as a database of votes: {error}; name another folder "
                "with --out"
            ) from error

    def _check(self, connection: sqlite3.Connection) -> None:
        """Raises a `UserError` unless the database is ours, of this version, or empty."""
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return
        found = _pragma(connection, "user_version")
        if _pragma(connection, "application_id") != _APPLICATION:
            raise UserError(f"{self.path} is no database of votes; name another folder with --out")
        if found != VERSION:
            raise UserError(
                f"{self.path} is a database of version {found}, not {VERSION}; go on with the "
                "version of this package that made it, or name another folder with --out"
            )

    def close(self) -> None:
        """Closes the connections of all threads."""
        while self._connections:
            self._connections.popitem()[1].close()

    def begin(
        self,
        name: str,
        participant: str | None,
        feedback: Callable[[int], bool],
        trials: Sequence[Trial],
    ) -> None:
        """Adds an annotator, unless one of this name has begun.

        Args:
            name: What the signed cookie holds.
            participant: What a crowd platform calls them, or None.
            feedback: Whether annotator number i, from 0 on, is told of mistakes.
            trials: What they will see.

        Raises:
            Refused: The participant has begun under another name.
        """
        with self._change() as connection:
            if connection.execute("SELECT 1 FROM annotator WHERE name = ?", (name,)).fetchone():
                return
            begun = connection.execute("SELECT count(*) FROM annotator").fetchone()[0]
            try:
                number = connection.execute(
                    "INSERT INTO annotator (name, participant, feedback, begun) VALUES (?,?,?,?)",
                    (name, participant, feedback(begun), time.time()),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise Refused(
                    "You have begun already, in another browser. Please go on there."
                ) from None
            connection.executemany(
                "INSERT INTO trial VALUES (?,?,?,?,?,?)",
                [
                    (number, i, trial.page, trial.known, trial.generated, trial.image)
                    for i, trial in enumerate(trials)
                ],
            )

    def annotator(self, name: str) -> Annotator | None:
        """The annotator of a name, or None."""
        sql = "SELECT * FROM annotator WHERE name = ?"
        row = self._connection().execute(sql, (name,)).fetchone()
        return row and _annotator(row)

    def annotators(self) -> list[Annotator]:
        """All who have begun, in order."""
        rows = self._connection().execute("SELECT * FROM annotator ORDER BY number")
        return [_annotator(row) for row in rows]

    def trials(self, annotator: Annotator, page: int | None = None) -> list[Judged]:
        """The trials of an annotator, in order: of one page, or (None, the default) all."""
        sql = f"{_TRIALS} WHERE t.annotator = ?"
        values: tuple[int, ...] = (annotator.number,)
        if page is not None:
            sql, values = f"{sql} AND t.page = ?", (annotator.number, page)
        rows = self._connection().execute(f"{sql} ORDER BY t.position", values)
        return [_judged(row) for row in rows]

    def state(self) -> tuple[int, int]:
        """The numbers of annotators and of votes, which change whenever a result does."""
        sql = "SELECT (SELECT count(*) FROM annotator), (SELECT count(*) FROM vote)"
        annotators, votes = self._connection().execute(sql).fetchone()
        return annotators, votes

    def all_trials(self) -> dict[int, list[Judged]]:
        """The trials of every annotator's number, in order."""
        found: dict[int, list[Judged]] = {}
        for row in self._connection().execute(f"{_TRIALS} ORDER BY t.annotator, t.position"):
            found.setdefault(row[0], []).append(_judged(row))
        return found

    def answer(
        self, name: str, page: int, answers: Sequence[bool], shows_truth: bool, to_qualify: int
    ) -> None:
        """Records the answers to a page and goes on; the same answers again change nothing.

        Args:
            name: The annotator's.
            page: The page that is answered, which must be the one on the screen.
            answers: Whether each of its images is judged generated.
            shows_truth: Whether the truth is shown before the next page.
            to_qualify: How many known examples must be right once all are answered.

        Raises:
            Refused: The page is not the annotator's next one; it was answered otherwise.
        """
        with self._change():
            annotator = self.annotator(name)
            if annotator is None:
                raise Refused("You have not begun yet.")
            trials = self.trials(annotator, page)
            if page < annotator.page and [trial.answer for trial in trials] == list(answers):
                return  # the browser sent it twice
            if page < annotator.page:
                raise Refused("You have answered this already; your first answer counts.")
            if page > annotator.page or annotator.reviewing or annotator.finished:
                raise Refused("This page is not the next one.")
            if len(answers) != len(trials):
                raise Refused("Please mark every image.")
            connection, now = self._connection(), time.time()
            connection.executemany(
                "INSERT INTO vote VALUES (?,?,?,?)",
                [
                    (annotator.number, trial.position, answer, now)
                    for trial, answer in zip(trials, answers, strict=True)
                ],
            )
            self._go_on(annotator, page + 1, shows_truth, to_qualify, now)

    def go_on(self, name: str, page: int) -> None:
        """Ends the look at the truth about the page before `page`; again, it changes nothing."""
        with self._change():
            annotator = self.annotator(name)
            if annotator is None:
                raise Refused("You have not begun yet.")
            if annotator.page == page and annotator.reviewing:
                self._go_on(annotator, page, False, 0, time.time())

    def _go_on(self, annotator, page, reviewing, to_qualify, now):
        qualified, finished = annotator.qualified, annotator.finished
        if not annotator.reviewing:  # answers have just come in
            known = [trial for trial in self.trials(annotator) if trial.known]
            if known and known[-1].page == page - 1:
                qualified = sum(trial.right for trial in known) >= to_qualify
            if not (qualified and self.trials(annotator, page)):
                finished = now  # though the truth may still be looked at
        self._connection().execute(
            "UPDATE annotator SET page=?, reviewing=?, qualified=?, finished=? WHERE number=?",
            (page, reviewing, qualified, finished, annotator.number),
        )

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        thread = threading.get_ident()
        connection = self._connections.get(thread)
        if connection is None:
            connection = sqlite3.connect(
                self.path, timeout=30, isolation_level=None, check_same_thread=False
            )
            self._connections[thread] = connection
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk when the block is left, or nothing."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


_TRIALS = """SELECT t.annotator, t.page, t.known, t.generated, t.image, t.position,
    v.generated, v.time
    FROM trial t LEFT JOIN vote v ON v.annotator = t.annotator AND v.position = t.position"""


def _pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _annotator(row):
    number, name, participant, feedback, page, reviewing, qualified, begun, finished = row
    flags = bool(feedback), page, bool(reviewing), bool(qualified)
    return Annotator(number, name, participant, *flags, begun, finished)


def _judged(row):
    _, page, known, generated, image, position, answer, when = row
    given = None if answer is None else bool(answer)
    return Judged(page, bool(known), bool(generated), image, position, given, when)
