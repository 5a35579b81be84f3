"""The network of inception-2015-12-05, which every published Inception score and FID used.

It was released as a frozen graph in December 2015 (`classify_image_graph_def.pb`) and is not the
InceptionV3 of other libraries. Here it is rebuilt instead of run (D19). `architecture` states the
whole network once, over a small builder, so that the Keras model (`build_network`), the list of
the arrays (`parameters`) and the GraphDef with the original's names (`graph_def.py`) cannot differ.

Differences from `keras.applications.InceptionV3`, all of which the original has:

* (A) The images are resized inside the network, bilinearly as TensorFlow 1 did: see `resize`.
* (B) Pixels 0..255 become (x - 128) * 0.0078125, in [-1, 0.9921875], not x / 127.5 - 1.
* (C) Batch normalization has a gamma (all ones in the original) and epsilon 0.001. It is applied
  as one affine map folded into the convolution, always in inference mode.
* (D) There are 1,008 classes, 1,000 of them ImageNet's in another order than ILSVRC's.
* (E) The last block's pooling branch takes a maximum where the block before it takes a mean.
* (F) The Inception score uses the logits *without* their bias, because the original program built
  its softmax on `softmax/logits/MatMul`. Both kinds of logits are outputs here.
* (G) Branches are joined in the order of the original's names: conv, tower, tower_1, tower_2/pool.

Strides, kernel and pool sizes, channels and the mean over the last 8 x 8 map are those of Keras.

Source: the graph itself; inception_score/model.py uses it.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from improved_gan_tf.inception.resize import ResizeBilinear

IMAGE_SIZE = 299
NUM_FEATURES = 2048
NUM_CLASSES = 1008
EPSILON = 0.001  # of the batch normalization
BATCH_NORM = ("beta", "gamma", "moving_mean", "moving_variance")
MEAN, SCALE = 128.0, 0.0078125  # (x - MEAN) * SCALE


def architecture(build: Any, images: Any) -> Any:
    """Runs a builder through the network.

    Names are those of the original's nodes. The comments give height x width x channels after the
    line. Padding "same" keeps the size (all such strides are 1), so TensorFlow's and PyTorch's
    conventions agree.

    Args:
        build: An object with the methods `preprocess`, `conv`, `max_pool`, `mean_pool`, `join` and
            `top`, such as `_KerasBuilder`.
        images: The argument of its `preprocess`. In the Keras model: float (N, H, W, 3), values
            0..255, any H and W.

    Returns:
        What its `top` returns.
    """
    conv, max_pool, join = build.conv, build.max_pool, build.join

    x = build.preprocess(images)  # 299 x 299 x 3; (A), (B)
    x = conv("conv", x, 32, 3, stride=2, padding="valid")  # 149 x 149 x 32
    x = conv("conv_1", x, 32, 3, padding="valid")  # 147 x 147 x 32
    x = conv("conv_2", x, 64, 3)  # 147 x 147 x 64
    x = max_pool("pool", x, stride=2, padding="valid")  # 73 x 73 x 64
    x = conv("conv_3", x, 80, 1, padding="valid")  # 73 x 73 x 80
    x = conv("conv_4", x, 192, 3, padding="valid")  # 71 x 71 x 192
    x = max_pool("pool_1", x, stride=2, padding="valid")  # 35 x 35 x 192

    x = _block_35("mixed", build, x, 32)  # 35 x 35 x 256
    x = _block_35("mixed_1", build, x, 64)  # 35 x 35 x 288
    x = _block_35("mixed_2", build, x, 64)  # 35 x 35 x 288

    # 35 -> 17
    half = {"stride": 2, "padding": "valid"}
    a = conv("mixed_3/conv", x, 384, 3, **half)
    b = _chain("mixed_3/tower", build, x, (64, 1), (96, 3))
    b = conv("mixed_3/tower/conv_2", b, 96, 3, **half)
    c = max_pool("mixed_3/pool", x, **half)
    x = join("mixed_3/join", [a, b, c])  # 17 x 17 x 768

    x = _block_17("mixed_4", build, x, 128)  # 17 x 17 x 768
    x = _block_17("mixed_5", build, x, 160)  # 17 x 17 x 768
    x = _block_17("mixed_6", build, x, 160)  # 17 x 17 x 768
    x = _block_17("mixed_7", build, x, 192)  # 17 x 17 x 768

    # 17 -> 8
    a = conv("mixed_8/tower/conv", x, 192, 1)
    a = conv("mixed_8/tower/conv_1", a, 320, 3, **half)
    b = _chain("mixed_8/tower_1", build, x, (192, 1), (192, (1, 7)), (192, (7, 1)))
    b = conv("mixed_8/tower_1/conv_3", b, 192, 3, **half)
    c = max_pool("mixed_8/pool", x, **half)
    x = join("mixed_8/join", [a, b, c])  # 8 x 8 x 1280

    x = _block_8("mixed_9", build, x, build.mean_pool)  # 8 x 8 x 2048
    x = _block_8("mixed_10", build, x, max_pool)  # 8 x 8 x 2048; (E)
    return build.top(x)  # pool_3 2048; logits 1008; (D), (F)


def _chain(name: str, build: Any, x: Any, *convolutions: tuple) -> Any:
    """Convolutions (filters, size) one after the other: NAME/conv, NAME/conv_1 ..."""
    for i, (filters, size) in enumerate(convolutions):
        x = build.conv(f"{name}/conv_{i}" if i else f"{name}/conv", x, filters, size)
    return x


def _block_35(name: str, build: Any, x: Any, pool_channels: int) -> Any:
    a = _chain(name, build, x, (64, 1))
    b = _chain(f"{name}/tower", build, x, (48, 1), (64, 5))
    c = _chain(f"{name}/tower_1", build, x, (64, 1), (96, 3), (96, 3))
    d = build.mean_pool(f"{name}/tower_2/pool", x)
    d = _chain(f"{name}/tower_2", build, d, (pool_channels, 1))
    return build.join(f"{name}/join", [a, b, c, d])


def _block_17(name: str, build: Any, x: Any, n: int) -> Any:
    row, column = (1, 7), (7, 1)
    a = _chain(name, build, x, (192, 1))
    b = _chain(f"{name}/tower", build, x, (n, 1), (n, row), (192, column))
    c = (n, 1), (n, column), (n, row), (n, column), (192, row)
    c = _chain(f"{name}/tower_1", build, x, *c)
    d = build.mean_pool(f"{name}/tower_2/pool", x)
    d = _chain(f"{name}/tower_2", build, d, (192, 1))
    return build.join(f"{name}/join", [a, b, c, d])


def _block_8(name: str, build: Any, x: Any, pool: Any) -> Any:
    row, column = (1, 3), (3, 1)
    a = _chain(name, build, x, (320, 1))
    b = _chain(f"{name}/tower", build, x, (384, 1))
    b1 = build.conv(f"{name}/tower/mixed/conv", b, 384, row)
    b2 = build.conv(f"{name}/tower/mixed/conv_1", b, 384, column)
    c = _chain(f"{name}/tower_1", build, x, (448, 1), (384, 3))
    c1 = build.conv(f"{name}/tower_1/mixed/conv", c, 384, row)
    c2 = build.conv(f"{name}/tower_1/mixed/conv_1", c, 384, column)
    d = pool(f"{name}/tower_2/pool", x)
    d = _chain(f"{name}/tower_2", build, d, (192, 1))
    return build.join(f"{name}/join", [a, b1, b2, c1, c2, d])


def kernel_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size given as one number or as that pair."""
    return (size, size) if isinstance(size, int) else size


class _Recorder:
    """The builder that records the arrays' shapes; it passes the number of channels along."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}

    def preprocess(self, images):
        return 3

    def conv(self, name, channels, filters, size, stride=1, padding="same"):
        self.shapes[f"{name}/conv2d_params"] = (*kernel_size(size), channels, filters)
        for part in BATCH_NORM:
            self.shapes[f"{name}/batchnorm/{part}"] = (filters,)
        return filters

    def max_pool(self, name, channels, stride=1, padding="same"):
        return channels

    def mean_pool(self, name, channels):
        return channels

    def join(self, name, channels):
        return sum(channels)

    def top(self, channels):
        self.shapes["softmax/weights"] = (channels, NUM_CLASSES)
        self.shapes["softmax/biases"] = (NUM_CLASSES,)


def parameters() -> dict[str, tuple[int, ...]]:
    """The names and shapes of the network's 472 arrays, in the original's order.

    Kernels are (height, width, in, out), vectors (out,), softmax/weights (2048, 1008).
    """
    recorder = _Recorder()
    architecture(recorder, None)
    return recorder.shapes


@keras.saving.register_keras_serializable("improved_gan_tf")
class Convolution(keras.layers.Layer):
    """Computes relu(batch_norm(conv(x, kernel))), with the original's five arrays as its weights.

    With s = gamma / sqrt(moving_variance + 0.001) that is
    relu(conv(x, kernel * s) + beta - moving_mean * s): one pass over the activations instead of
    three. Multiplying the kernel takes less than 1 % of the time of a batch of 16.

    Args:
        filters: Number of output channels.
        size: (height, width) of the kernel.
        stride: Stride in both directions. Defaults to 1.
        padding: "same" (the default) or "valid".
    """

    def __init__(
        self,
        filters: int,
        size: tuple[int, int],
        stride: int = 1,
        padding: str = "same",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters, self.size = filters, tuple(size)
        self.stride, self.padding = stride, padding

    def build(self, input_shape: tuple) -> None:
        def weight(name: str, shape: tuple, initializer: str) -> Any:
            return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

        kernel_shape = (*self.size, input_shape[-1], self.filters)
        self.kernel = weight("conv2d_params", kernel_shape, "glorot_uniform")
        self.beta = weight("beta", (self.filters,), "zeros")
        self.gamma = weight("gamma", (self.filters,), "ones")
        self.moving_mean = weight("moving_mean", (self.filters,), "zeros")
        self.moving_variance = weight("moving_variance", (self.filters,), "ones")

    def call(self, x: Any) -> Any:
        ops = keras.ops
        scale = self.gamma * ops.rsqrt(self.moving_variance + EPSILON)
        x = ops.conv(x, self.kernel * scale, strides=self.stride, padding=self.padding)
        return ops.relu(x + (self.beta - self.moving_mean * scale))

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "size": self.size, "stride": self.stride}
        return {**super().get_config(), **own, "padding": self.padding}


@keras.saving.register_keras_serializable("improved_gan_tf")
class Logits(keras.layers.Layer):
    """Returns (x W, x W + b): the logits of the Inception score and those of the classifier; (F).

    Input shape: (N, 2048). Output shapes: both (N, 1008).
    """

    def build(self, input_shape: tuple) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1], NUM_CLASSES), trainable=False, name="weights"
        )
        self.bias = self.add_weight(
            shape=(NUM_CLASSES,), initializer="zeros", trainable=False, name="biases"
        )

    def call(self, x: Any) -> tuple[Any, Any]:
        logits = keras.ops.matmul(x, self.kernel)
        return logits, logits + self.bias


class _KerasBuilder:
    """The builder of the Keras model. Layer names are the original's with "." for "/"."""

    def preprocess(self, images):
        x = ResizeBilinear(IMAGE_SIZE, name="ResizeBilinear")(images)
        return keras.layers.Rescaling(SCALE, -MEAN * SCALE, name="Mul")(x)

    def conv(self, name, x, filters, size, stride=1, padding="same"):
        return Convolution(filters, kernel_size(size), stride, padding, name=_dots(name))(x)

    def max_pool(self, name, x, stride=1, padding="same"):
        return keras.layers.MaxPooling2D(3, stride, padding, name=_dots(name))(x)

    def mean_pool(self, name, x):
        # Padding is not counted: at the border, "same" takes the mean over fewer pixels.
        return keras.layers.AveragePooling2D(3, 1, "same", name=_dots(name))(x)

    def join(self, name, branches):
        return keras.layers.Concatenate(name=_dots(name))(branches)

    def top(self, x):
        pool_3 = keras.layers.GlobalAveragePooling2D(name="pool_3")(x)
        logits, biased = Logits(name="softmax.logits")(pool_3)
        return {"pool_3": pool_3, "logits": logits, "biased_logits": biased}


def _dots(name: str) -> str:
    return name.replace("/", ".")


def build_network(weights: Mapping[str, np.ndarray] | None = None) -> keras.Model:
    """Builds the network as a functional Keras model for inference.

    Input: float32 or uint8 (N, H, W, 3), values 0..255, any N, H and W of at least 1. The outputs
    of an image do not depend on the other images of the batch.

    Args:
        weights: The arrays by name, as `load_weights` returns them. None leaves Keras' initial
            values.

    Returns:
        A `keras.Model` with a dictionary of float32 outputs: "pool_3" (N, 2048), the features of
        FID and KID; "logits" (N, 1008), without bias, of the Inception score; "biased_logits"
        (N, 1008), whose softmax is the original's `softmax:0`.

    Example:

    >>> from improved_gan_tf import inception
    >>> model = inception.build_network(inception.random_weights(seed=1))
    >>> images = np.zeros((2, 32, 32, 3), "uint8")
    >>> {name: output.shape[1] for name, output in model(images).items()}
    {'pool_3': 2048, 'logits': 1008, 'biased_logits': 1008}
    """
    images = keras.Input((None, None, 3), name="ExpandDims")
    model = keras.Model(images, architecture(_KerasBuilder(), images), name="inception_2015_12_05")
    model.trainable = False
    if weights is not None:
        set_weights(model, weights)
    return model


def variables(model: keras.Model) -> dict[str, Any]:
    """The model's variables by the original's names."""
    found = {}
    for layer in model.layers:
        node = layer.name.replace(".", "/").removesuffix("/logits")
        for variable in layer.weights:
            part = "batchnorm/" if variable.name in BATCH_NORM else ""
            found[f"{node}/{part}{variable.name}"] = variable
    return found


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Assigns the arrays to the model's variables of the same names."""
    for name, variable in variables(model).items():
        variable.assign(weights[name])
