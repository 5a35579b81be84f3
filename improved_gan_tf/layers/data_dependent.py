"""Layers that are initialized from data, and the walk over nested layers."""

from typing import Any

import keras
import numpy as np

from improved_gan_tf import keras_compat


class DataDependent:
    """Mixin for a layer that can set some of its own weights from a batch of its inputs.

    A subclass calls `set_from_data` at the start of `call` while `initializing` is true.

    Attributes:
        initializing: Whether a call sets the weights first; true in the one pass of
            `initialize_from_data`. A `tf.function` that was traced before keeps to the old value.
    """

    initializing: bool = False

    @property
    def data_dependent(self) -> bool:
        """Whether `initialize_from_data` concerns this layer as it is configured."""
        return True

    def set_from_data(self, inputs: Any) -> None:
        """Sets the weights from the layer's inputs on the batch."""
        raise NotImplementedError


def check_spread(layer: keras.layers.Layer, spread: Any, size: Any = 0.0) -> Any:
    """Returns what a layer divides by, if it can.

    Args:
        layer: The layer.
        spread: Standard deviations or distances, a float tensor.
        size: The size of the numbers that spread so, of which the rounding is a part; 0.0 by
            default.

    Raises:
        ValueError: Some of it is 0, NaN or infinite: the batch holds examples that are all the same
            to the layer, or values that are not finite.
    """
    values, size = (keras.ops.convert_to_numpy(x) for x in (spread, size))
    rounding = 4 * np.finfo(values.dtype).eps * np.abs(size)
    if not (np.isfinite(values) & (values > rounding)).all():
        raise ValueError(
            f"{layer.name} cannot be initialized from this batch: its inputs hold values that are "
            "not finite, or do not differ between the examples; give different examples"
        )
    return spread


def walk(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the layer and every layer inside it, at any depth, each once.

    Args:
        layer: A layer or model. Layers of sub-models, wrapped layers, and layers that others hold
            in attributes, lists and dictionaries are all found.

    Example:
    >>> model = keras.Sequential([keras.layers.TimeDistributed(keras.layers.Dense(2))])
    >>> [type(layer).__name__ for layer in walk(model)]
    ['Sequential', 'TimeDistributed', 'Dense']
    """
    return keras_compat.flatten_layers(layer)


def couples_examples(model: keras.layers.Layer) -> bool:
    """Returns whether, in training, an output depends on other examples in its batch.

    This holds for a layer, including a custom one, with the attribute `couples_examples = True`.
    Keras' `BatchNormalization`, which has no such attribute, is recognized as a special case.

    Args:
        model: A model or layer; all layers nested inside it are checked, see `walk`.

    Example:
    >>> couples_examples(keras.Sequential([layers.MinibatchDiscrimination(100)]))
    True
    """
    return any(
        isinstance(layer, keras.layers.BatchNormalization)
        or getattr(layer, "couples_examples", False)
        for layer in walk(model)
    )


def initialize_from_data(model: keras.Model, batch: Any) -> Any:
    """Sets scales and biases so that every layer's pre-activations are normalized on `batch`.

    One pass through the model, with noise and dropout on as in the original (D4): each `WeightNorm`
    gets mean 0 and its `initial_stddev` in every channel, each `MinibatchDiscrimination` a mean
    nearest-neighbour distance of 2 and features of mean 0, and each layer sees the *initialized*
    outputs of those before it. Call it once, before training and eagerly; with `tf.distribute`
    under `strategy.scope()` and outside `strategy.run`, so that all replicas agree.

    Args:
        model: A built Keras model with at least one `DataDependent` layer, at any depth.
        batch: Its input, a float array (N, ...) of N >= 2 examples; the original takes 500. Of a
            data set, take one batch.

    Returns:
        The output of the model on `batch`.

    Raises:
        ValueError: No layer is initialized from data, the batch is no array, or there are fewer
            than two examples.

    Source: nn.py, the `init=True` paths of get_output_for, and `init_updates`.

    Example:
    >>> model = keras.Sequential([keras.Input((8,)), layers.WeightNorm(keras.layers.Dense(3))])
    >>> outputs = initialize_from_data(model, np.random.rand(500, 8))
    >>> np.allclose(np.std(outputs, axis=0), 1.0, atol=1e-4)
    True
    """
    found = [x for x in walk(model) if isinstance(x, DataDependent) and x.data_dependent]
    if not found:
        raise ValueError(
            f"{model.name} has no layer that is initialized from data, such as WeightNorm (with an "
            "initial_stddev) or MinibatchDiscrimination"
        )
    try:
        batch = keras.ops.convert_to_tensor(batch)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"initialization takes an array or a tensor of examples, not a {type(batch).__name__}; "
            "of a data set, give one batch: next(iter(dataset))"
        ) from error
    if len(batch) < 2:
        raise ValueError(f"initialization needs at least 2 examples, not {len(batch)}")
    for layer in found:
        layer.initializing = True
    try:
        return model(batch, training=True)
    finally:
        for layer in found:
            layer.initializing = False
