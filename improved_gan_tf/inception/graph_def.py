"""GraphDef files: the arrays of a frozen graph, and the network under the original's names."""

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes
from improved_gan_tf.inception import network

# BatchNormWithGlobalNormalization, as the original has it, could ignore its gamma.
_OLD_BATCH_NORM = "BatchNormWithGlobalNormalization"


def read(data, source):
    """{name: float32 array} of those of `network.parameters()` that the graph holds as constants.

    The graph is parsed, never run or imported.

    Args:
        data: bytes of a serialised GraphDef.
        source: what to call it in messages.

    Raises:
        UserError: not a GraphDef, or a constant of another shape or type.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework.tensor_util import MakeNdarray

    graph = graph_pb2.GraphDef()
    try:
        graph.ParseFromString(data)
    except (DecodeError, RuntimeError) as error:
        raise UserError(f"{source} is not a complete GraphDef; get the file again") from error
    expected = network.parameters()
    found = {}
    for node in graph.node:
        if node.op == "Const" and node.name in expected:
            tensor = node.attr["value"].tensor
            shape = tuple(d.size for d in tensor.tensor_shape.dim)
            if shape != expected[node.name] or tensor.dtype != 1:  # DT_FLOAT
                raise UserError(
                    f"{source}: {node.name} has shape {shape}, expected float32 "
                    f"{expected[node.name]}: another network"
                )
            try:
                found[node.name] = np.array(MakeNdarray(tensor))
            except ValueError as error:
                raise UserError(f"{source}: {node.name} is incomplete; get the file again") from (
                    error
                )
    for node in graph.node:
        if node.op == _OLD_BATCH_NORM and f"{node.name}/gamma" in found:
            if not node.attr["scale_after_normalization"].b:
                found[f"{node.name}/gamma"][:] = 1.0
    return found


def write_graph(path, weights):
    """Writes the network as a frozen GraphDef with the original's node names.

    A program written for classify_image_graph_def.pb runs on it unchanged: it may feed
    `ExpandDims:0` (float (N, H, W, 3), values 0..255), `DecodeJpeg/contents:0` (the bytes of one
    JPEG), `DecodeJpeg:0`, `Cast:0`, `ResizeBilinear:0`, `Sub:0` or `Mul:0`, and fetch `pool_3:0`
    (N, 1, 1, 2048), `pool_3/_reshape:0` (N, 2048), `softmax/logits/MatMul:0` (N, 1008; no bias),
    `softmax/logits:0`, `softmax:0` or any layer. Other than there, N is free, without patching
    shapes. The batch normalisation is one FusedBatchNorm node (the original's operation was
    withdrawn from newer graphs), and the original's CheckNumerics nodes are there but not run.

    Args:
        path: the file; it is whole or absent.
        weights: {name: array}, see `network.parameters`.

    Returns:
        The path.
    """
    data = graph_def(weights).SerializeToString(deterministic=True)
    return write_bytes(path, data)


def graph_def(weights):
    """The GraphDef that `write` writes, as a protocol buffer."""
    builder = _GraphBuilder(weights)
    network.architecture(builder, None)
    return builder.graph


class _GraphBuilder:
    """The builder of `network.architecture` that writes nodes; what is passed along are names."""

    def __init__(self, weights):
        from tensorflow.core.framework import graph_pb2

        self.weights = weights
        self.graph = graph_pb2.GraphDef()
        self.graph.versions.producer = 24  # the first that knows a scalar placeholder's shape

    def node(self, op, name, inputs=(), **attributes):
        import tensorflow as tf

        node = self.graph.node.add(op=op, name=name, input=inputs)
        for key, value in attributes.items():
            entry = node.attr[key]
            if isinstance(value, bool):
                entry.b = value
            elif isinstance(value, tf.DType):
                entry.type = value.as_datatype_enum
            elif isinstance(value, tf.TensorShape):
                entry.shape.CopyFrom(value.as_proto())
            elif isinstance(value, np.ndarray):
                entry.tensor.CopyFrom(tf.make_tensor_proto(value))
            elif isinstance(value, float):
                entry.f = value
            elif isinstance(value, int):
                entry.i = value
            elif isinstance(value, bytes):
                entry.s = value
            else:
                entry.list.i.extend(value)
        return name

    def constant(self, name, value):
        import tensorflow as tf

        value = np.asarray(value)
        return self.node("Const", name, dtype=tf.as_dtype(value.dtype), value=value)

    def parameter(self, name):
        return self.constant(name, np.asarray(self.weights[name], np.float32))

    def preprocess(self, images):
        import tensorflow as tf

        f32 = tf.float32
        contents = self.node(
            "Placeholder", "DecodeJpeg/contents", dtype=tf.string, shape=tf.TensorShape([])
        )
        jpeg = self.node("DecodeJpeg", "DecodeJpeg", [contents], channels=3)
        cast = self.node("Cast", "Cast", [jpeg], SrcT=tf.uint8, DstT=f32)
        dim = self.constant("ExpandDims/dim", np.int32(0))
        one = self.node("ExpandDims", "ExpandDims/one_image", [cast, dim], T=f32, Tdim=tf.int32)
        # The original's ExpandDims is (1, H, W, 3), and programs had to patch every shape to feed
        # more images. This takes any number, or the one decoded image where nothing is fed.
        x = self.node(
            "PlaceholderWithDefault",
            "ExpandDims",
            [one],
            dtype=f32,
            shape=tf.TensorShape([None, None, None, 3]),
        )
        size = self.constant("ResizeBilinear/size", np.full(2, network.IMAGE_SIZE, np.int32))
        x = self.node("ResizeBilinear", "ResizeBilinear", [x, size], T=f32, align_corners=False)
        x = self.node("Sub", "Sub", [x, self.constant("Sub/y", np.float32(network.MEAN))], T=f32)
        return self.node(
            "Mul", "Mul", [x, self.constant("Mul/y", np.float32(network.SCALE))], T=f32
        )

    def conv(self, name, x, filters, size, stride=1, padding="same"):
        import tensorflow as tf

        f32 = tf.float32
        kernel = self.parameter(f"{name}/conv2d_params")
        x = self.node(
            "Conv2D",
            f"{name}/Conv2D",
            [x, kernel],
            T=f32,
            strides=[1, stride, stride, 1],
            padding=padding.upper().encode(),
        )
        norm = f"{name}/batchnorm"
        parts = {
            part: self.parameter(f"{norm}/{part}")
            for part in ("beta", "gamma", "moving_mean", "moving_variance")
        }
        x = self.node(
            "FusedBatchNorm",
            norm,
            [x, parts["gamma"], parts["beta"], parts["moving_mean"], parts["moving_variance"]],
            T=f32,
            epsilon=network.EPSILON,
            is_training=False,
        )
        x = self._checked(name, x)
        return self.node("Relu", name, [x], T=f32)

    def _checked(self, name, x):
        import tensorflow as tf

        message = f"{name}: Inf or NaN".encode()
        self.node("CheckNumerics", f"{name}/CheckNumerics", [x], T=tf.float32, message=message)
        return self.node("Identity", f"{name}/control_dependency", [x], T=tf.float32)

    def max_pool(self, name, x, stride=1, padding="same"):
        return self._pool("MaxPool", name, self._checked(name, x), 3, stride, padding)

    def mean_pool(self, name, x):
        return self._pool("AvgPool", name, self._checked(name, x), 3, 1, "same")

    def _pool(self, op, name, x, size, stride, padding):
        import tensorflow as tf

        return self.node(
            op,
            name,
            [x],
            T=tf.float32,
            ksize=[1, size, size, 1],
            strides=[1, stride, stride, 1],
            padding=padding.upper().encode(),
        )

    def join(self, name, branches):
        import tensorflow as tf

        axis = self.constant(f"{name}/concat_dim", np.int32(3))
        return self.node("Concat", name, [axis, *branches], N=len(branches), T=tf.float32)

    def top(self, x):
        import tensorflow as tf

        f32 = tf.float32
        x = self._pool("AvgPool", "pool_3", self._checked("pool_3", x), 8, 1, "valid")
        shape = self.constant("pool_3/_reshape/shape", np.array([-1, network.NUM_FEATURES], "i4"))
        x = self.node("Reshape", "pool_3/_reshape", [x, shape], T=f32, Tshape=tf.int32)
        weights = self.parameter("softmax/weights")
        x = self.node("MatMul", "softmax/logits/MatMul", [x, weights], T=f32)
        x = self.node("BiasAdd", "softmax/logits", [x, self.parameter("softmax/biases")], T=f32)
        return self.node("Softmax", "softmax", [x], T=f32)
