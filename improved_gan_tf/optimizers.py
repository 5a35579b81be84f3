"""The original's Adam, its decay of the learning rate, and the parameters' running average."""

import math

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
        learning_rate: lr, a float or a `keras.optimizers.schedules.LearningRateSchedule`.
        beta_1: decay of the first moment (mom1; the paper's recipes use .5).
        beta_2: decay of the second moment (mom2).
        epsilon: added to the bias-corrected second moment.
        **kwargs: Keras' common optimizer arguments (clipping, loss scaling, ...).

    Source: mnist_svhn_cifar10/nn.py, adam_updates.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        name="adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._m, self._v = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient, variable, learning_rate):
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

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable("improved_gan_tf")
class FinalDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate that falls linearly to 0 over the last part of the epochs.

        rate(e) = initial_learning_rate * min((epochs - e) / (decay * epochs), 1)

    in epoch e = step // steps_per_epoch, counted from 0: it changes between epochs only, and the
    last one still has initial_learning_rate / (decay * epochs). From `epochs` on it is 0. With
    decay = 1/3 it is the original's lr min(3 - e / 400, 1) for 1,200 epochs and
    lr min(3 - e / 300, 1) for 900.

    It is a function of the optimizer's own count of updates, so that a reloaded optimizer goes on
    where it was. With other `epochs` it is another function from the start.

    Args:
        initial_learning_rate: lr, above 0.
        steps_per_epoch: updates that the optimizer makes in an epoch, at least 1; None where that
            is not known: then the rate stays that of epoch 0.
        epochs: of the whole training, at least 1.
        decay: part of the epochs over which the rate falls, 0 < decay <= 1.

    Raises:
        ValueError: an argument out of its range.

    Source: train_cifar_*.py and train_svhn_*.py, the first lines of the loop over epochs.
    """

    def __init__(self, initial_learning_rate, steps_per_epoch, epochs, decay):
        if epochs < 1 or (steps_per_epoch is not None and steps_per_epoch < 1):
            raise ValueError(
                f"steps_per_epoch and epochs must be at least 1, not {steps_per_epoch!r} and "
                f"{epochs!r}."
            )
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, not {decay!r}.")
        if not initial_learning_rate > 0:
            raise ValueError(
                f"initial_learning_rate must be above 0, not {initial_learning_rate!r}."
            )
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.decay = decay

    def __call__(self, step):
        # In integers: a quotient of floats could fall short of the epoch that has just begun.
        step = ops.cast(step, "int32")
        steps = self.steps_per_epoch
        epoch = ops.zeros_like(step) if steps is None else ops.floor_divide(step, steps)
        left = ops.cast(ops.maximum(self.epochs - epoch, 0), keras.config.floatx())
        return self.initial_learning_rate * ops.minimum(left / (self.decay * self.epochs), 1.0)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs,
            "decay": self.decay,
        }


def update_average(averages, variables, rate):
    """a <- a + rate (p - a): one step of the exponential running average of the parameters.

    The original starts a at 0 and calls this with the parameters from *before* the update of the
    same step (its `avg_updates`), at rate 1e-4.

    Args:
        averages: list of the variables a.
        variables: list of the variables p, shaped alike.
        rate: weight of the new value, in 0 .. 1.
    """
    for average, variable in zip(averages, variables, strict=True):
        average.assign(average + rate * (ops.convert_to_tensor(variable) - average))


def debiased(averages, variables, rate, steps):
    """a / (1 - (1 - rate)^t): the average without the weight of its start at 0.

    After t steps a has the weight 1 - (1 - rate)^t in real parameters and the rest in zeros (at
    rate 1e-4 that is 6 % after 600 steps), hence the division. Before the first step there is no
    average, and the parameters themselves are returned.

    Args:
        averages: list of the variables a.
        variables: list of the variables p.
        rate: as given to `update_average`.
        steps: t, an integer scalar, how often `update_average` ran.

    Returns:
        List of tensors shaped like `averages`.
    """
    values = []
    for average, variable in zip(averages, variables, strict=True):
        t = ops.cast(steps, average.dtype)
        # -expm1(t log1p(-rate)) keeps full precision where 1 - (1 - rate)^t would cancel.
        weight = -ops.expm1(t * math.log1p(-rate))
        safe = ops.where(t > 0, weight, ops.ones_like(weight))
        values.append(ops.where(t > 0, average / safe, ops.convert_to_tensor(variable)))
    return values
