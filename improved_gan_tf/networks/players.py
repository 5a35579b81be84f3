"""What the models ask of a network, which may be any `keras.Model`: its shapes, its features."""

from collections.abc import Callable
from typing import Any

import keras

from improved_gan_tf import keras_compat
from improved_gan_tf.layers import walk


def checked(model: Any, player: str, images: tuple[int | None, ...] | None = None) -> keras.Model:
    """Returns the network, built.

    Args:
        model: The network.
        player: What it is called in errors, "generator" or "discriminator".
        images: The shape (None, H, W, C) with which a network without shapes is built; None (the
            default): one without shapes is refused.

    Raises:
        ValueError: It is no `keras.Model`, or it has no shapes.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"the {player} must be a keras.Model, not {type(model).__name__}")
    if images is not None and not model.built:
        if isinstance(model, keras.Sequential):
            model.build(images)
        else:
            model(keras.ops.zeros((1, *images[1:])))
    if not _has_graph(model) and "input_shape" not in (model.get_build_config() or {}):
        raise ValueError(
            f"the {player} {model.name} has no shapes yet; start it with a keras.Input, or call it "
            "once on a batch of one input before it is given to the GAN"
        )
    return model


def inputs(model: keras.Model) -> list[keras.KerasTensor]:
    """Returns a symbolic tensor (None, ...) for each input of a `checked` network."""
    if _has_graph(model):
        known = [(x.shape, x.dtype, x.name) for x in model.inputs]
    else:
        shape = model.get_build_config()["input_shape"]
        shapes = shape if isinstance(shape[-1], list | tuple) else [shape]
        known = [(s, keras.config.floatx(), f"input_{i}") for i, s in enumerate(shapes)]
    return [keras.KerasTensor((None, *s[1:]), dtype, name=name) for s, dtype, name in known]


def output_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Returns the shape (None, ...) of a `checked` network's output."""
    if _has_graph(model):
        outputs = model.outputs
    else:
        given = inputs(model)
        spec = model.compute_output_spec(given[0] if len(given) == 1 else given)
        outputs = keras.tree.flatten(spec)
    if len(outputs) != 1:
        raise ValueError(f"{model.name} must have one output, not {len(outputs)}")
    return (None, *outputs[0].shape[1:])


def fits(drawn: tuple[int | None, ...], taken: tuple[int | None, ...]) -> bool:
    """Returns whether one shape can be the other, where None is any number."""
    return len(drawn) == len(taken) and all(
        a == b or None in (a, b) for a, b in zip(drawn, taken, strict=True)
    )


def features(model: keras.Model, name: str) -> Callable[..., Any] | None:
    """Returns a function of (images, training=False) to the output of the layer of that name.

    Args:
        model: A `checked` network.
        name: The name of a layer of it or, at any depth, inside one of its layers.

    Returns:
        A `keras.Model` where the network is a graph of layers and has it itself; None where there
        is no such layer.
    """
    if _has_graph(model) and name in [layer.name for layer in model.layers]:
        (images,) = model.inputs
        return keras.Model(images, model.get_layer(name).output, name="features")
    found = [layer for layer in walk(model) if layer.name == name and layer is not model]
    return _Recorded(model, found[0]) if found else None


def no_features(model: keras.Model, name: str) -> str:
    """Returns the error line for a network in which `features` finds nothing."""
    names = dict.fromkeys(layer.name for layer in walk(model) if layer is not model)
    return (
        f'the discriminator has no layer named "{name}", whose output feature matching compares; '
        f'name one with name="{name}", or give features="LAYER", one of {", ".join(names)}; or '
        'compile with objective="minibatch_discrimination", which needs none'
    )


class _Recorded:
    """The output of a layer, recorded while a network without a graph of layers is called."""

    def __init__(self, model, layer):
        self.model, self.layer = model, layer

    def __call__(self, images, training=False):
        outputs, call = [], self.layer.call

        def recorded(*args, **kwargs):
            outputs.append(call(*args, **kwargs))
            return outputs[-1]

        self.layer.call = recorded
        try:
            self.model(images, training=training)
        finally:
            self.layer.call = call
        if len(outputs) != 1:
            raise ValueError(
                f"{self.model.name} must call the features layer {self.layer.name} exactly once "
                f"per batch, not {len(outputs)} times"
            )
        return outputs[0]


def _has_graph(model):
    """Whether it has symbolic inputs and outputs: functional, or a `Sequential` that is built."""
    if isinstance(model, keras.Sequential):
        try:
            return bool(model.inputs)
        except AttributeError:
            return False
    return keras_compat.is_functional(model)
