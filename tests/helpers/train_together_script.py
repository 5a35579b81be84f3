"""Steps of tools/train_together.py from given parameters: python ... BEFORE.npz AFTER.npz STEPS.

The run is the second of two that are mapped over, so that a mix-up of the runs shows.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import train_together as tool


def main(before: str, after: str, steps: str) -> None:
    given = dict(np.load(before))
    name, values = str(given.pop("name")), json.loads(str(given.pop("values")))
    recipe = tool.override(tool.recipes.get(name), **values)
    pair = [tool.override(recipe, seed=seed) for seed in (recipe.seed + 1, recipe.seed)]
    data = [tool.building.experiment(each).load_data() for each in pair]
    trained = tool.Together(pair, data)
    for group in ("generator", "discriminator", "states"):
        for i, value in enumerate(trained.values[group]):
            same = given.pop(f"{group}_{i}")
            if np.issubdtype(same.dtype, np.integer):  # the states of the random generators
                np.testing.assert_array_equal(value[1], same)
            trained.values[group][i] = value.at[1].set(same)
    assert not given, given.keys()
    trained._set_rates()
    rows = tuple(each[:, : int(steps)] for each in trained._rows)
    values, report = trained.program.epoch(trained.values, trained.options, rows)
    found = {
        f"{player}_{i}": value[1]
        for player in ("generator", "discriminator", "averages")
        for i, value in enumerate(values[player])
    }
    made, states = trained.made, iter(values["states"])
    for player in ("generator", "discriminator"):
        for i, _ in enumerate(getattr(made, player).non_trainable_variables):
            found[f"{player}_states_{i}"] = next(states)[1]
    found |= {key: value[1] for key, value in report.items()}
    found["probabilities"] = trained.program.test(values)[1]
    trained.values = values
    np.savez(after, images=trained.samples(1, 6), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
