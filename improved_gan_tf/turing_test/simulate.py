"""Annotators that are programs: through HTTP for load and loss, in this process for intervals."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import multiprocessing
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.turing_test.results import results
from improved_gan_tf.turing_test.server import listen, make_server, require
from improved_gan_tf.turing_test.statistics import bootstrap
from improved_gan_tf.turing_test.store import Store
from improved_gan_tf.turing_test.study import Study, open_study

DATABASE = "simulation.sqlite3"
_PATIENCE = 60.0  # seconds in which a server must answer again
_FORM = re.compile(r'action="(/answer|/next)">\s*<input type="hidden" name="page" value="(\d+)"')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """What is simulated.

    Attributes:
        annotators: How many, all at once.
        accuracy: The probability of a right judgement, on average over the annotators.
        spread: Its standard deviation over the annotators. Defaults to 0.
        think: Seconds that a page is looked at, on average. Defaults to 1.
        kills: How often the server is killed (SIGKILL) and started again. Defaults to 0.
        seed: Of the annotators. Defaults to 0.
    """

    annotators: int
    accuracy: float
    spread: float = 0.0
    think: float = 1.0
    kills: int = 0
    seed: int = 0

    def check(self) -> None:
        """Raises a `UserError` for an impossible value."""
        if not 1 <= self.annotators <= 1000:
            raise UserError(f"--simulate takes 1 to 1000 annotators, not {self.annotators}")
        if not 0 <= self.accuracy <= 1:
            raise UserError(f"--accuracy lies in 0..1, not {self.accuracy:g}")
        if not 0 <= self.spread < max(1e-9, np.sqrt(self.accuracy * (1 - self.accuracy))):
            raise UserError(
                f"--spread {self.spread:g} is impossible with accuracy {self.accuracy:g}; it lies "
                "in 0..sqrt(p (1 - p))"
            )
        if self.think < 0 or self.kills < 0:
            raise UserError("--think and --kills are not negative")

    def accuracies(self, random: np.random.Generator) -> np.ndarray:
        """The accuracy of each annotator: of a beta distribution, or all the same."""
        if not self.spread:
            return np.full(self.annotators, self.accuracy)
        size = self.accuracy * (1 - self.accuracy) / self.spread**2 - 1
        return random.beta(self.accuracy * size, (1 - self.accuracy) * size, self.annotators)


def simulate(study: Study, load: Load) -> dict[str, Any]:
    """Runs a whole test by simulated annotators through a server in another process.

    Their votes go to simulation.sqlite3 in the test's folder, never to those of people.

    Args:
        study: The test.
        load: What is simulated.

    Returns:
        What was done and measured: votes confirmed and stored, times of requests, results.

    Raises:
        UserError: A value is impossible, or the server does not come back.
    """
    require()
    load.check()
    for old in study.path.glob(f"{DATABASE}*"):
        old.unlink()
    store = Store(study.path / DATABASE)
    with contextlib.closing(listen(port=0)) as free:
        port = free.getsockname()[1]
    server = _start(study.path, port)
    random = np.random.default_rng(load.seed)
    everybody = [
        _Annotator(i, study, store, port, p, load, random.integers(2**31))
        for i, p in enumerate(load.accuracies(random))
    ]
    begun = time.monotonic()
    for annotator in everybody:
        annotator.start()
    try:
        pages = len({trial.page for trial in _example(study)}) * load.annotators
        for kill in range(1, load.kills + 1):
            while sum(map(_answered, everybody)) < pages * kill / (load.kills + 1):
                if not any(annotator.is_alive() for annotator in everybody):
                    break
                time.sleep(0.05)
            server.kill()
            server.join()
            server = _start(study.path, port)
        for annotator in everybody:
            annotator.join()
        seconds = time.monotonic() - begun
    finally:
        for annotator in everybody:
            annotator.stopped.set()
        server.kill()
        server.join()
    failures = [annotator.failure for annotator in everybody if annotator.failure]
    if failures:
        raise UserError(f"{len(failures)} simulated annotators failed; the first: {failures[0]}")
    report = _report(study, store, load, everybody, seconds)
    store.close()
    return report


def _answered(annotator):
    return len(annotator.confirmed)


def _example(study):
    random = np.random.default_rng(0)
    return study.protocol.trials(random, study.settings.images, study.about["known_examples"])


def _report(study, store, load, everybody, seconds):
    trials = store.all_trials()
    stored = {
        (annotator.participant, trial.position): trial.answer
        for annotator in store.annotators()
        for trial in trials[annotator.number]
        if trial.answer is not None
    }
    confirmed = {
        (annotator.participant, position): answer
        for annotator in everybody
        for page in annotator.confirmed
        for position, answer in page
    }
    times = {
        kind: np.array([t for one in everybody for k, t in one.times if kind in (k, "all")])
        for kind in ("all", "page", "image", "answer")
    }
    found = results(study, store)
    return {
        **dataclasses.asdict(load),
        "protocol": study.settings.protocol,
        "judgements": study.settings.judgements,
        "feedback": study.settings.feedback,
        "seconds": round(seconds, 1),
        "requests": len(times["all"]),
        "attempts_that_failed": sum(annotator.retries for annotator in everybody),
        "votes_confirmed": len(confirmed),
        "votes_expected": load.annotators * len(_example(study)),
        "votes_lost_or_changed": sum(stored.get(k) != answer for k, answer in confirmed.items()),
        "votes_stored": len(stored),
        "votes_that_nobody_sent": len(stored.keys() - confirmed.keys()),
        "complete_sessions": found.complete,
        "milliseconds": {
            kind: {
                f"p{q}": round(1000 * float(np.percentile(values, q)), 1) for q in (50, 95, 99, 100)
            }
            for kind, values in times.items()
            if len(values)
        },
        "right": found.groups[0].all.share,
        "interval": found.groups[0].interval,
    }


def coverage(study: Study, load: Load, simulations: int) -> dict[str, Any]:
    """How often the interval over annotators covers the truth, in this process.

    Args:
        study: The test, for its number of judgements.
        load: What is simulated.
        simulations: Integer, how many tests.

    Returns:
        The share of the intervals that cover `load.accuracy`, and their mean width.
    """
    load.check()
    if simulations < 1:
        raise UserError(f"--coverage takes at least 1 simulation, not {simulations}")
    if load.annotators < 2:
        raise UserError("an interval needs at least 2 annotators; give more by --simulate")
    random, judgements = np.random.default_rng(load.seed), study.settings.judgements or 0
    total, covers, widths = np.full(load.annotators, judgements), 0, []
    for i in range(simulations):
        right = random.binomial(judgements, load.accuracies(random))
        low, high = bootstrap(right, total, seed=i) or (0.0, 1.0)
        covers += low <= load.accuracy <= high
        widths.append(high - low)
    return {
        "annotators": load.annotators,
        "judgements": judgements,
        "accuracy": load.accuracy,
        "spread": load.spread,
        "seed": load.seed,
        "simulations": simulations,
        "covered": covers / simulations,
        "mean_half_width": float(np.mean(widths)) / 2,
    }


def _start(path: Path, port: int) -> Any:
    """The server in a process of its own."""
    # A fresh process, which holds nothing of this one's threads.
    process = multiprocessing.get_context("spawn").Process(
        target=run_server, args=(path, port), daemon=True
    )
    process.start()
    return process


def run_server(path: Path, port: int) -> None:
    """Serves the test in a folder, to simulated annotators, until the process is killed."""
    study = open_study(path)
    assert study is not None
    make_server(study, Store(path / DATABASE), listen(port=port)).run()


class _Annotator(threading.Thread):
    """One simulated annotator, who comes back after every lost connection."""

    def __init__(self, number, study, store, port, accuracy, load, seed):
        super().__init__(daemon=True)
        self.participant = f"simulated-{number}"
        self.confirmed: list[list[tuple[int, bool]]] = []
        self.times: list[tuple[str, float]] = []
        self.retries, self.failure, self.stopped = 0, "", threading.Event()
        self._store, self._accuracy, self._think = store, accuracy, load.think
        self._random = np.random.default_rng(seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._cookies: dict[str, str] = {}

    def run(self) -> None:
        try:
            self._annotate()
        except Exception as error:  # of a thread: reported by the one that waits for it
            self.failure = f"{type(error).__name__}: {error}"

    def _annotate(self) -> None:
        self._ask("page", "GET", f"/?participant={self.participant}")
        self._ask("answer", "POST", "/begin")
        (me,) = (a for a in self._store.annotators() if a.participant == self.participant)
        pages: dict[int, list[Any]] = {}
        for trial in self._store.trials(me):
            pages.setdefault(trial.page, []).append(trial)
        while not self.stopped.is_set():
            shown = self._ask("page", "GET", "/test")
            form = _FORM.search(shown)
            if form is None:
                return  # the last page, with the code
            page = int(form[2])
            if form[1] == "/next":
                self._ask("answer", "POST", "/next", {"page": page})
                continue
            for address in re.findall(r'src="(/image/\w+)"', shown):
                self._ask("image", "GET", address)
            self.stopped.wait(self._think * self._random.uniform(0.5, 1.5))
            answers = [
                bool(trial.generated == (trial.known or self._random.random() < self._accuracy))
                for trial in pages[page]
            ]
            values = {
                f"image{i}": "generated" if answer else "real" for i, answer in enumerate(answers)
            }
            self._ask("answer", "POST", "/answer", {"page": page, **values})
            positions = [trial.position for trial in pages[page]]
            self.confirmed.append(list(zip(positions, answers, strict=True)))

    def _ask(self, kind: str, method: str, path: str, fields: dict | None = None) -> str:
        """One request, again until it is answered."""
        body = urlencode(fields or {}) if method == "POST" else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        patient_until = time.monotonic() + _PATIENCE
        while True:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
            begun = time.perf_counter()
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                answer = None
            if answer is not None and answer.status in (200, 303):
                break
            if answer is not None and answer.status not in (429, 500, 503):
                raise RuntimeError(f"{method} {path}: status {answer.status}")
            self.retries += 1
            if time.monotonic() > patient_until:
                raise RuntimeError(f"{method} {path}: no answer for {_PATIENCE:.0f} s")
            self.stopped.wait(0.2 * self._random.uniform(0.5, 1.5))
        self.times.append((kind, time.perf_counter() - begun))
        for value in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = value.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return content.decode("latin-1")
