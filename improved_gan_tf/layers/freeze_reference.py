"""A model with virtual batch normalization without its reference batch."""

import keras
from keras import ops

from improved_gan_tf.layers.reference_batch import DropReference, ReferenceBatch
from improved_gan_tf.layers.virtual_batch_norm import VirtualBatchNorm


def freeze_reference(model):
    """The same function without its reference batch, for sampling and export.

    The reference rows' statistics depend on the weights alone, so once training is over they are
    constants. One pass of the reference rows (and one live row of zeros, which has no influence on
    them) gives every `VirtualBatchNorm` its own; `ReferenceBatch` and `DropReference` are left
    out. Sampling as many images as there are reference rows is then half the work.

    Call it eagerly, outside `strategy.run`.

    Args:
        model: a functional model whose reference rows come from `ReferenceBatch` and leave by
            `DropReference`, with `VirtualBatchNorm` layers between, and whose inputs' dimensions
            after the batch are known. It is not changed.

    Returns:
        A functional `keras.Model` of the same name, inputs, outputs and names of the remaining
        layers, with copies of the weights.

    Raises:
        ValueError: not a functional model; no `VirtualBatchNorm` layer that is not frozen; such a
            layer inside a nested model, or called more than once, or on other rows than the
            reference rows and those of the batch.
    """
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise ValueError(
            f"freeze_reference needs a functional model, not a {type(model).__name__}."
        )
    norms = [layer for layer in model.layers if _is_live(layer)]
    if len(norms) < len(list(_all_live(model))):
        raise ValueError(
            "freeze_reference needs the VirtualBatchNorm layers in the model itself, not in a "
            f"model inside {model.name}."
        )
    if not norms:
        raise ValueError(
            f"freeze_reference found no VirtualBatchNorm layer to freeze in {model.name}."
        )
    frozen = {
        layer.name: layer.freeze_reference(rows)
        for layer, rows in zip(norms, _reference_rows(model, norms), strict=True)
    }
    copies = []

    def copied(layer):
        if layer.name in frozen:
            return frozen[layer.name]
        copy = type(layer).from_config(layer.get_config())
        if isinstance(layer, keras.layers.Layer):
            copies.append((layer, copy))
        return copy

    def called(layer, *args, **kwargs):
        if isinstance(layer, ReferenceBatch | DropReference):
            return args[0]
        return layer(*args, **kwargs)

    clone = keras.models.clone_model(model, clone_function=copied, call_function=called)
    for layer, copy in copies:
        if not isinstance(layer, ReferenceBatch):
            copy.set_weights(layer.get_weights())
    return clone


def _is_live(layer):
    return isinstance(layer, VirtualBatchNorm) and not layer.frozen


def _all_live(layer):
    """The layers to freeze at any depth."""
    if _is_live(layer):
        yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _all_live(inner)


def _reference_rows(model, norms):
    """The reference rows of the input of each of `norms`, in their order."""
    seen = {layer.name: [] for layer in norms}
    live = keras.tree.map_structure(lambda x: ops.zeros((1, *x.shape[1:]), x.dtype), model.input)
    for layer in norms:
        layer._observer = lambda inputs, name=layer.name: seen[name].append(inputs)
    try:
        model(live, training=False)
    finally:
        for layer in norms:
            layer._observer = None
    for layer in norms:
        rows = [len(inputs) for inputs in seen[layer.name]]
        if rows != [layer.reference_size + 1]:
            raise ValueError(
                f"freeze_reference needs {layer.name} to be called once, on its "
                f"{layer.reference_size} reference rows and the batch's; for a batch of one row "
                f"it got {' and '.join(map(str, rows))} rows."
            )
    return [seen[layer.name][0][: layer.reference_size] for layer in norms]
