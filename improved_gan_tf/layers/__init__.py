"""The paper's layers, in `keras.ops` alone: for the TensorFlow, JAX and PyTorch backends."""

from improved_gan_tf.layers.centered_conv_transpose import CenteredConv2DTranspose
from improved_gan_tf.layers.cross_batch_norm import CrossBatchNorm
from improved_gan_tf.layers.data_dependent import (
    DataDependent,
    couples_examples,
    initialize_from_data,
    walk,
)
from improved_gan_tf.layers.dense import Dense
from improved_gan_tf.layers.freeze_reference import freeze_reference
from improved_gan_tf.layers.hashed_gaussian_noise import HashedGaussianNoise
from improved_gan_tf.layers.joint_minibatch_discrimination import JointMinibatchDiscrimination
from improved_gan_tf.layers.minibatch_discrimination import MinibatchDiscrimination
from improved_gan_tf.layers.reference_batch import DropReference, ReferenceBatch
from improved_gan_tf.layers.split_batch_norm import SplitBatchNorm
from improved_gan_tf.layers.unbiased_batch_normalization import UnbiasedBatchNormalization
from improved_gan_tf.layers.virtual_batch_norm import VirtualBatchNorm
from improved_gan_tf.layers.weight_norm import WeightNorm

__all__ = [
    "CenteredConv2DTranspose",
    "CrossBatchNorm",
    "DataDependent",
    "Dense",
    "DropReference",
    "HashedGaussianNoise",
    "JointMinibatchDiscrimination",
    "MinibatchDiscrimination",
    "ReferenceBatch",
    "SplitBatchNorm",
    "UnbiasedBatchNormalization",
    "VirtualBatchNorm",
    "WeightNorm",
    "couples_examples",
    "freeze_reference",
    "initialize_from_data",
    "walk",
]
