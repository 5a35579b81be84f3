"""The original's Adam, its decay of the learning rate, and the parameters' running average."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from improved_gan_tf import keras_compat


@keras.saving.register_keras_serializable("improved_gan_tf")
class InnerEpsilonAdam(keras.optimizers.Optimizer):
    """Adam with epsilon inside the square root, after the bias correction.

        m <- beta_1 m + (1 - beta_1) g            v <- beta_2 v + (1 - beta_2) g^2
        p <- p - lr * (m / (1 - beta_1^t)) / sqrt(v / (1 - beta_2^t) + epsilon),   t = 1, 2, ...

    Keras' own Adam adds its epsilon outside the root, 1e-7 to the uncorrected one, which differs
    wherever gradients are below about 1e-4: enough to change a run.

    Args:
        learning_rate: lr, a float (0.001 by default) or a schedule of `keras.optimizers.schedules`.
        beta_1: The decay of the first moment (mom1), 0.9 by default; the paper's recipes use 0.5.
        beta_2: The decay of the second moment (mom2), 0.999 by default.
        epsilon: Added to the bias-corrected second moment, 1e-8 by default.
        **kwargs: Arguments of `keras.optimizers.Optimizer`, such as `clipnorm`.

    Example:
    >>> variable = keras.Variable([1.0])
    >>> InnerEpsilonAdam(learning_rate=0.1).apply([ops.ones(1)], [variable])
    >>> np.round(variable, 3)
    array([0.9], dtype=float32)

    Source: mnist_svhn_cifar10/nn.py, adam_updates.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "adam",
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: list) -> None:
        if self.built:
            return
        if low := {v.dtype for v in variables} & {"bfloat16", "float16"}:
            raise ValueError(
                f"InnerEpsilonAdam cannot keep its moments in {low.pop()}; for mixed precision, "
                "keep the variables in float32 with a policy such as mixed_bfloat16"
            )
        super().build(variables)
        self._m, self._v = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = keras_compat.variable_index(self, variable)
        m, v = self._m[index], self._v[index]
        lr, g = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        t = ops.cast(self.iterations + 1, variable.dtype)
        # As tensors of the variable's dtype: a Python float would be rounded to float32 first.
        beta_1 = ops.convert_to_tensor(self.beta_1, dtype=variable.dtype)
        beta_2 = ops.convert_to_tensor(self.beta_2, dtype=variable.dtype)
        self.assign(m, beta_1 * m + (1 - beta_1) * g)
        self.assign(v, beta_2 * v + (1 - beta_2) * ops.square(g))
        m_hat = m / (1 - ops.power(beta_1, t))
        v_hat = v / (1 - ops.power(beta_2, t))
        self.assign_sub(variable, lr * m_hat / ops.sqrt(v_hat + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        names = ("beta_1", "beta_2", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("improved_gan_tf")
class FinalDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate that falls linearly to 0 over the last part of the epochs.

        rate(e) = initial_learning_rate * min((epochs - e) / (decay * epochs), 1)

    in epoch e = step // steps_per_epoch, counted from 0: it changes between epochs only, and the
    last one still has initial_learning_rate / (decay * epochs). From `epochs` on it is 0. With
    decay = 1/3 it is the original's lr min(3 - e / 400, 1) for 1,200 epochs and lr min(3 - e / 300,
    1) for 900. The rate depends only on the optimizer's step counter, so that a reloaded optimizer
    continues where it stopped. A schedule with different `epochs` differs from the first step on.

    Args:
        initial_learning_rate: lr, a float above 0.
        steps_per_epoch: The updates that the optimizer makes per epoch, an integer from 1; None
            where that is not known: the rate then stays that of epoch 0.
        epochs: The epochs of the whole training, an integer from 1.
        decay: The part of the epochs over which the rate falls, a float with 0 < decay <= 1.

    Raises:
        ValueError: An argument is out of its range.

    Example:
    >>> schedule = FinalDecay(0.3, steps_per_epoch=100, epochs=4, decay=0.5)
    >>> np.round([float(schedule(100 * epoch)) for epoch in range(5)], 2).tolist()
    [0.3, 0.3, 0.3, 0.15, 0.0]

    Source: train_cifar_*.py and train_svhn_*.py, the first lines of the loop over epochs.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        steps_per_epoch: int | None,
        epochs: int,
        decay: float,
    ):
        if epochs < 1 or (steps_per_epoch is not None and steps_per_epoch < 1):
            raise ValueError(
                f"steps_per_epoch and epochs must be at least 1, not {steps_per_epoch!r} and "
                f"{epochs!r}"
            )
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, not {decay!r}")
        if not initial_learning_rate > 0:
            raise ValueError(
                f"initial_learning_rate must be above 0, not {initial_learning_rate!r}"
            )
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.decay = decay

    def __call__(self, step: Any) -> Any:
        # In integers: a quotient of floats could fall short of the epoch that has just begun.
        step = ops.cast(step, "int32")
        steps = self.steps_per_epoch
        epoch = ops.zeros_like(step) if steps is None else ops.floor_divide(step, steps)
        left = ops.cast(ops.maximum(self.epochs - epoch, 0), keras.config.floatx())
        return self.initial_learning_rate * ops.minimum(left / (self.decay * self.epochs), 1.0)

    def get_config(self) -> dict[str, Any]:
        names = ("initial_learning_rate", "steps_per_epoch", "epochs", "decay")
        return {name: getattr(self, name) for name in names}


def update_average(averages: Sequence[Any], variables: Sequence[Any], rate: float) -> None:
    """a <- a + rate (p - a): one step of the exponential running average of the parameters.

    The original starts a at 0 and calls this with the parameters from *before* the update of the
    same step (its `avg_updates`), at rate 1e-4.

    Args:
        averages: The variables a, a list; they are changed.
        variables: The variables p, a list of the same shapes.
        rate: The weight of the new value, a float in 0..1.
    """
    for average, variable in zip(averages, variables, strict=True):
        average.assign(average + rate * (ops.convert_to_tensor(variable) - average))


def debiased(
    averages: Sequence[Any], variables: Sequence[Any], rate: float, steps: Any
) -> list[Any]:
    """a / (1 - (1 - rate)^t): the average without the weight of its start at 0 (D10).

    After t steps a has the weight 1 - (1 - rate)^t in real parameters and the rest in zeros (at
    rate 1e-4 the weight is 6 % after 600 steps), hence the division. Before the first step there is
    no average, and the parameters themselves are returned.

    Args:
        averages: The variables a, a list.
        variables: The variables p, a list.
        rate: The rate that `update_average` was given.
        steps: t, an integer scalar: how often `update_average` ran.

    Returns:
        A list of tensors shaped like `averages`.

    Example:
    >>> average, parameter = keras.Variable([0.0]), keras.Variable([8.0])
    >>> update_average([average], [parameter], rate=0.25)
    >>> float(average[0]), float(debiased([average], [parameter], rate=0.25, steps=1)[0][0])
    (2.0, 8.0)
    """
    values = []
    for average, variable in zip(averages, variables, strict=True):
        t = ops.cast(steps, average.dtype)
        # -expm1(t log1p(-rate)) keeps full precision where 1 - (1 - rate)^t would cancel.
        weight = -ops.expm1(t * math.log1p(-rate))
        safe = ops.where(t > 0, weight, ops.ones_like(weight))
        values.append(ops.where(t > 0, average / safe, ops.convert_to_tensor(variable)))
    return values
