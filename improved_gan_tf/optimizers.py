"""The original's Adam, and the running average of the parameters."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class Adam(keras.optimizers.Optimizer):
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
        index = self._get_variable_index(variable)
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
