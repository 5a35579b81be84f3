"""The generators' batch normalization: Keras' without gamma, its running variance unbiased."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class UnbiasedBatchNormalization(keras.layers.BatchNormalization):
    """(x - m) / sqrt(epsilon + v) + beta, with m and v of the batch in training.

    It is Keras' layer with the original's constants, no gamma (the next layer's weights can take
    its part), and one difference: the running variance is updated with v N / (N - 1), where N is
    the batch size alone, also for images (where the sample has N H W members; so the original).

    Args:
        momentum: weight of the old running value.
        epsilon: inside the square root.
        **kwargs: of `keras.layers.BatchNormalization`; `scale` defaults to False.

    Source: mnist_svhn_cifar10/nn.py, BatchNormLayer and batch_norm. The original's scripts never
    update or use the running values; ours use them with `training=False`, so that an image does
    not depend on the others it is generated with.
    """

    def __init__(self, momentum=0.9, epsilon=1e-6, scale=False, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, scale=scale, **kwargs)

    def call(self, inputs, training=None, mask=None):
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
