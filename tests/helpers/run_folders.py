"""Run folders as training leaves them, written by hand."""

import csv
import json

import numpy as np

from improved_gan_tf import images

COLUMNS = [
    "epoch",
    "steps",
    "seconds",
    "supervised_loss",
    "unsupervised_loss",
    "generator_loss",
    "error",
    "val_error",
    "val_error_current",
    "learning_rate",
]
CONFIG = {
    "recipe": {
        "name": "mnist-feature-matching",
        "epochs": 30,
        "batch_size": 100,
        "generator": {"units": [500, 500]},
        "minibatch_kernels": None,
        "jit_compile": True,
    },
    "overrides": {"epochs": 30},
    "seeds": {"seed": 1, "seed_data": 2},
    "versions": {"keras": "3.15.1"},
    "command": "improved-gan train mnist-feature-matching --out '<b>runs & more</b>'",
}
RESULTS = {
    "recipe": "mnist-feature-matching",
    "epochs": 30,
    "steps": 18000,
    "test_error": 0.0273,
    "test_error_current": 0.0206,
    "baseline": {"test_error": 0.091},
    "seconds": 5025.0,
}


def rows(epochs):
    """A log that looks like training: errors fall by a factor of 16, the losses settle."""
    for epoch in range(1, epochs + 1):
        current = 0.32 * 16 ** (-(epoch - 1) / 29)
        values = [epoch, 600 * epoch, 80.0, 1 / epoch**2, 0.43 - 0.3 / epoch, 2 + 6 / epoch]
        yield values + [0.04 / epoch, min(0.4, 1.4 * current), current, 0.003]


def write_run(folder, epochs=30, samples=(1, 10, 20, 30), config=CONFIG, results=RESULTS):
    """A run in `folder`; without the configuration or the results where they are None."""
    folder.mkdir(parents=True)
    with open(folder / "log.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows(epochs)])
    generator = np.random.RandomState(0)
    for epoch in samples:
        batch = generator.randint(0, 256, (9, 8, 8, 1)).astype(np.uint8)
        images.save_png(folder / "samples" / f"epoch-{epoch:04d}.png", images.grid(batch))
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    np.save(folder / "labeled_indices.npy", np.arange(100, 200))
    return folder


def keep_columns(folder, kept):
    """Rewrites the run's log with these columns alone."""
    with open(folder / "log.csv", newline="") as stream:
        log = list(csv.DictReader(stream))
    with open(folder / "log.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(log)
