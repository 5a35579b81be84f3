"""Adam with epsilon inside the square root.

Source: mnist_svhn_cifar10/nn.py, adam_updates.
"""

import numpy as np


class Adam:
    """The update of one parameter, with its moments.

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
    p <- p - lr (m / (1 - b1^t)) / sqrt(v / (1 - b2^t) + 1e-8),   t = 1, 2, ...
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.epsilon = epsilon
        self.m = self.v = 0.0
        self.t = 0

    def step(self, parameter, gradient):
        """Returns the parameter after one update."""
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * np.square(gradient)
        m_hat = self.m / (1 - self.beta_1**self.t)
        v_hat = self.v / (1 - self.beta_2**self.t)
        return parameter - self.learning_rate * m_hat / np.sqrt(v_hat + self.epsilon)
