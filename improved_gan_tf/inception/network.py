"""The network of inception-2015-12-05, the one behind every published Inception score and FID.

It was released as a frozen graph in December 2015 (classify_image_graph_def.pb) and is not the
InceptionV3 that other libraries carry. `architecture` is the whole network, written once over a
small builder, so that the Keras model (`inception`), the list of its arrays (`parameters`) and the
GraphDef with the original's node names (`graph_def.py`) cannot differ.

What departs from `keras.applications.InceptionV3`, and why (all because the original has it so):

* (A) The images are resized inside the network, bilinearly as TensorFlow 1 did: see `resize`.
* (B) Pixels 0..255 become (x - 128) * 0.0078125, in [-1, 0.9921875], not x / 127.5 - 1.
* (C) Batch normalisation has a gamma (all ones in the original) and epsilon 0.001; it is applied
  as one affine map folded into the convolution, in inference mode always.
* (D) 1,008 classes, of which 1,000 are ImageNet's, in another order than ILSVRC's.
* (E) The last block's pooling branch takes a maximum where the block before it takes a mean.
* (F) The Inception score uses the logits *without* their bias, since the original's program built
  its softmax on `softmax/logits/MatMul`. Both are outputs here.
* (G) The mean of the last 8 x 8 map is a plain average pool, as in Keras; there is no dropout.
* (H) The factorised 1x7 / 7x1 and 1x3 / 3x1 pairs, the strides and the pool sizes are those of
  Keras; so are the channel counts. Only the order of branches in a join follows the original's
  names: conv, tower, tower_1, tower_2 / pool.

Source: the graph itself; the paper's imagenet and inception_score/model.py use it.
"""

import keras

from improved_gan_tf.inception.resize import ResizeBilinear

IMAGE_SIZE = 299
NUM_FEATURES = 2048
NUM_CLASSES = 1008
EPSILON = 0.001  # of the batch normalisation
MEAN, SCALE = 128.0, 0.0078125  # (x - MEAN) * SCALE


def architecture(build, images):
    """The network over a builder with `preprocess`, `conv`, `max_pool`, `mean_pool`, `join`, `top`.

    Names are those of the original's nodes. In the comments: height x width x channels after the
    line. Padding "same" keeps the size (all such strides are 1), so TensorFlow's and PyTorch's
    conventions agree.

    Args:
        build: the builder.
        images: what its `preprocess` takes: float (N, H, W, 3), values 0..255, any H and W.

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
    a = conv("mixed_3/conv", x, 384, 3, stride=2, padding="valid")
    b = conv("mixed_3/tower/conv", x, 64, 1)
    b = conv("mixed_3/tower/conv_1", b, 96, 3)
    b = conv("mixed_3/tower/conv_2", b, 96, 3, stride=2, padding="valid")
    c = max_pool("mixed_3/pool", x, stride=2, padding="valid")
    x = join("mixed_3/join", [a, b, c])  # 17 x 17 x 768

    x = _block_17("mixed_4", build, x, 128)  # 17 x 17 x 768
    x = _block_17("mixed_5", build, x, 160)  # 17 x 17 x 768
    x = _block_17("mixed_6", build, x, 160)  # 17 x 17 x 768
    x = _block_17("mixed_7", build, x, 192)  # 17 x 17 x 768

    # 17 -> 8
    a = conv("mixed_8/tower/conv", x, 192, 1)
    a = conv("mixed_8/tower/conv_1", a, 320, 3, stride=2, padding="valid")
    b = conv("mixed_8/tower_1/conv", x, 192, 1)
    b = conv("mixed_8/tower_1/conv_1", b, 192, (1, 7))
    b = conv("mixed_8/tower_1/conv_2", b, 192, (7, 1))
    b = conv("mixed_8/tower_1/conv_3", b, 192, 3, stride=2, padding="valid")
    c = max_pool("mixed_8/pool", x, stride=2, padding="valid")
    x = join("mixed_8/join", [a, b, c])  # 8 x 8 x 1280

    x = _block_8("mixed_9", build, x, build.mean_pool)  # 8 x 8 x 2048
    x = _block_8("mixed_10", build, x, max_pool)  # 8 x 8 x 2048; (E)
    return build.top(x)  # pool_3 2048; logits 1008; (D), (F)


def _block_35(name, build, x, pool_channels):
    """1x1 | 1x1, 5x5 | 1x1, 3x3, 3x3 | mean pool, 1x1."""
    conv = build.conv
    a = conv(f"{name}/conv", x, 64, 1)
    b = conv(f"{name}/tower/conv", x, 48, 1)
    b = conv(f"{name}/tower/conv_1", b, 64, 5)
    c = conv(f"{name}/tower_1/conv", x, 64, 1)
    c = conv(f"{name}/tower_1/conv_1", c, 96, 3)
    c = conv(f"{name}/tower_1/conv_2", c, 96, 3)
    d = build.mean_pool(f"{name}/tower_2/pool", x)
    d = conv(f"{name}/tower_2/conv", d, pool_channels, 1)
    return build.join(f"{name}/join", [a, b, c, d])


def _block_17(name, build, x, channels):
    """1x1 | 1x1, 1x7, 7x1 | 1x1, 7x1, 1x7, 7x1, 1x7 | mean pool, 1x1."""
    conv = build.conv
    a = conv(f"{name}/conv", x, 192, 1)
    b = conv(f"{name}/tower/conv", x, channels, 1)
    b = conv(f"{name}/tower/conv_1", b, channels, (1, 7))
    b = conv(f"{name}/tower/conv_2", b, 192, (7, 1))
    c = conv(f"{name}/tower_1/conv", x, channels, 1)
    c = conv(f"{name}/tower_1/conv_1", c, channels, (7, 1))
    c = conv(f"{name}/tower_1/conv_2", c, channels, (1, 7))
    c = conv(f"{name}/tower_1/conv_3", c, channels, (7, 1))
    c = conv(f"{name}/tower_1/conv_4", c, 192, (1, 7))
    d = build.mean_pool(f"{name}/tower_2/pool", x)
    d = conv(f"{name}/tower_2/conv", d, 192, 1)
    return build.join(f"{name}/join", [a, b, c, d])


def _block_8(name, build, x, pool):
    """1x1 | 1x1, (1x3 | 3x1) | 1x1, 3x3, (1x3 | 3x1) | pool, 1x1."""
    conv = build.conv
    a = conv(f"{name}/conv", x, 320, 1)
    b = conv(f"{name}/tower/conv", x, 384, 1)
    b1 = conv(f"{name}/tower/mixed/conv", b, 384, (1, 3))
    b2 = conv(f"{name}/tower/mixed/conv_1", b, 384, (3, 1))
    c = conv(f"{name}/tower_1/conv", x, 448, 1)
    c = conv(f"{name}/tower_1/conv_1", c, 384, 3)
    c1 = conv(f"{name}/tower_1/mixed/conv", c, 384, (1, 3))
    c2 = conv(f"{name}/tower_1/mixed/conv_1", c, 384, (3, 1))
    d = pool(f"{name}/tower_2/pool", x)
    d = conv(f"{name}/tower_2/conv", d, 192, 1)
    return build.join(f"{name}/join", [a, b1, b2, c1, c2, d])


def kernel_size(size):
    """(height, width) of a size given as one number or as that pair."""
    return (size, size) if isinstance(size, int) else tuple(size)


class _Recorder:
    """The builder that only counts channels: what is passed along is their number."""

    def __init__(self):
        self.shapes = {}

    def preprocess(self, images):
        return 3

    def conv(self, name, channels, filters, size, stride=1, padding="same"):
        self.shapes[f"{name}/conv2d_params"] = (*kernel_size(size), channels, filters)
        for part in ("beta", "gamma", "moving_mean", "moving_variance"):
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


def parameters():
    """{name of a node that holds an array: its shape}, in the original's order: 472 arrays.

    Kernels are (height, width, in, out), vectors (out,), softmax/weights (2048, 1008).
    """
    recorder = _Recorder()
    architecture(recorder, None)
    return recorder.shapes


@keras.saving.register_keras_serializable("improved_gan_tf")
class Convolution(keras.layers.Layer):
    """relu(batch_norm(conv(x, kernel))), with the original's five arrays as its weights.

    With s = gamma / sqrt(moving_variance + 0.001) that is
    relu(conv(x, kernel * s) + beta - moving_mean * s): one pass over the activations instead of
    three. The multiplication of the kernel costs under 1 % of a batch of 16.

    Args:
        filters: output channels.
        size: (height, width) of the kernel.
        stride: of both directions.
        padding: "same" or "valid".
    """

    def __init__(self, filters, size, stride=1, padding="same", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.size = tuple(size)
        self.stride = stride
        self.padding = padding

    def build(self, input_shape):
        def vector(name, initializer):
            return self.add_weight(
                shape=(self.filters,), initializer=initializer, trainable=False, name=name
            )

        self.kernel = self.add_weight(
            shape=(*self.size, input_shape[-1], self.filters),
            initializer="glorot_uniform",
            trainable=False,
            name="conv2d_params",
        )
        self.beta = vector("beta", "zeros")
        self.gamma = vector("gamma", "ones")
        self.moving_mean = vector("moving_mean", "zeros")
        self.moving_variance = vector("moving_variance", "ones")

    def call(self, x):
        ops = keras.ops
        scale = self.gamma * ops.rsqrt(self.moving_variance + EPSILON)
        x = ops.conv(x, self.kernel * scale, strides=self.stride, padding=self.padding)
        return ops.relu(x + (self.beta - self.moving_mean * scale))

    def compute_output_shape(self, input_shape):
        return keras.ops.conv(
            keras.KerasTensor(input_shape),
            keras.KerasTensor((*self.size, input_shape[-1], self.filters)),
            strides=self.stride,
            padding=self.padding,
        ).shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "size": self.size,
            "stride": self.stride,
            "padding": self.padding,
        }


@keras.saving.register_keras_serializable("improved_gan_tf")
class Logits(keras.layers.Layer):
    """x W, and x W + b: the logits of the Inception score and those of the classifier; (F)."""

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], NUM_CLASSES), trainable=False, name="weights"
        )
        self.bias = self.add_weight(
            shape=(NUM_CLASSES,), initializer="zeros", trainable=False, name="biases"
        )

    def call(self, x):
        logits = keras.ops.matmul(x, self.kernel)
        return logits, logits + self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0], NUM_CLASSES), (input_shape[0], NUM_CLASSES)


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
        # "same" means over the pixels there are: the border's padding is not counted.
        return keras.layers.AveragePooling2D(3, 1, "same", name=_dots(name))(x)

    def join(self, name, branches):
        return keras.layers.Concatenate(name=_dots(name))(branches)

    def top(self, x):
        pool_3 = keras.layers.GlobalAveragePooling2D(name="pool_3")(x)
        logits, biased = Logits(name="softmax.logits")(pool_3)
        return {"pool_3": pool_3, "logits": logits, "biased_logits": biased}


def build_network(weights=None):
    """The network as a functional `keras.Model`, for inference.

    Input: float32 or uint8 (N, H, W, 3), values 0..255, any N, H, W of 1 or more. Outputs, float32:
    {"pool_3": (N, 2048), the features of FID and KID; "logits": (N, 1008), without bias, of the
    Inception score; "biased_logits": (N, 1008), whose softmax the original calls `softmax:0`}.
    A row does not depend on the others.

    Args:
        weights: {name: array} as `weights.load_weights` returns; None leaves them random.
    """
    images = keras.Input((None, None, 3), name="ExpandDims")
    model = keras.Model(images, architecture(_KerasBuilder(), images), name="inception_2015_12_05")
    model.trainable = False
    if weights is not None:
        set_weights(model, weights)
    return model


def _dots(name):
    return name.replace("/", ".")


def variables(model):
    """{original's name: the variable of the model that holds it}."""
    found = {}
    for layer in model.layers:
        node = layer.name.replace(".", "/")
        if isinstance(layer, Convolution):
            found[f"{node}/conv2d_params"] = layer.kernel
            for part in ("beta", "gamma", "moving_mean", "moving_variance"):
                found[f"{node}/batchnorm/{part}"] = getattr(layer, part)
        elif isinstance(layer, Logits):
            found["softmax/weights"], found["softmax/biases"] = layer.kernel, layer.bias
    return found


def set_weights(model, weights):
    """Puts the arrays {name: array} into the model."""
    for name, variable in variables(model).items():
        variable.assign(weights[name])
