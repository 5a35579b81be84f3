"""The private API of Keras that has no public counterpart, each name with its reason.

No other file of the package may use an underscore name of a Keras object. All of these were found
unchanged in Keras 3.12, 3.13, 3.14 and 3.15; a new minor release is checked here first.
"""

from typing import Any

import keras


def require_tensorflow(what: str) -> None:
    """Raises an `ImportError` where Keras computes by another backend than TensorFlow.

    Args:
        what: What needs TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"Keras' backend is {backend}, but {what} need tensorflow; set "
            "KERAS_BACKEND=tensorflow before keras is imported (the layers alone work with every "
            "backend)"
        )


def flatten_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layer and every layer inside it, at any depth, each once.

    `Layer._flatten_layers` (3.12 to 3.15). The public `Model.layers` has one level, and a wrapper
    or another layer that holds layers has no public list of them.
    """
    return list(dict.fromkeys(layer._flatten_layers()))


def is_functional(model: Any) -> bool:
    """Returns whether it is a functional model: a graph of operations, no `Sequential`.

    The class is not exported (`keras.src.models.Functional`, 3.12 to 3.15). Its `operations` are
    public, and no other kind of model has them.
    """
    return isinstance(model, keras.Model) and hasattr(model, "operations")


def variable_index(optimizer: keras.optimizers.Optimizer, variable: Any) -> int:
    """Returns the place of a variable among those the optimizer was built with.

    `Optimizer._get_variable_index` (3.12 to 3.15). `update_step`, which Keras asks a subclass to
    implement, needs it; under `tf.distribute` only Keras knows whose copy a replica's variable is.
    """
    return optimizer._get_variable_index(variable)


def without_updates() -> keras.StatelessScope:
    """Returns a scope in which variables have the values of now and their updates are dropped.

    A `StatelessScope` hides the values of another one around it, and only
    `keras.src.backend.common.stateless_scope` (3.12 to 3.15) knows whether there is one.
    """
    from keras.src.backend.common import stateless_scope

    scope, outer = keras.StatelessScope(), stateless_scope.get_stateless_scope()
    if outer is not None:
        scope.state_mapping.update(outer.state_mapping)
    return scope


def variables_as_stored(layer: keras.layers.Layer) -> Any:
    """Returns a scope in which a layer's variables have their own type, also inside its `call`.

    `keras.src.backend.common.variables.AutocastScope` (3.12 to 3.15). Under PyTorch, a variable
    that is assigned in a `call` of lower precision keeps its old value: Keras writes to the copy
    that it has cast. The scope needs the layer's type: in one without a type, which casts nothing,
    `Variable.dtype` is Keras' floatx.
    """
    from keras.src.backend.common.variables import AutocastScope

    return AutocastScope(layer.variable_dtype)


def keep_what_saving_skips() -> None:
    """Has Keras look up once, not with every save, which attributes hold nothing to be saved.

    `saving_lib.get_attr_skipset` (3.12 to 3.15) keeps its answers under one name of Keras' global
    state and looks for them under another, so that every save makes new layers, metrics and
    optimizers to ask, and TensorFlow does not give all memory of their variables back: 0.14 MB a
    save. `keras.utils.clear_session` forgets the answers.
    """
    from keras.src.backend.common import global_state
    from keras.src.saving.saving_lib import get_attr_skipset

    for kind in ("Layer", "Functional", "Sequential", "Metric", "Optimizer", "Loss"):
        name = f"saving_attr_skiplist_{kind}"
        if global_state.get_global_attribute(name) is None:
            global_state.set_global_attribute(name, get_attr_skipset(kind))


class BuiltFromVariables:
    """Mixin for a layer whose `build` takes variables that are another's.

    `Layer.__new__` wraps `build` to keep its arguments, meant to be shapes, in `_build_shapes_dict`
    (3.12 to 3.15), where variables would be tracked as weights of the layer itself.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, None if name == "_build_shapes_dict" else value)


class BuiltInInit:
    """Mixin for a model whose `__init__` builds everything, so that `fit` need not try it first.

    `Trainer._maybe_symbolic_build` (3.12 to 3.15) runs the model on a batch under a `tf.distribute`
    strategy, and fails on a batch of several workers, whose parts lie on different machines.
    """

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Does nothing."""
