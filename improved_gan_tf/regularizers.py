"""Historical averaging (section 3.3), in `keras.ops` alone."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from improved_gan_tf.keras_compat import BuiltFromVariables


@keras.saving.register_keras_serializable("improved_gan_tf")
class HistoricalAveraging(BuiltFromVariables, keras.layers.Layer):
    """A player's cost of moving away from the mean of its past parameters (section 3.3).

        penalty = weight * sum over variables of || theta - (1/t) sum_{i=1..t} theta[i] ||^2

    where theta[1..t] are the values that `update` was given. The mean is kept online, so the state
    does not grow with time. In one training step, call `penalty` first, add it to the player's
    loss, then call `update` with the values from *before* the optimizer's step, as here:

        build(variables)                         once
        loss = own_loss + penalty(variables)     its gradient is 2 weight (theta - mean)
        update(variables)                        theta[t + 1] <- the present values
        optimizer.apply(gradients, variables)

    "Past" then means all steps before the present one, from the first on, and not the present
    parameters themselves (the paper's sum may be read to have them too, which multiplies theta -
    mean by t / (t + 1)). The mean is a constant of the gradient. Before the first `update` there is
    no past, and the penalty is 0.

    It is a layer, so that a model that holds it as an attribute saves and restores its state (the
    means and their count, weights that are not trainable). It is not called.

    Args:
        weight: The weight of the penalty, a finite float of at least 0. The gradient pulls by
            2 weight (theta - mean), so that plain gradient descent at a rate r needs r weight well
            below 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    The means are float32 at least, and of the variables' type where that is wider. In float32 the
    mean of t values is right to 3e-8 t of its own size at worst, because every update rounds it.

    Raises: `ValueError` for another weight, for use before `build`, and for variables that are not
    as many or not of the shapes that it was built with.
    Source: the paper alone; the original code has no historical averaging.

    Example:
    >>> theta = keras.Variable([3.0, 0.0])
    >>> averaging = HistoricalAveraging(0.5)
    >>> averaging.build([theta])
    >>> float(averaging.penalty([theta]))  # no past yet
    0.0
    >>> averaging.update([theta])
    >>> _ = theta.assign([1.0, 0.0])
    >>> float(averaging.penalty([theta]))  # 0.5 (1 - 3)^2
    2.0
    """

    def __init__(self, weight: float, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must be a finite number of at least 0, not {weight!r}")
        self.weight = weight

    def build(self, variables: Sequence[Any]) -> None:
        """Makes a mean, 0 at first, for each variable; a second call checks the shapes alone.

        Args:
            variables: The player's variables, a list, or arrays of their shapes and types.
        """
        if self.built:
            self._checked(variables)
        else:
            self._make([v.shape for v in variables], [v.dtype for v in variables])

    def _make(self, shapes, dtypes):
        # Whatever the replica of a `tf.distribute` strategy: all have the same parameters.
        fixed = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.count = self.add_weight((), "zeros", dtype="int", name="count", **fixed)
        for index, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
            name = f"mean_{index}"
            wide = keras.backend.result_type(keras.backend.standardize_dtype(dtype), "float32")
            mean = self.add_weight(tuple(shape), "zeros", dtype=wide, name=name, **fixed)
            setattr(self, name, mean)  # one by one: tf.train.Checkpoint leaves a list out

    @property
    def means(self) -> list[keras.Variable]:
        """The means, in the order of the variables; an empty list before `build`."""
        return self.weights[1:]  # after the count

    def penalty(self, variables: Sequence[Any]) -> Any:
        """Returns the penalty, a scalar of the means' type.

        Args:
            variables: The present parameters theta, variables or tensors, in the order of `build`.
        """
        total = ops.convert_to_tensor(0.0)
        for mean, value in zip(self.means, self._checked(variables), strict=True):
            total = ops.add(total, ops.sum(ops.square(value - mean)))
        return self.weight * total * ops.cast(self.count > 0, total.dtype)

    def update(self, variables: Sequence[Any]) -> None:
        """mean <- mean + (theta - mean) / t, with t counted up first.

        Args:
            variables: The parameters that belong to the past from now on, as for `penalty`.
        """
        values = self._checked(variables)
        self.count.assign_add(1)
        for mean, value in zip(self.means, values, strict=True):
            mean.assign(mean + (value - mean) / ops.cast(self.count, mean.dtype))

    def _checked(self, variables):
        """The values in the types of the means."""
        if not self.built:
            raise ValueError(f"{self.name} is not built; call build(variables) first")
        given, own = ([tuple(v.shape) for v in vs] for vs in (variables, self.means))
        if given != own:
            raise ValueError(f"{self.name} is built for variables of shapes {own}, not {given}")
        return [ops.cast(v, mean.dtype) for v, mean in zip(variables, self.means, strict=True)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns shapes and types, from which a loaded object makes its means; None before."""
        if not self.built:
            return None
        return {
            "shapes": [list(mean.shape) for mean in self.means],
            "dtypes": [mean.dtype for mean in self.means],
        }

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Makes the means of what `get_build_config` returned."""
        self._make(**config)
        self.built = True
