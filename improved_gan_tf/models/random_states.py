"""The states of random generators in a model's files."""

from typing import Any

import keras


def random_states(model: keras.Model) -> list[Any]:
    """Returns the variables of all random generators of a model and its layers."""
    weights = {id(v) for v in model.weights}
    return [v for v in model.variables if id(v) not in weights and "seed" in v.path]


class SavedRandomStates(keras.Model):
    """Mixin for a model whose files also hold the states of all its random generators.

    They are variables that Keras does not count as weights, and would leave out: a reloaded model
    would draw again what it drew before.
    """

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for i, variable in enumerate(random_states(self)):
            store[f"random_state_{i}"] = variable

    def load_own_variables(self, store: Any) -> None:
        states = random_states(self)
        for i, variable in enumerate(states):
            variable.assign(store[f"random_state_{i}"])
        own = {key: store[key] for key in store.keys() if not key.startswith("random_state_")}
        super().load_own_variables(own)
