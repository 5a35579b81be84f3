"""A model with virtual batch normalization without its reference batch."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf import keras_compat
from improved_gan_tf.layers.data_dependent import walk
from improved_gan_tf.layers.reference_batch import DropReference, ReferenceBatch
from improved_gan_tf.layers.virtual_batch_norm import VirtualBatchNorm


def freeze_reference(model: keras.Model) -> keras.Model:
    """Returns the same function without its reference batch, for sampling and export.

    The reference examples' statistics depend on the weights alone, so once training is over they
    are constants. One pass of the reference examples (and one live example of zeros, which has no
    influence on them) gives every `VirtualBatchNorm` its own; `ReferenceBatch` and `DropReference`
    are left out. Sampling as many images as there are reference examples is then half the work,
    which the original does in full each time (D20). Call it eagerly, outside `strategy.run`.

    Args:
        model: A functional `keras.Model` whose reference examples come from `ReferenceBatch` and
            leave by `DropReference`, with `VirtualBatchNorm` layers between, each called once, and
            whose inputs have known dimensions after the batch. It is not changed.

    Returns:
        A functional `keras.Model` of the same name, inputs, outputs and names of the remaining
        layers, with copies of the weights.

    Raises:
        ValueError: The model is not as described.

    Example:
    >>> z = keras.Input((4,))
    >>> x = layers.VirtualBatchNorm(8)(keras.layers.Dense(6)(layers.ReferenceBatch(8)(z)))
    >>> model = keras.Model(z, layers.DropReference(8)(x))
    >>> latents = np.random.rand(2, 4)
    >>> np.allclose(freeze_reference(model)(latents), model(latents), atol=1e-5)
    True
    """
    if not keras_compat.is_functional(model):
        raise ValueError(f"freeze_reference needs a functional model, not a {type(model).__name__}")
    norms = [layer for layer in model.layers if _is_live(layer)]
    if len(norms) < sum(map(_is_live, walk(model))):
        raise ValueError(
            "freeze_reference needs the VirtualBatchNorm layers in the model itself, not in a "
            f"model or layer inside {model.name}"
        )
    if not norms:
        raise ValueError(
            f"freeze_reference found no VirtualBatchNorm layer to freeze in {model.name}"
        )
    frozen = {
        layer.name: layer.freeze_reference(reference)
        for layer, reference in zip(norms, _references(model, norms), strict=True)
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


def _is_live(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, VirtualBatchNorm) and not layer.frozen


def _references(model: keras.Model, norms: list[VirtualBatchNorm]) -> list[Any]:
    """The reference examples in the input of each of `norms`, in their order."""
    seen: dict[str, list] = {layer.name: [] for layer in norms}
    live = keras.tree.map_structure(lambda x: ops.zeros((1, *x.shape[1:]), x.dtype), model.input)
    for layer in norms:
        layer.observer = seen[layer.name].append
    try:
        model(live, training=False)
    finally:
        for layer in norms:
            layer.observer = None
    for layer in norms:
        examples = [len(inputs) for inputs in seen[layer.name]]
        if examples != [layer.reference_size + 1]:
            raise ValueError(
                f"freeze_reference needs {layer.name} to be called once, on its "
                f"{layer.reference_size} reference examples and the batch's; for a batch of one "
                f"example it got {' and '.join(map(str, examples))} examples"
            )
    return [seen[layer.name][0][: layer.reference_size] for layer in norms]
