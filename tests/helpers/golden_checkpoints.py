"""Saved models and runs that must keep loading, and the numbers that they must keep giving.

    python -m tests.helpers.golden_checkpoints

writes reference/golden/checkpoints: of each kind of model one .keras file, one run's folder, and
`expected.npz` with what they compute. It was run once, by version 0.2.0; a later version adds its
own folder beside it and never replaces one.
"""

import json
import shutil

import numpy as np

from improved_gan_tf import experiments
from improved_gan_tf.files import write_json
from improved_gan_tf.runs import recorded
from tests.helpers.paths import GOLDEN

FOLDER = GOLDEN / "checkpoints" / "0.2.0"
BATCH = 10
# Small networks on the embedded digits: the files stay small and need no data.
RECIPES = {
    "semi_supervised": (
        "digits",
        {
            "generator": {"units": [8, 8], "latent_dim": 6},
            "discriminator": {"units": [12, 8], "minibatch_kernels": 3, "minibatch_dims": 2},
            "batch_size": BATCH * 5,
            "baseline": False,
        },
    ),
    "imagenet": (
        "imagenet",
        {
            "data": "digits",
            "image_size": 8,
            "generator": {"channels": 2, "latent_dim": 6, "reference_size": 3},
            "discriminator": {"channels": 2, "minibatch_kernels": 3, "minibatch_dims": 2},
            "batch_size": BATCH,
            "steps_per_epoch": 4,
        },
    ),
}


def recipe(kind):
    """The recipe of two epochs by which the run of `kind` was trained."""
    name, values = RECIPES[kind]
    return experiments.override(
        experiments.get(name), **values, epochs=2, jit_compile=False, seed=4
    )


def computed(gan):
    """What is compared: samples, logits, and the losses of one more training step."""
    rng = np.random.default_rng(0)
    low, high = gan.image_range
    shape = gan.generator.output_shape[1:]

    def images():
        return rng.uniform(low, high, (BATCH, *shape)).astype(np.float32)

    x, y = images(), rng.integers(0, 10, BATCH).astype(np.int32)
    found = {
        "samples": gan.sample(4, seed=1),
        "logits": np.asarray(gan.discriminator(x, training=False)),
    }
    if "unsupervised_loss" in gan.reported:
        batch = {"labeled": (x, y), "unlabeled": images(), "unlabeled_generator": images()}
        found["averaged_logits"] = gan.predict(x, verbose=0)
    else:
        batch = (x, y)
    import tensorflow as tf

    logs = gan.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False).history
    names = [name for name in gan.reported if name in logs]
    return found | {f"step_{name}": np.asarray(logs[name][-1]) for name in names}


def main():
    """Writes all files anew; refuses where they exist."""
    FOLDER.mkdir(parents=True)
    for kind in RECIPES:
        run = FOLDER / f"{kind}_run"
        experiments.train(recipe(kind), run, verbose=False)
        for unneeded in ("tensorboard", "generator", "samples"):
            shutil.rmtree(run / unneeded)
        (run / "checkpoints" / "epoch-0001.weights.h5").unlink()
        config = json.loads((run / "config.json").read_text())
        write_json(run / "config.json", recorded(config))
        _, gan, _ = experiments.load_generator(run)
        gan.save(FOLDER / f"{kind}.keras")
        np.savez_compressed(FOLDER / f"{kind}_expected.npz", **computed(gan))


if __name__ == "__main__":
    main()
