"""Both models, small and compiled, with data for `fit`."""

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, models, networks
from improved_gan_tf.models import smoothness

BATCH = 10
SHAPE = (8, 8, 1)


def semi_supervised_gan(seed=1, image_range=(0.0, 1.0), **compile_arguments):
    keras.utils.set_random_seed(seed)
    gan = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8, 8)),
        networks.dense.discriminator(SHAPE, 3, (12, 8), 0.3, 0.3),
        seed=seed,
        image_range=image_range,
    )
    gan.compile(**{"jit_compile": False, **compile_arguments})
    return gan


# With everything that later work has added.
TERMS = [
    models.DiscriminatorTerm(losses.conditional_entropy, 0.1),
    models.DiscriminatorTerm(smoothness.generated_consistency, 0.01),
    models.DiscriminatorTerm(smoothness.transformed, 0.3, threshold=0.3),
    models.DiscriminatorTerm(smoothness.virtual_adversarial, radius=1.0),
]
OBJECTIVE = [
    "feature_matching",
    models.Objective(losses.pull_away, 0.8),
    models.Objective(losses.latent_likelihood, 0.01),
]


def later_gan(seed=1, image_range=(0.0, 1.0), **compile_arguments):
    keras.utils.set_random_seed(seed)
    gan = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8, 8)),
        networks.dense.discriminator(SHAPE, 3, (12, 8), 0.3, 0.3, train_scale=True),
        seed=seed,
        image_range=image_range,
        encoder=networks.dense.encoder(SHAPE, 6, (9,)),
    )
    values = {"objective": OBJECTIVE, "discriminator_terms": TERMS, "average_start": 2}
    gan.compile(**{"jit_compile": False, **values, **compile_arguments})
    return gan


def imagenet_gan(seed=3, image_range=(-1.0, 1.0), **compile_arguments):
    keras.utils.set_random_seed(seed)
    size = {"width": 0.0625, "image_shape": SHAPE}
    gan = models.ImageNetGAN(
        networks.imagenet.generator(reference_size=4, **size),
        networks.imagenet.discriminator(num_classes=3, minibatch_dims=3, **size),
        seed=seed,
        image_range=image_range,
    )
    gan.compile(**compile_arguments)
    return gan


def plain_gan(seed=3, image_range=(-1.0, 1.0), **compile_arguments):
    """Two classes, one logit, ordinary batch normalization in both players: a DCGAN."""
    keras.utils.set_random_seed(seed)
    size = {"width": 0.0625, "image_shape": SHAPE, "normalization": "batch"}
    gan = models.ImageNetGAN(
        networks.imagenet.generator(noise_maps=False, **size),
        networks.imagenet.discriminator(num_classes=0, minibatch_kernels=0, **size),
        seed=seed,
        image_range=image_range,
        noise=0.0,
    )
    gan.compile(**{"smoothing": 0.0, "generator_target": 1.0, **compile_arguments})
    return gan


def labeled(examples=4 * BATCH, seed=0):
    rng = np.random.RandomState(seed)
    x = rng.uniform(size=(examples, *SHAPE)).astype("float32")
    return x, rng.randint(3, size=examples).astype("int32")


def batches(elements):
    dataset = tf.data.Dataset.from_tensor_slices(elements)
    return dataset.batch(BATCH, drop_remainder=True)


def three_streams(seed=0):
    x, y = labeled(seed=seed)
    return batches(
        {"labeled": (x, y), "unlabeled": x[::-1], "unlabeled_generator": x[::2].repeat(2, 0)}
    )


# name: (the model, its training data)
MODELS = {
    "semi-supervised": (semi_supervised_gan, three_streams),
    "later": (later_gan, three_streams),
    "imagenet": (imagenet_gan, lambda seed=0: batches(labeled(seed=seed))),
    "plain": (
        lambda **values: plain_gan(**{"historical_averaging": 0.01, **values}),
        lambda seed=0: batches(labeled(seed=seed)),
    ),
}


def state(gan):
    """Every number that the future of the model depends on."""
    found = [*gan.variables]
    found += gan.generator_optimizer.variables + gan.discriminator_optimizer.variables
    metrics = {id(v) for m in gan.metrics for v in m.variables}
    return [np.asarray(v) for v in found if id(v) not in metrics]


def assert_same(a, b):
    for x, y in zip(state(a), state(b), strict=True):
        np.testing.assert_array_equal(x, y)
