"""A layer of ours and its recorded arrays: `TheanoCase` for nn.py, `ImageNetCase` for imagenet/.

The tolerances of the Theano code are in `tests.helpers.golden.PRECISIONS`. The ImageNet code ran in
float32, and its index says how far each array is from a float64 run of the same graph; what is
allowed, 10 times that and 1e-6 of the largest value, is the index's rule (`golden.within_noise`).
It holds for our float64 and for our float32; in float64 the oracles of reference/ are compared with
too, to 1e-9.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from improved_gan_tf.networks.activations import leaky_relu
from reference import layouts
from tests.helpers.golden import PRECISIONS, close, imagenet_index, load_imagenet, within_noise

both_precisions = pytest.mark.parametrize("precision", PRECISIONS)


def activation(which):
    """Keras' name of a recorded activation, or the networks' leaky relu of slope 0.2."""
    if which == "lrelu":
        return leaky_relu
    return {"identity": "linear"}.get(which, which)


class TheanoCase:
    """A layer with its arrays in our layouts, its gradients, and the comparison."""

    def __init__(self, layer, precision, x, before=None):
        self.layer, self.before, self.precision = layer, before, precision
        self.x = self.tensor(x)
        self.layer(self.input(self.x))  # builds it

    def tensor(self, x):
        return tf.constant(layouts.images(np.asarray(x)), self.precision)

    def input(self, x):
        return x if self.before is None else self.before(x)

    def __call__(self, x=None, training=False):
        x = self.x if x is None else self.tensor(x)
        return self.layer(self.input(x), training=training)

    def gradients(self, upstream, variables, training=False):
        """Gradients of sum(output * upstream) with respect to x and to the variables.

        A variable that the layer does not train is read from its `value`, which a tape follows
        once it is asked to.
        """
        values = [v.value for v in variables]
        with tf.GradientTape() as tape:
            tape.watch([self.x, *values])
            output = self.layer(self.input(self.x), training=training)
            loss = tf.reduce_sum(output * self.tensor(upstream))
        return tape.gradient(loss, [self.x, *values])

    def close(self, actual, recorded):
        close(actual, recorded, PRECISIONS[self.precision])

    def close_images(self, actual, recorded):
        self.close(actual, layouts.images(recorded))

    def initialize(self, x):
        # A model of one layer, to go through the public function.
        inputs = keras.Input(self.input(self.x).shape[1:], dtype=self.precision)
        model = keras.Model(inputs, self.layer(inputs))
        return ours.initialize_from_data(model, self.input(self.tensor(x)))


class ImageNetCase:
    """The arrays of a case, and the comparison of one of ours with what was recorded."""

    def __init__(self, case, precision):
        self.case, self.precision = case, precision
        self.hyper = imagenet_index()[case]["hyper"]
        # float64 for the oracles' sake: every float32 is one.
        self.arrays = {
            key: a.astype(float) if a.dtype.kind == "f" else a
            for key, a in load_imagenet(case).items()
        }

    def __getitem__(self, array):
        return self.arrays[array]

    def tensor(self, x):
        return tf.constant(np.asarray(x), self.precision)

    def check(self, actual, array, oracle=None, rows=...):
        """`actual` against the recorded array, and in float64 against the oracle's."""
        within_noise(actual, self.case, array, self[array][rows])
        if oracle is not None and self.precision == "float64":
            close(actual, oracle)

    def gradients(self, layer, x, upstream, variables):
        """Gradients of sum(layer(x) * upstream) with respect to x and to the variables."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * self.tensor(upstream))
        return tape.gradient(loss, [x, *(v.value for v in variables)])
