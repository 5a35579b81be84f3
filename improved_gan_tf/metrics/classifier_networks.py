"""Small classifiers of small images: functions of images in 0..255, with a layer "features"."""

from collections.abc import Callable

import keras

Shape = tuple[int, int, int]


def convolutional(image_shape: Shape, num_classes: int, mirror: bool = False) -> keras.Model:
    """Two convolutions with stride 2 and two dense layers, for images like MNIST's.

    The layer "features" has 128 numbers, after a relu. Any size from 4 x 4 will do.

    Args:
        image_shape: (H, W, C), three integers.
        num_classes: The number of classes, an integer.
        mirror: Whether half of the images are mirrored in training. Default False.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(image_shape, name="images"),
            layers.Rescaling(1 / 255),
            *([layers.RandomFlip("horizontal")] if mirror else []),
            layers.Conv2D(32, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(128, activation="relu", name="features"),
            layers.Dropout(0.25),
            layers.Dense(num_classes, name="logits"),
        ]
    )


def residual(image_shape: Shape, num_classes: int, mirror: bool = False) -> keras.Model:
    """A residual network of eight layers, for images of about 32 x 32 pixels like CIFAR-10's.

    3x3 convolutions with batch normalization and relu: 32 channels; 64 and then 128 with stride 2,
    each followed by a residual block of two; the mean over all places, "features" (128 numbers, at
    least 0); a dense layer. In training the images are shifted by up to an eighth of their size at
    random. (K. He et al., Deep Residual Learning for Image Recognition, 2016.)

    Args:
        image_shape: (H, W, C), three integers.
        num_classes: The number of classes, an integer.
        mirror: Whether half of the images are mirrored in training. Default False.
    """
    layers = keras.layers

    def convolution(x, channels, strides=1):
        start = keras.initializers.HeNormal()
        x = layers.Conv2D(channels, 3, strides, "same", use_bias=False, kernel_initializer=start)(x)
        return layers.BatchNormalization()(x)

    images = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    if mirror:
        x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomTranslation(1 / 8, 1 / 8, "constant", interpolation="nearest")(x)
    x = layers.ReLU()(convolution(x, 32))
    for channels in (64, 128):
        x = layers.ReLU()(convolution(x, channels, 2))
        inner = layers.ReLU()(convolution(x, channels))
        x = layers.ReLU()(layers.Add()([x, convolution(inner, channels)]))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(x))


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "convolutional": convolutional,
    "residual": residual,
}
"""The networks by name."""


def default_network(image_shape: Shape) -> str:
    """Returns the name of the network for images of this shape: residual from 32 x 32 on."""
    return "residual" if min(image_shape[:2]) >= 32 else "convolutional"
