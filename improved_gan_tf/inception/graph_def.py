"""GraphDef files: reading the arrays of a frozen graph, and writing the network as one."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes
from improved_gan_tf.inception import network

# Where an attribute of a node holds a plain value.
_SCALARS = {bool: "b", float: "f", int: "i", bytes: "s"}
# BatchNormWithGlobalNormalization, as the original has it, could ignore its gamma.
_OLD_BATCH_NORM = "BatchNormWithGlobalNormalization"


def read(data: bytes, source: str) -> dict[str, np.ndarray]:
    """Reads the network's arrays that a graph holds as constants.

    The graph is parsed, never run or imported.

    Args:
        data: A serialized GraphDef.
        source: What to call it in messages.

    Returns:
        Float32 arrays by those names of `network.parameters()` that the graph has.

    Raises:
        UserError: It is not a GraphDef, or a constant has another shape or type.
    """
    graph = tf.compat.v1.GraphDef()
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
            if shape != expected[node.name] or tensor.dtype != tf.float32.as_datatype_enum:
                raise UserError(
                    f"{source}: {node.name} has shape {shape}, expected float32 "
                    f"{expected[node.name]}: another network"
                )
            try:
                found[node.name] = np.array(tf.make_ndarray(tensor))
            except ValueError as error:
                message = f"{source}: {node.name} is incomplete; get the file again"
                raise UserError(message) from error
    for node in graph.node:
        if node.op == _OLD_BATCH_NORM and f"{node.name}/gamma" in found:
            if not node.attr["scale_after_normalization"].b:
                found[f"{node.name}/gamma"][:] = 1.0
    return found


def write_graph(path: str | os.PathLike, weights: Mapping[str, np.ndarray]) -> Path:
    """Writes the network as a frozen GraphDef with the original's node names.

    A program written for `classify_image_graph_def.pb` runs on it unchanged. It may feed
    `ExpandDims:0` (float (N, H, W, 3), values 0..255), `DecodeJpeg/contents:0` (the bytes of one
    JPEG), `DecodeJpeg:0`, `Cast:0`, `ResizeBilinear:0`, `Sub:0` or `Mul:0`, and fetch `pool_3:0`
    (N, 1, 1, 2048), `pool_3/_reshape:0` (N, 2048), `softmax/logits/MatMul:0` (N, 1008; without
    bias), `softmax/logits:0`, `softmax:0` or any layer. Unlike there, N is free without patching
    shapes. Batch normalization is one FusedBatchNorm node, because the original's operation was
    withdrawn from newer graphs; the original's CheckNumerics nodes are there but not run.

    Args:
        path: The file, which is whole or absent.
        weights: The arrays by name, see `network.parameters`.

    Returns:
        The path.

    Raises:
        UserError: The file cannot be written.

    Example:

    >>> from improved_gan_tf import inception
    >>> path = inception.write_graph("graph.pb", inception.random_weights(seed=1))
    >>> tf.compat.v1.GraphDef.FromString(path.read_bytes()).node[-1].name
    'softmax'
    """
    return write_bytes(path, graph_def(weights).SerializeToString(deterministic=True))


def graph_def(weights: Mapping[str, np.ndarray]) -> Any:
    """The `tf.compat.v1.GraphDef` that `write_graph` writes."""
    builder = _GraphBuilder(weights)
    network.architecture(builder, None)
    return builder.graph


class _GraphBuilder:
    """The builder for `network.architecture` that writes nodes; it passes their names along."""

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self.weights = weights
        self.graph = tf.compat.v1.GraphDef()
        self.graph.versions.producer = 24  # the first that knows a scalar placeholder's shape

    def node(self, op: str, name: str, inputs: Iterable[str] = (), **attributes: Any) -> str:
        node = self.graph.node.add(op=op, name=name, input=inputs)
        for key, value in attributes.items():
            entry = node.attr[key]
            if type(value) in _SCALARS:
                setattr(entry, _SCALARS[type(value)], value)
            elif isinstance(value, tf.DType):
                entry.type = value.as_datatype_enum
            elif isinstance(value, tf.TensorShape):
                entry.shape.CopyFrom(value.as_proto())
            elif isinstance(value, np.ndarray):
                entry.tensor.CopyFrom(tf.make_tensor_proto(value))
            else:
                entry.list.i.extend(value)
        return name

    def floats(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node that computes in float32."""
        return self.node(op, name, inputs, T=tf.float32, **attributes)

    def constant(self, name: str, value: Any) -> str:
        value = np.asarray(value)
        return self.node("Const", name, dtype=tf.as_dtype(value.dtype), value=value)

    def parameter(self, name: str) -> str:
        return self.constant(name, np.asarray(self.weights[name], np.float32))

    def preprocess(self, images):
        one, any_images = tf.TensorShape([]), tf.TensorShape([None, None, None, 3])
        contents = self.node("Placeholder", "DecodeJpeg/contents", dtype=tf.string, shape=one)
        jpeg = self.node("DecodeJpeg", "DecodeJpeg", [contents], channels=3)
        cast = self.node("Cast", "Cast", [jpeg], SrcT=tf.uint8, DstT=tf.float32)
        dim = self.constant("ExpandDims/dim", np.int32(0))
        image = self.floats("ExpandDims", "ExpandDims/one_image", cast, dim, Tdim=tf.int32)
        # The original's ExpandDims is (1, H, W, 3), and programs had to patch every shape to feed
        # more images. This takes any number, or the one decoded image where nothing is fed.
        attributes = {"dtype": tf.float32, "shape": any_images}
        x = self.node("PlaceholderWithDefault", "ExpandDims", [image], **attributes)
        size = self.constant("ResizeBilinear/size", np.full(2, network.IMAGE_SIZE, np.int32))
        x = self.floats("ResizeBilinear", "ResizeBilinear", x, size, align_corners=False)
        x = self.floats("Sub", "Sub", x, self.constant("Sub/y", np.float32(network.MEAN)))
        return self.floats("Mul", "Mul", x, self.constant("Mul/y", np.float32(network.SCALE)))

    def conv(self, name, x, filters, size, stride=1, padding="same"):
        kernel = self.parameter(f"{name}/conv2d_params")
        x = self.floats("Conv2D", f"{name}/Conv2D", x, kernel, **_window(stride, padding))
        norm = f"{name}/batchnorm"
        beta, gamma, *moments = (self.parameter(f"{norm}/{part}") for part in network.BATCH_NORM)
        attributes = {"epsilon": network.EPSILON, "is_training": False}
        x = self.floats("FusedBatchNorm", norm, x, gamma, beta, *moments, **attributes)
        return self.floats("Relu", name, self._checked(name, x))

    def _checked(self, name: str, x: str) -> str:
        message = f"{name}: Inf or NaN".encode()
        self.floats("CheckNumerics", f"{name}/CheckNumerics", x, message=message)
        return self.floats("Identity", f"{name}/control_dependency", x)

    def max_pool(self, name, x, stride=1, padding="same"):
        x = self._checked(name, x)
        return self.floats("MaxPool", name, x, ksize=[1, 3, 3, 1], **_window(stride, padding))

    def mean_pool(self, name, x):
        x = self._checked(name, x)
        return self.floats("AvgPool", name, x, ksize=[1, 3, 3, 1], **_window(1, "same"))

    def join(self, name, branches):
        axis = self.constant(f"{name}/concat_dim", np.int32(3))
        return self.floats("Concat", name, axis, *branches, N=len(branches))

    def top(self, x):
        x = self._checked("pool_3", x)
        x = self.floats("AvgPool", "pool_3", x, ksize=[1, 8, 8, 1], **_window(1, "valid"))
        shape = self.constant("pool_3/_reshape/shape", np.array([-1, network.NUM_FEATURES], "i4"))
        x = self.floats("Reshape", "pool_3/_reshape", x, shape, Tshape=tf.int32)
        x = self.floats("MatMul", "softmax/logits/MatMul", x, self.parameter("softmax/weights"))
        x = self.floats("BiasAdd", "softmax/logits", x, self.parameter("softmax/biases"))
        return self.floats("Softmax", "softmax", x)


def _window(stride: int, padding: str) -> dict[str, Any]:
    """The attributes of a convolution or a pool."""
    return {"strides": [1, stride, stride, 1], "padding": padding.upper().encode()}
