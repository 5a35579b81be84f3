"""The generators' batch normalization: Keras' without gamma, its running variance unbiased."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class UnbiasedBatchNormalization(keras.layers.BatchNormalization):
    """(x - m) / sqrt(epsilon + v) + beta, with m and v of the batch in training.

    Keras' layer with the original's constants, no gamma (the next layer's weights can take its
    part), and one difference: the running variance is updated with v N / (N - 1), where N is the
    number of examples alone, also for images (whose statistics are over N H W values). The running
    values are used with `training=False`, which the original never does (D7): an image then does
    not depend on the others of its batch.

    Args:
        momentum: The weight of the old running value, a float, 0.9 by default.
        epsilon: Added to the variance under the root, a float, 1e-6 by default.
        scale: Whether there is a gamma, False by default.
        **kwargs: Arguments of `keras.layers.BatchNormalization`.

    Input: (N, ...) with known channels. Output: the same shape.
    Source: mnist_svhn_cifar10/nn.py, BatchNormLayer and batch_norm.

    Example:
    >>> layer = UnbiasedBatchNormalization()
    >>> y = layer(np.array([[1.0], [3.0]]), training=True)
    >>> np.round(layer.moving_variance, 2)  # 0.9 * 1 + 0.1 * 2
    array([1.1], dtype=float32)
    """

    couples_examples: bool = True

    def __init__(
        self, momentum: float = 0.9, epsilon: float = 1e-6, scale: bool = False, **kwargs: Any
    ):
        super().__init__(momentum=momentum, epsilon=epsilon, scale=scale, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        # A copy: under TensorFlow convert_to_tensor hands back the variable itself, read later.
        old = ops.copy(self.moving_variance)
        outputs = super().call(inputs, training=training, mask=mask)
        # Keras has just added (1 - momentum) v; the missing part is that over N - 1. A batch of
        # one has no unbiased variance and keeps the biased one.
        batch = ops.shape(inputs)[0]
        added = ops.convert_to_tensor(self.moving_variance) - self.momentum * old
        correction = ops.cast(ops.maximum(batch - 1, 1), added.dtype)
        single = ops.cast(ops.equal(batch, 1), added.dtype)
        self.moving_variance.assign_add((1 - single) * added / correction)
        return outputs
