"""Arrays of one's own, ten labels per class and -1 for all other images; small networks.

    python -m improved_gan_tf.examples.own_arrays              the embedded 8x8 digits
    python -m improved_gan_tf.examples.own_arrays mnist.npz    x_train, y_train, x_test, y_test

Trains a GAN and, to compare, the supervised-only baseline, which sees the labeled images alone.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

import improved_gan_tf as ig


def arrays(file: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, H, W), uint8 or floats in 0..1, and their classes: for training, for testing."""
    source = ig.data.open(f"npz:{file}" if file else "digits")
    (x, y), (x_test, y_test) = source.arrays("train"), source.arrays("test")
    if source.maximum != 255:
        x, x_test = x / source.maximum, x_test / source.maximum
    return x, y, x_test, y_test


def with_few_labels(y: np.ndarray, labels_per_class: int, seed: int) -> np.ndarray:
    """The labels of `labels_per_class` random images of each class, -1 for all others."""
    kept = ig.data.labeled_indices(y, labels_per_class, seed)
    found = np.full_like(y, -1)
    found[kept] = y[kept]
    return found


def generator(image_shape: Sequence[int]) -> keras.Model:
    """Latent vectors in 0..1 to images in 0..1."""
    stack: list[Any] = [keras.Input((64,))]
    for _ in range(2):
        stack += [layers.Dense(256, use_bias=False), layers.BatchNormalization()]
        stack += [layers.Activation("softplus")]
    stack += [layers.Dense(int(np.prod(image_shape)), activation="sigmoid")]
    return keras.Sequential([*stack, layers.Reshape(image_shape)])


def classifier(image_shape: Sequence[int], num_classes: int) -> keras.Model:
    """Images to one logit per class; feature matching compares the layer named "features"."""
    stack: list[Any] = [
        keras.Input(image_shape),
        layers.Flatten(),
        ig.layers.HashedGaussianNoise(0.3),
    ]
    for units, name in ((500, None), (250, None), (250, "features")):
        dense = layers.Dense(units, activation="relu")
        stack += [ig.layers.WeightNorm(dense, name=name), ig.layers.HashedGaussianNoise(0.5)]
    return keras.Sequential([*stack, ig.layers.WeightNorm(layers.Dense(num_classes))])


def train(data: Any, epochs: int, seed: int, objective: str) -> Any:
    """A trained model; "supervised" as objective trains the supervised-only baseline."""
    keras.utils.set_random_seed(seed)
    pair = generator(data.image_shape), classifier(data.image_shape, data.num_classes)
    gan = ig.models.SemiSupervisedGAN(*pair, seed=seed, average_rate=1e-3)
    gan.compile(objective=objective, jit_compile=True)
    ig.layers.initialize_from_data(gan.discriminator, data.initialization_images)
    data.start_epoch = 0
    gan.fit(data.train, epochs=epochs, shuffle=False, verbose=0)
    return gan


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Runs the example; returns the errors by what was trained, in 0..1."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("file", nargs="?", metavar="FILE.npz")
    add("--labels-per-class", type=int, default=10)
    add("--steps", type=int, default=5_000)
    add("--seed", type=int, default=1)
    add("--validation", action="store_true", help="test on a tenth of the training images instead")
    add("--quick", action="store_true", help="once over the images, to see that it runs")
    options = parser.parse_args(arguments)
    x, y, x_test, y_test = arrays(options.file)
    if options.validation:
        cut = len(x) * 9 // 10
        x, y, x_test, y_test = x[:cut], y[:cut], x[cut:], y[cut:]
    y = with_few_labels(y, options.labels_per_class, options.seed)
    data = ig.data.from_arrays(
        x, y, test=(x_test, y_test), name="mine", batch_size=100, seed=options.seed
    )
    print(data.summary())
    epochs = 1 if options.quick else -(-options.steps // data.steps_per_epoch)
    errors = {}
    for name, objective in (("GAN", "feature_matching"), ("supervised-only", "supervised")):
        begin = time.perf_counter()
        gan = train(data, epochs, options.seed, objective)
        errors[name] = gan.evaluate(data.test, verbose=0, return_dict=True)["error"]
        seconds = time.perf_counter() - begin
        print(f"{name}: test error {100 * errors[name]:.2f} %, {seconds:.0f} s", flush=True)
    return errors


if __name__ == "__main__":
    main()
