"""The data-dependent initialisation of weight-normalised networks."""

import keras


def _data_dependent(layer):
    """The layers below `layer` that set themselves from data, in no particular order."""
    if getattr(layer, "initial_stddev", None) is not None or hasattr(layer, "log_weight_scale"):
        yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _data_dependent(inner)


def initialize_from_data(model, batch):
    """Sets scales and biases so that every layer's pre-activations are normalised on `batch`.

    One pass through the model, noise and dropout on as in the original: each `WeightNorm` gets
    zero mean and its `initial_stddev` per channel, each `MinibatchDiscrimination` a typical
    nearest-neighbour distance of 2 and zero-mean features; each layer sees the *initialised*
    outputs of those before it. Call it once, before training, eagerly (with distribution: under
    `strategy.scope()`, outside `strategy.run`).

    Args:
        model: a built Keras model.
        batch: its input, float (N, ...); the original uses 500 rows. A population variance of a
            single row is 0, so N must be at least 2.

    Returns:
        The model's output on `batch`.

    Raises:
        ValueError: no layer of the model initialises itself from data, or fewer than two rows.

    Source: nn.py, the `init=True` paths of get_output_for and `init_updates`.
    """
    layers = list(_data_dependent(model))
    if not layers:
        raise ValueError(
            f"{model.name} has no WeightNorm or MinibatchDiscrimination layer to initialise."
        )
    if len(batch) < 2:
        raise ValueError(f"Initialisation needs at least 2 rows, not {len(batch)}.")
    for layer in layers:
        layer._initializing = True
    try:
        return model(keras.ops.convert_to_tensor(batch), training=True)
    finally:
        for layer in layers:
            layer._initializing = False
