"""Trains many runs of a semi-supervised recipe in one program with JAX, on a GPU or on CPUs.

    pip install keras jax  # jax[cuda13] for a GPU; TensorFlow is not needed
    python tools/train_together.py mnist-fast --data npz:mnist.npz --labels-per-class 2 5 10 20 \\
        --seeds 1 2 3 4 5 6 7 8 9 10 --out RUNS

A run of dense networks uses a small part of a GPU. Here `jax.vmap` makes one program of all runs,
whose networks, optimizers, averages and random states are stacked. Convolutional networks are
trained one after another by the same program: stacked, their convolutions would be grouped ones,
which are slow. The networks, losses, optimizers, batches and random draws are those of
`improved-gan train`; only the initial parameters and dropout are drawn by another generator.
tests/tools/test_train_together.py compares the training steps with those of
`models.SemiSupervisedGAN`.

RUNS/errors.json has the test errors after the last epoch, of each run, their mean and spread and
the ensemble's, for each number of labels; RUNS/epochs.csv has the losses and errors of every run
and epoch. Both are written after every test. With --samples N each run's generator draws N images
at the end: the files RUNS/samples-LABELS-SEED.npz, which `improved-gan score` and
`improved-gan predict` read.
"""

import argparse
import csv
import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import jax
import keras
import numpy as np
from jax import numpy as jnp
from jax_step import Players, Step, place

from improved_gan_tf import data as data_sets
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli.train import set_values
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import building, recipes
from improved_gan_tf.experiments.recipe import override
from improved_gan_tf.files import temporary, write_json
from improved_gan_tf.images import save_npz

# The values in which the runs of one program may differ: numbers that it takes as arguments.
VARYING = (
    *("unlabeled_weight", "conditional_entropy", "transformed"),
    *("consistency", "consistency_distance"),
    *(f"transformed_{name}" for name in ("shift", "zoom", "shear", "threshold")),
)
_SEEDS = ("seed", "seed_data", "labels_per_class")
_PER_RUN = (*_SEEDS, "learning_rate", "learning_rate_decay", "generator_learning_rate")
_MODULES = {"jax": jax, "keras": keras, "numpy": np}


class Program:
    """The runs' compiled functions, which map over their first axis.

    Convolutional networks are mapped over one after another, others all at once.

    Args:
        step: The step of one run.
        data: Of the runs; all have these training images.
    """

    def __init__(self, step: Step, data: Any):
        self.step, self.data = step, data
        self._images, self._labels = jnp.asarray(data.train_images), jnp.asarray(data.train_labels)
        tested = jnp.asarray(data.test_images)
        size = next(n for n in range(500, 0, -1) if len(tested) % n == 0)
        self._tested = tested.reshape(-1, size, *tested.shape[1:])
        mapped = _in_turn if step.made.convolutional else jax.vmap
        self.epoch = jax.jit(mapped(self._epoch), donate_argnums=0)
        self.test = jax.jit(mapped(self._test))
        self.sampled = jax.jit(step.sampled)

    def _epoch(self, values, options, rows):
        def images(places):
            return self._scaled(self._images[places])

        def one(values, rows):
            labeled, unlabeled, unlabeled_generator = rows
            batch = {
                "labeled": (images(labeled), self._labels[labeled]),
                "unlabeled": images(unlabeled),
                "unlabeled_generator": images(unlabeled_generator),
            }
            return self.step(values, options, batch)

        values, reports = jax.lax.scan(one, values, rows)
        return values, {key: found.mean() for key, found in reports.items()}

    def _scaled(self, images):
        return self.data.scaling.apply(images.astype("float32"))

    def _test(self, values):
        def probabilities(images):
            images = self._scaled(images)
            with jax.default_matmul_precision("highest"):
                logits = [self.step.classified(values, images, a) for a in (True, False)]
            return jnp.stack([jax.nn.softmax(each) for each in logits])

        found = jax.lax.map(probabilities, self._tested)
        return jnp.moveaxis(found, 0, 1).reshape(2, -1, found.shape[-1])


def _in_turn(function):
    """The function of all runs that `jax.vmap` would give, computed one run after another."""
    return lambda *values: jax.lax.map(lambda each: function(*each), values)


def check(all_recipes: Sequence[Any]) -> None:
    """Raises a `UserError` where recipes cannot be trained together, or here."""
    first = dataclasses.asdict(all_recipes[0])
    for recipe in all_recipes:
        values = dataclasses.asdict(recipe)
        for name in values:
            if name not in (*VARYING, *_PER_RUN) and values[name] != first[name]:
                raise UserError(f"runs that are trained together have the same {name}")
        for name in ("conditional_entropy", "transformed", "consistency"):
            if bool(values[name]) != bool(first[name]):
                raise UserError(f"{name} must be 0 in all runs or in none")
        others = "virtual_adversarial", "pull_away", "encoder_weight", "historical_averaging"
        given = [name for name in others if values[name]]
        supported = {
            "objective": ("feature_matching", "minibatch_discrimination"),
            "learning_rate_schedule": ("linear",),
            "mixed_precision": ("none", "bfloat16"),
        }
        given += [name for name, known in supported.items() if values[name] not in known]
        given += ["losses()"] if recipe.code and "losses" in recipe.code.functions else []
        if given:
            raise UserError(
                f"{recipe.name}: {', '.join(given)} is not supported here; train it with "
                "improved-gan train"
            )


def rates(recipe: Any, steps_per_epoch: int) -> list[list[float]]:
    """Returns the learning rates of the generator and of the discriminator in each epoch."""
    found = []
    optimizers = building.experiment(recipe).optimizers(steps_per_epoch)
    for optimizer, updates in zip(optimizers, (recipe.generator_steps, 1), strict=True):
        rate = optimizer._learning_rate  # a schedule, or a variable
        steps = [epoch * updates * steps_per_epoch for epoch in range(recipe.epochs)]
        schedule = rate if callable(rate) else lambda step, rate=rate: rate
        found.append([float(schedule(step)) for step in steps])
    return found


def stacked(each: Sequence[Any]) -> Any:
    """Returns one tree of arrays, of all runs along a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def _initial(recipe: Any) -> tuple[int, ...]:
    """What the initial parameters of a run depend on, among runs that are trained together."""
    labels = [recipe.labels_per_class] if recipe.initialization == "labeled" else []
    return recipe.seed, recipe.seed_data, *labels


class Together:
    """Trains runs of the same kind; see `check`.

    Args:
        all_recipes: A recipe for each run.
        all_data: The data of each run, with the same training and test images.

    Attributes:
        epochs: How many epochs are done.
        logs: For each run, a list of the losses and errors of each epoch.
        probabilities: Of the test images' classes, (runs, 2, N, K) by averaged and by current
            parameters, after the last epoch.
    """

    def __init__(self, all_recipes: Sequence[Any], all_data: Sequence[Any]):
        check(all_recipes)
        self.recipes, self.data = list(all_recipes), list(all_data)
        made: dict[tuple[int, ...], Players] = {}
        for recipe, data in zip(self.recipes, self.data, strict=True):
            if _initial(recipe) not in made:
                made[_initial(recipe)] = Players(recipe, data)
        self.made = made[_initial(self.recipes[0])]
        self.values = stacked([made[_initial(recipe)].values() for recipe in self.recipes])
        self.program = Program(Step(self.made, self.recipes[0]), self.data[0])
        numbers = [{name: getattr(recipe, name) for name in VARYING} for recipe in self.recipes]
        self.options = stacked([{k: np.float32(v) for k, v in each.items()} for each in numbers])
        steps = self.data[0].steps_per_epoch
        self.rates = np.array([rates(recipe, steps) for recipe in self.recipes], "float32")
        self.epochs = 0
        self._rows = self._next_rows()
        self.logs: list[list[dict[str, float]]] = [[] for _ in self.recipes]
        self.probabilities = np.zeros(0)

    def _set_rates(self) -> None:
        names = "generator_optimizer", "discriminator_optimizer"
        for i, (name, optimizer) in enumerate(zip(names, self.made.optimizers, strict=True)):
            rate = jnp.asarray(self.rates[:, i, self.epochs])
            self.values[name][place(optimizer, optimizer._learning_rate)] = rate

    def _next_rows(self) -> tuple[np.ndarray, ...]:
        rows = [data.next_epoch() for data in self.data]
        return tuple(np.stack(each) for each in zip(*rows, strict=True))

    def epoch(self, tested: bool = True) -> dict[str, np.ndarray]:
        """Trains an epoch; returns what is logged of it, arrays of a number for each run.

        Args:
            tested: Whether the runs are tested after it.
        """
        self._set_rates()
        self.values, report = self.program.epoch(self.values, self.options, self._rows)
        self.epochs += 1
        self._rows = self._next_rows()  # while the device is at work
        if tested:
            found = np.asarray(self.program.test(self.values))
            wrong = found.argmax(-1) != np.stack([data.test_labels for data in self.data])[:, None]
            names = "val_error", "val_error_current"
            report = {**report, **dict(zip(names, wrong.mean(-1).T, strict=True))}
            self.probabilities = found
        report = {key: np.asarray(found) for key, found in report.items()}
        for i, log in enumerate(self.logs):
            row = {key: round(float(found[i]), 6) for key, found in report.items()}
            log.append({"epoch": self.epochs, **row})
        return report

    def samples(self, run: int, n: int) -> np.ndarray:
        """Returns images of a run's generator, uint8 (n, H, W, C).

        Their latent vectors are those of `improved-gan sample --seed` with the run's seed.
        """
        values = jax.tree.map(lambda found: found[run], self.values)
        latents = self.made.latent(n, keras.random.SeedGenerator(self.recipes[run].seed))
        parts = [latents[i : i + 500] for i in range(0, n, 500)]
        made = [np.asarray(self.program.sampled(values, part)) for part in parts]
        return self.data[run].scaling.unscale(np.concatenate(made))


def summary(trained: Together, seconds: float) -> dict[str, Any]:
    """Returns the content of errors.json, of the epochs that are done.

    A row is all runs with the same number of labels; its ensemble has the mean of their
    probabilities. Standard deviations are of a sample.
    """
    first, data = trained.recipes[0], trained.data[0]
    overrides = recipes.to_config(first)["overrides"]
    rows: dict[int, list[int]] = {}
    for i, each in enumerate(trained.data):
        rows.setdefault(len(each.labeled_indices), []).append(i)
    tested = data.test_labels
    wrong = trained.probabilities.argmax(-1) != tested
    found = []
    for labels, places in rows.items():
        together = trained.probabilities[places].astype("float64").mean(0).argmax(-1) != tested
        row: dict[str, Any] = {"labels": labels, "runs": len(places)}
        for which, key in enumerate(("test_error", "test_error_current")):
            errors = wrong[places, which].mean(-1)
            row[key] = {
                "mean": float(errors.mean()),
                "std": float(errors.std(ddof=1)) if len(places) > 1 else None,
                "median": float(np.median(errors)),
                "by_seed": {
                    trained.recipes[i].seed: e for i, e in zip(places, errors.tolist(), strict=True)
                },
                "ensemble": float(together[which].mean()),
            }
        found.append(row)
    return {
        "recipe": first.name,
        "values": {k: v for k, v in overrides.items() if k not in _SEEDS},
        "epochs": trained.epochs,
        "steps": trained.epochs * data.steps_per_epoch,
        "test_images": len(tested),
        "seconds": round(seconds, 1),
        "device": jax.devices()[0].device_kind,
        "software": {name: module.__version__ for name, module in _MODULES.items()},
        "rows": found,
    }


def write_log(trained: Together, path: Path) -> None:
    """Writes epochs.csv: a line for each run and epoch."""
    names = list(dict.fromkeys(key for log in trained.logs for row in log for key in row))
    with temporary(path) as made, open(made, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["labels", "seed", *names])
        for recipe, data, log in zip(trained.recipes, trained.data, trained.logs, strict=True):
            run = len(data.labeled_indices), recipe.seed
            writer.writerows([*run, *(row.get(name, "") for name in names)] for row in log)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="the recipe, such as mnist-fast")
    parser.add_argument("--data", help="the data, such as npz:FILE (default: the recipe's)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="N", help="default: 1")
    per_class = "labels per class; several for several tables' rows (default: the recipe's)"
    parser.add_argument("--labels-per-class", type=int, nargs="+", metavar="N", help=per_class)
    value = "any value of the recipe, as of improved-gan train"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=value)
    every = "epochs from one test to the next (default: 1)"
    parser.add_argument("--test-every", type=kinds.count, default=1, metavar="N", help=every)
    drawn = "images that each run's generator draws at the end (default: none)"
    parser.add_argument("--samples", type=kinds.count, metavar="N", help=drawn)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the results")
    options = parser.parse_args(arguments)
    try:
        run(options)
    except UserError as error:
        parser.error(str(error))


def run(options: argparse.Namespace) -> None:
    """Trains what the command line asks for, and writes the file."""
    chosen = override(recipes.get(options.recipe), **set_values(options.set))
    if chosen.kind != "semi_supervised":
        raise UserError(f"{chosen.name}: expected a semi-supervised recipe, such as mnist-fast")
    counts = options.labels_per_class or [chosen.labels_per_class]
    out = Path(options.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already; name another folder")
    all_recipes = [
        override(chosen, labels_per_class=count, seed=seed, seed_data=seed)
        for count in counts
        for seed in options.seeds
    ]
    began = time.monotonic()
    source = data_sets.open(options.data or chosen.data)
    data = [building.experiment(each).load_data(data=source) for each in all_recipes]
    trained = Together(all_recipes, data)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{len(data)} runs; made in {time.monotonic() - began:.0f} s", flush=True)
    for epoch in range(1, chosen.epochs + 1):
        tested = epoch % options.test_every == 0 or epoch == chosen.epochs
        report = trained.epoch(tested)
        shown = ", ".join(f"{key} {found.mean():.4g}" for key, found in report.items())
        passed = time.monotonic() - began
        print(f"epoch {epoch}/{chosen.epochs}, {passed:.0f} s: {shown}", flush=True)
        if tested:
            write_log(trained, out / "epochs.csv")
            write_json(out / "errors.json", summary(trained, passed))
    if options.samples:
        for i, (each, own) in enumerate(zip(all_recipes, data, strict=True)):
            name = f"samples-{len(own.labeled_indices)}-{each.seed}.npz"
            save_npz(out / name, trained.samples(i, options.samples))
    for row in summary(trained, passed)["rows"]:
        errors = row["test_error"]
        spread = "" if errors["std"] is None else f" +- {100 * errors['std']:.2f}"
        together = f", ensemble {100 * errors['ensemble']:.2f} %" if row["runs"] > 1 else ""
        print(f"{row['labels']} labels: {100 * errors['mean']:.2f}{spread} %{together}")


if __name__ == "__main__":
    main()
