"""The recipes: those of the original's scripts, our own (digits, D16, D25), and later work.

`improved-gan train NAME` runs one, `improved-gan recipes NAME` lists its values. All times are of
two cores of an AMD EPYC processor; reference/results/README.md has every figure and its machine.
"""

import dataclasses
from typing import Any

from improved_gan_tf.experiments.recipe import ImageNetRecipe, Recipe, SemiSupervisedRecipe

DIGITS = SemiSupervisedRecipe(
    name="digits",
    summary="scikit-learn's 8x8 digits, 10 labels per class, under a minute, no download",
    expected="19 s, and 8 s for the baseline; test error 2.48 % (mean of 5 seeds, 1.6 to 3.8), "
    "supervised-only baseline 8.24 %",
    data="digits",
    network="dense",
    # Half of MNIST's input noise: an 8x8 digit has a twelfth of the pixels to average it over.
    generator={"image_shape": [8, 8, 1], "latent_dim": 50, "units": [128, 128]},
    discriminator={
        "image_shape": [8, 8, 1],
        "units": [256, 128, 64, 64, 64],
        "input_noise": 0.15,
        "hidden_noise": 0.5,
    },
    average_rate=1e-3,
    epochs=200,
    batch_size=50,
    baseline=True,
)

# For its samples, as CIFAR-10's and MNIST's. Chosen from twelve, one seed each, by the Frechet
# distance of 2,000 samples from the training images, in a classifier's features: 6.1, and 14.6 with
# this objective alone. More noise of the input and more steps at a falling rate did most.
DIGITS_MBD = dataclasses.replace(
    DIGITS,
    name="digits-minibatch-discrimination",
    summary="the embedded 8x8 digits with minibatch discrimination: samples of better quality",
    expected="about 75 s; for its samples; test error 3.6 % (3 seeds, 2.8 to 4.0)",
    discriminator={
        **DIGITS.discriminator,
        "input_noise": 0.3,
        "minibatch_kernels": 50,
        "minibatch_dims": 5,
    },
    objective="minibatch_discrimination",
    learning_rate=0.001,
    learning_rate_decay=0.67,
    epochs=600,
    baseline=False,
)

MNIST = SemiSupervisedRecipe(
    name="mnist-feature-matching",
    summary="MNIST, 10 labels per class, feature matching (paper: 0.93 +- 0.07 % errors)",
    expected="about 21 s per epoch; test error 0.91 % (10 seeds with JAX, 0.80 to 1.14), "
    "supervised-only baseline 24.6 %",
    data="mnist",
    network="dense",
    generator={"latent_dim": 100, "units": [500, 500]},
    discriminator={"units": [1000, 500, 250, 250, 250], "input_noise": 0.3, "hidden_noise": 0.5},
)

# The paper's networks and losses with a rate that falls, an average over 1,000 steps, Bad GAN's
# conditional entropy, and products of bfloat16 numbers.
MNIST_FAST = dataclasses.replace(
    MNIST,
    name="mnist-fast",
    summary="MNIST, 10 labels per class, in 45 epochs: a falling rate and conditional entropy",
    expected="about 9 minutes; test error 1.65 % (10 seeds, 1.3 to 3.0), not the paper's 0.93",
    generator={**MNIST.generator, "matmul_precision": "bfloat16"},
    discriminator={**MNIST.discriminator, "matmul_precision": "bfloat16"},
    conditional_entropy=0.1,
    learning_rate=0.0015,
    learning_rate_decay=0.6,
    average_rate=1e-3,
    epochs=45,
)

# The affine transformations of `transformed` take the place of the conditional entropy, which fixes
# wrong classes early where there are few labels. With less noise on the images than 0.4 the
# discriminator wins.
MNIST_BEST = dataclasses.replace(
    MNIST_FAST,
    name="mnist-best",
    summary="MNIST, 10 labels per class, in 50 epochs: consistency under affine transformations",
    expected="30 minutes on one busy core; test error 0.87 % (5 seeds, 0.80 to 0.95); of ten "
    "seeds with JAX one had 2.80 %",
    discriminator={**MNIST_FAST.discriminator, "input_noise": 0.4},
    conditional_entropy=0.0,
    transformed=1.0,
    transformed_zoom=0.2,
    transformed_shear=0.25,
    learning_rate=0.003,
    learning_rate_decay=0.4,
    epochs=50,
)

MNIST_LABELS = dataclasses.replace(
    MNIST,
    name="mnist-custom-labels",
    summary="MNIST's test set with labels from a file: --labels-file FILE",
    expected="80 steps per epoch in place of 600; the error depends on the labels",
    labels_part="test",
)

# Its values (D16): kernels, generator steps and learning rate are those of the CIFAR-10 script, the
# rest MNIST's. At MNIST's rate of 0.003 the discriminator wins within an epoch, and the generator,
# whose gradient is then 0, stops learning.
MNIST_MBD = dataclasses.replace(
    MNIST,
    name="mnist-minibatch-discrimination",
    summary="MNIST with minibatch discrimination: samples of better quality (figure 3)",
    expected="12 epochs in 2,021 s, shared with other programs; test error 6.99 % then (current "
    "parameters): it is for its samples; those of convolutional networks are better (see "
    "reference/results)",
    discriminator={**MNIST.discriminator, "minibatch_kernels": 100, "minibatch_dims": 5},
    objective="minibatch_discrimination",
    generator_steps=3,
    learning_rate=0.0003,
    epochs=20,
)

# The learning rate is 0.0003 * min(3 - epoch / 400, 1).
CIFAR10 = SemiSupervisedRecipe(
    name="cifar10-feature-matching",
    summary="CIFAR-10, 400 labels per class, feature matching (paper: 18.63 +- 2.32 % errors)",
    expected="500 steps per epoch of 1.87 s (1.13 s with --mixed-precision); with --width 0.25 "
    "--epochs 40 --learning-rate 0.001 --mixed-precision 5,300 s on one core, test error 38.7 %, "
    "supervised-only baseline 42.2 % (3 seeds); with JAX 4 ms per step on an H100",
    data="cifar10",
    scaling="cifar10",
    network="convolutional",
    generator={"latent_dim": 100, "channels": [512, 256, 128]},
    discriminator={"channels": [96, 192], "input_dropout": 0.2, "dropout": 0.5},
    feature_distance="absolute",
    learning_rate=0.0003,
    learning_rate_decay=1 / 3,
    epochs=1200,
    labels_per_class=400,
    initialization="labeled",
    initialize_generator=True,
)

# Both scripts of minibatch discrimination have CIFAR-10's channels.
_MBD = {"input_dropout": 0.0, "input_noise": 0.2, "minibatch_kernels": 100, "minibatch_dims": 5}

CIFAR10_MBD = dataclasses.replace(
    CIFAR10,
    name="cifar10-minibatch-discrimination",
    summary="CIFAR-10 with minibatch discrimination: samples of better quality (figure 4)",
    expected="500 steps per epoch of 2.77 s; with --width 0.25 --epochs 10 --mixed-precision "
    "2,056 s on one core",
    objective="minibatch_discrimination",
    generator_steps=3,
    discriminator={**CIFAR10.discriminator, **_MBD},
)

# The learning rate is 0.0003 * min(3 - epoch / 300, 1).
SVHN = dataclasses.replace(
    CIFAR10,
    name="svhn-feature-matching",
    summary="SVHN, 100 labels per class, feature matching (paper: 8.11 +- 1.3 % errors)",
    expected="1.18 s per step; no run on SVHN itself has been made yet",
    data="svhn_cropped",
    scaling="symmetric",
    discriminator={**CIFAR10.discriminator, "channels": [64, 128]},
    epochs=900,
    labels_per_class=100,
)

SVHN_MBD = dataclasses.replace(
    SVHN,
    name="svhn-minibatch-discrimination",
    summary="SVHN with minibatch discrimination",
    expected="2.82 s per step; no run on SVHN itself has been made yet",
    objective="minibatch_discrimination",
    generator_steps=3,
    discriminator={**CIFAR10.discriminator, **_MBD},
)

# Feature matching as Lecouat et al. (2018, arXiv:1805.08957) train it, whose code is public: the
# maximum over the image, every scale trained, no initialization from data, a rate that falls at the
# end alone, and the consistency of the logits along the generator's manifold.
_MANIFOLD: dict[str, Any] = {
    "consistency": 1e-3,
    "initialization": "none",
    "initialize_generator": False,
}
_MANIFOLD_DISCRIMINATOR = {"pooling": "max", "train_scale": True}

CIFAR10_BETTER = dataclasses.replace(
    CIFAR10,
    name="cifar10-better",
    summary="CIFAR-10, 400 labels per class, consistency on generated images (published: 14.45 +- "
    "0.21 % errors)",
    expected="2,000 steps per epoch of 1.27 s; it has not been run to the end here, and in a short "
    "run of a quarter of the width (4,500 steps) its changes make the error 4.5 points larger",
    discriminator={**CIFAR10.discriminator, **_MANIFOLD_DISCRIMINATOR},
    learning_rate_decay=1 / 7,
    epochs=1400,
    batch_size=25,
    **_MANIFOLD,
)

SVHN_BETTER = dataclasses.replace(
    SVHN,
    name="svhn-better",
    summary="SVHN, 100 labels per class, consistency on generated images (published: 4.51 +- 0.22 "
    "% errors)",
    expected="2.75 s per step; no run on SVHN itself has been made yet",
    discriminator={**SVHN.discriminator, **_MANIFOLD_DISCRIMINATOR},
    learning_rate_decay=1 / 4,
    epochs=400,
    **_MANIFOLD,
)

# The original's batch is 16 on each of its GPUs, and it trains until it is stopped (D23).
IMAGENET = ImageNetRecipe(
    name="imagenet",
    summary="ImageNet at 128x128, virtual batch normalization, on one device or many",
    expected="2.98 s per step and 5.4 GiB; only 300 steps at an eighth of the width have been run",
    data="imagenet2012",
    image_size=128,
    network="imagenet",
    generator={
        "latent_dim": 8192,
        "channels": 64,
        "reference_size": 16,
        "output_stddev": 0.075,
        "output_bias": -0.45,
    },
    discriminator={"channels": 64, "minibatch_kernels": 300, "minibatch_dims": 50},
    learning_rate=0.0004,
    epochs=500,
    batch_size=16,
)

# The model of table 3, for which the original published nothing: ImageNet's at this size (D25).
CIFAR10_SAMPLES = dataclasses.replace(
    IMAGENET,
    name="cifar10-samples",
    summary="CIFAR-10, all labels, for samples: the model of table 3 (paper: Inception score 8.09)",
    expected="with --width 0.25 --mixed-precision --batch-size 32 0.4 s of one core per step and "
    "cars and animals after 15,000; at full width about 13 s, so that its 200,000 steps are for a "
    "GPU (estimated: 4 to 8 hours)",
    data="cifar10",
    image_size=32,
    generator={
        "image_shape": [32, 32, 3],
        # As in the other CIFAR-10 recipes: 8,192 variables are for 128x128.
        "latent_dim": 100,
        "channels": 64,
        "reference_size": 16,
        # ImageNet's 0.075 and -0.45 begin with dark noise that saturates tanh. From these the
        # generator's loss after 500 steps is 1.0 and not 1.6 (one run each, --width 0.125).
        "output_stddev": 0.02,
        "output_bias": 0.0,
    },
    # Kernels as there too: 1.3 million weights, in place of the 38 million of ImageNet's.
    discriminator={
        "image_shape": [32, 32, 3],
        "num_classes": 10,
        "channels": 64,
        "minibatch_kernels": 100,
        "minibatch_dims": 5,
    },
    epochs=200,
    batch_size=64,
)

_SEMI_SUPERVISED = (
    *(DIGITS, DIGITS_MBD, MNIST, MNIST_FAST, MNIST_BEST, MNIST_LABELS, MNIST_MBD),
    *(CIFAR10, CIFAR10_MBD, CIFAR10_BETTER, SVHN, SVHN_MBD, SVHN_BETTER),
)
ALL: tuple[Recipe, ...] = (*_SEMI_SUPERVISED, IMAGENET, CIFAR10_SAMPLES)
"""The recipes of the package, in the order in which they are listed."""
