"""Networks and an objective of one's own: any two Keras models, kept in a run's folder.

    python -m improved_gan_tf.examples.own_network runs/own-network

The same command goes on with a run that was stopped; then, for example,

    improved-gan sample runs/own-network
    improved-gan evaluate runs/own-network --data digits
"""

import argparse
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

import improved_gan_tf as ig


def generator() -> keras.Model:
    """Latent vectors in 0..1 to images (8, 8, 1) in 0..1, as a `Sequential`."""
    return keras.Sequential(
        [
            keras.Input((50,)),
            layers.Dense(2 * 2 * 64, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Reshape((2, 2, 64)),
            layers.Conv2DTranspose(32, 5, 2, "same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 5, 2, "same", activation="sigmoid"),
        ]
    )


def classifier() -> keras.Model:
    """Images to 10 logits. Feature matching compares the layer named "features".

    A subclassed model does, too. For the commands to load it from the run's folder, its class must
    be registered (`keras.saving.register_keras_serializable`) in a process that imports it.
    """
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            ig.layers.HashedGaussianNoise(0.15),
            layers.Conv2D(32, 3, 1, "same", activation="leaky_relu"),
            layers.Conv2D(64, 3, 2, "same", activation="leaky_relu"),
            layers.Dropout(0.5),
            ig.layers.WeightNorm(layers.Conv2D(64, 3, 1, "same", activation="leaky_relu")),
            layers.GlobalAveragePooling2D(name="features"),
            layers.Dense(10),
        ]
    )


def uncertainty(logits_fake: Any) -> Any:
    """Small where each generated image clearly belongs to some class."""
    p = keras.ops.softmax(logits_fake)
    return -keras.ops.mean(keras.ops.sum(p * keras.ops.log(p + 1e-8), axis=1))


def main(arguments: Sequence[str] | None = None) -> Any:
    """Runs the example; returns the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default="runs/own-network", metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="one epoch, to see that it runs")
    options = parser.parse_args(arguments)
    epochs = 1 if options.quick else options.epochs

    data = ig.data.load("digits", labels_per_class=10, batch_size=50)
    keras.utils.set_random_seed(1)
    gan = ig.models.SemiSupervisedGAN(generator(), classifier(), seed=1, average_rate=1e-3)
    gan.compile(
        generator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        objective=["feature_matching", ig.models.Objective(uncertainty, weight=0.01)],
        metrics=["sparse_categorical_accuracy"],
    )
    ig.layers.initialize_from_data(gan.discriminator, data.initialization_images)
    run = ig.runs.RunFolder(options.out)
    first = run.restore(gan)  # epochs that are done; 0 in a new folder
    data.start_epoch = first
    gan.fit(
        data.train,
        initial_epoch=first,
        epochs=epochs,
        validation_data=data.test,
        callbacks=ig.callbacks.standard(run, resume=True),
        shuffle=False,
        verbose=2,
    )
    return gan


if __name__ == "__main__":
    main()
