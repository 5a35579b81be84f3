"""Carries out a table's runs: one after the other, in several processes, on several machines."""

import dataclasses
import functools
import gc
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes, table_results
from improved_gan_tf.experiments.building import experiment
from improved_gan_tf.experiments.ensemble import keep
from improved_gan_tf.experiments.run import train
from improved_gan_tf.experiments.scoring import Scorer, Scoring, scores_of
from improved_gan_tf.experiments.tables import IMAGES, Order, Plan, PlannedRun, plan
from improved_gan_tf.quantities import quantity
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.lock import Locked

_PAUSE = 5.0  # seconds until a run of another process is looked at again


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """A table that is carried out in a folder, by this process and others with the same values.

    Every run has its own folder, which one process at a time takes. Whatever is killed continues
    when the same is called again, to the same table bit for bit.

    Args:
        order: What is asked for.
        out: The table's folder.
        data_dir: TFDS' data folder, see `data.open`.
        scoring: How generators are scored, where the table has scores.
        shard: (I, N): of the runs, only each N-th from the I-th on is trained here. Default (1, 1).

    Example:

    >>> order = Order("table-1", recipe="digits", values={"epochs": 1}, seeds=[1],
    ...               labels_per_class=[10])
    >>> reproduction = Reproduction(order, "runs/table-1")
    >>> reproduction.train(verbose=False)  # doctest: +ELLIPSIS
    10-labels-per-class-seed-1: test error ... % (1 of 1 runs finished)
    >>> reproduction.gather()["rows"][0]["single"]["count"]
    1
    """

    order: Order
    out: str
    data_dir: str | None = None
    scoring: Scoring = dataclasses.field(default_factory=Scoring)
    shard: tuple[int, int] = (1, 1)

    @functools.cached_property
    def plan(self) -> Plan:
        """The runs."""
        made = plan(self.order)
        if made.table.scored and self.scoring.images < IMAGES:
            few = f"{self.scoring.images:,} of {IMAGES:,} scored images"
            made = dataclasses.replace(made, reduced=(*made.reduced, few))
        return made

    @functools.cached_property
    def scorer(self) -> Scorer | None:
        """What scores the generators; None where the table has no scores."""
        if not self.plan.table.scored:
            return None
        return Scorer(self.scoring, self.plan.recipe, self.out, self.data_dir)

    @property
    def mine(self) -> tuple[PlannedRun, ...]:
        """The runs of this shard."""
        part, parts = self.shard
        return self.plan.runs[part - 1 :: parts]

    def folder(self, run: PlannedRun) -> RunFolder:
        """The folder of a run."""
        return RunFolder(Path(self.out) / run.name)

    def check(self) -> None:
        """Refuses what would stop the table later.

        Raises:
            UserError: The shard is out of range, there are fewer runs than shards, a folder holds
                another run, or the environment names a cluster.
        """
        if os.environ.get("TF_CONFIG"):
            raise UserError(
                "every run of a table is trained by one process, but TF_CONFIG is set; unset it, "
                "and give each machine its part by --shard I/N"
            )
        part, parts = self.shard
        if not 1 <= part <= parts:
            raise UserError(
                f"shard {part}/{parts} is out of range; name 1/{parts} to {parts}/{parts}"
            )
        if parts > len(self.plan.runs):
            raise UserError(
                f"{parts} shards are more than the {len(self.plan.runs)} runs; name fewer"
            )
        for run in self.plan.runs:
            self._check_folder(run)

    def _check_folder(self, run: PlannedRun) -> None:
        folder, code = self.folder(run), run.recipe.code
        try:
            folder.refuse_if_used(code.content if code else None)
            return
        except UserError:
            if not folder.begun:
                raise
        began = recipes.of_run(folder)
        different = recipes.changed(began, run.recipe)
        if recipes.other_file(began, run.recipe):
            different = {"the recipe's file": (began.code and began.code.name, code and code.name)}
        for name, (before, now) in different.items():
            raise UserError(
                f"{folder} holds a run with {name} = {before!r}, not {now!r}; name another folder "
                "by --out, or the same values"
            )

    def trained(self, run: PlannedRun) -> bool:
        """Whether a run has been trained to its end."""
        return self.folder(run).finished

    def done(self, run: PlannedRun) -> bool:
        """Whether nothing is left to do for a run."""
        if not self.trained(run):
            return False
        return self.scorer is None or scores_of(self.folder(run), self.scorer.about) is not None

    def state(self, run: PlannedRun) -> tuple[str, int]:
        """How far a run is, in words, and how many epochs are left to train."""
        folder, planned = self.folder(run), run.recipe.epochs
        if folder.finished:
            scored = not self.plan.table.scored or folder.scores() is not None
            return "finished" if scored else "to be scored", 0
        epochs, _ = folder.latest_checkpoint()
        return (f"{epochs} of {planned} epochs" if folder.begun else "not begun"), planned - epochs

    def prepare(self) -> None:
        """Scores the real test images where the table has scores: what is missing for it is
        found before any training.

        Raises:
            UserError: See `Scorer`.
        """
        if self.scorer is not None:
            self.scorer.real()

    def train(self, verbose: bool = True) -> None:
        """Trains, and scores, the runs of this shard that are left.

        A run that another process has is left to that, and taken if that dies. One that fails is
        named at the end; the others go on.

        Args:
            verbose: Whether to show the progress of each run. Default True.

        Raises:
            UserError: The first run of all has failed, or at the end: some have.
        """
        failed: dict[str, UserError] = {}
        tried, waiting = 0, False
        while left := [run for run in self.mine if run.name not in failed and not self.done(run)]:
            taken, busy = 0, None
            for run in left:
                if self.done(run):
                    continue
                try:
                    self._carry_out(run, verbose)
                except Locked as error:
                    busy = error
                    continue
                except UserError as error:
                    if not tried and not any(map(self.trained, self.plan.runs)):
                        raise  # most likely for a reason that holds for all
                    failed[run.name] = error
                    print(f"{run.name} failed: {error}", flush=True)
                taken, tried = taken + 1, tried + 1
            if busy is not None and not taken:
                if not waiting:
                    print(f"waiting: {busy}", flush=True)
                waiting = True
                time.sleep(_PAUSE)
        if failed:
            name, reason = next(iter(failed.items()))
            raise UserError(f"{len(failed)} of {len(self.mine)} runs failed; {name}: {reason}")

    def _carry_out(self, run: PlannedRun, verbose: bool) -> None:
        import keras

        runs, folder = self.plan.runs, self.folder(run)
        if not self.trained(run):
            if verbose:
                print(f"\nrun {runs.index(run) + 1} of {len(runs)}: {run.name}", flush=True)
            train(run.recipe, folder, self.data_dir, None, verbose)
            # An ensemble is of a row's own runs, not of their baselines.
            if self.scorer is None and not run.baseline and experiment(run.recipe).classifies:
                keep(folder, self.data_dir)
            keras.backend.clear_session()  # the models of many runs would fill the memory
            gc.collect()
        text = figures_text(folder.results())
        if self.scorer is not None:
            score = self.scorer.score(folder)
            text = figures_text({**folder.results(), **score})
        self.gather(ensembles=False)
        finished = sum(map(self.trained, runs))
        print(
            f"{run.name}: {text} ({finished} of {len(runs)} runs finished{self._left()})",
            flush=True,
        )

    def _left(self) -> str:
        """The time that the other runs of this shard will take one after the other, in words."""
        known = [self.folder(run).seconds() for run in self.plan.runs if self.trained(run)]
        left = sum(1 for run in self.mine if not self.trained(run))
        if not left or not known:
            return ""
        time_left = quantity("seconds").text(sum(known) / len(known) * left)
        return f"; {left} to train here, {time_left} one after the other"

    def gather(self, ensembles: bool = True) -> dict[str, Any]:
        """Puts the results that are there together, and writes table.json, table.md and the page.

        Args:
            ensembles: Whether to evaluate the ensembles that are not known yet, and to write the
                page. Default True.

        Returns:
            The content of table.json.
        """
        while True:
            finished = {run.name: self._results(run) for run in self.plan.runs if self.done(run)}
            about = real = None
            if self.scorer is not None:
                about, real = self.scorer.about, self.scorer.real()
            table = table_results.summary(self.plan, finished, about, real)
            table_results.add_ensembles(table, self.out, self.data_dir, ensembles)
            table_results.write(table, self.out)
            # Other processes finish runs while ensembles are evaluated, and write the table too.
            if len(finished) == sum(map(self.done, self.plan.runs)):
                break
        if ensembles:
            table_results.write_page(table, self.plan, self.out)
        return table

    def _results(self, run: PlannedRun) -> dict[str, Any]:
        folder = self.folder(run)
        scores = None if self.scorer is None else scores_of(folder, self.scorer.about)
        return {**folder.results(), **(scores or {})}

    def arguments(self) -> dict[str, Any]:
        """What makes an equal one, in another process."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def figures_text(figures: Mapping[str, Any]) -> str:
    """The figures of one run that a table shows, in words."""
    parts = []
    if "inception_score" in figures:
        score = figures["inception_score"]
        parts = [f"score {score['mean']:.2f} +- {score['std']:.2f}", f"FID {figures['fid']:.2f}"]
    elif "test_error" in figures:
        parts = [f"test error {quantity('test_error').text(figures['test_error'])}"]
    return ", ".join(parts)
