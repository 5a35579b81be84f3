"""The generator's objective as parts: functions of the discriminator's features and logits."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from improved_gan_tf import losses

QUANTITIES = ("features_real", "features_fake", "logits_real", "logits_fake")


@keras.saving.register_keras_serializable("improved_gan_tf")
class Objective:
    """One term of the generator's objective: weight * loss(what the loss names).

    The terms of the paper are `Objective(losses.feature_matching)` (section 3.1) and
    `Objective(losses.minibatch_generator)` (section 3.2).

    Args:
        loss: A function that returns a scalar tensor. Its parameters are some of "features_real"
            and "features_fake", the output of the features' layer on unlabelled and generated
            images, float tensors (N, ...), and "logits_real" and "logits_fake", (N, K); only what
            it names is computed. Features and logits come from a pass each, with noise of its own.
            A function of your own is saved with the model if it is registered by
            `keras.saving.register_keras_serializable`.
        weight: The factor of the loss, a float, 1.0 by default.
        **values: Other parameters of the function, which are saved too.

    Attributes:
        needs: The quantities that the loss takes.

    Raises:
        ValueError: The function has another parameter without a value, or none of the four.

    Example:
    >>> def mean_logit(logits_fake):
    ...     return -keras.ops.mean(losses.log_sum_exp(logits_fake))
    >>> matching = Objective(losses.feature_matching, distance="absolute")
    >>> [term.needs for term in (matching, Objective(mean_logit, weight=0.1))]
    [('features_real', 'features_fake'), ('logits_fake',)]
    """

    def __init__(self, loss: Callable[..., Any], weight: float = 1.0, **values: Any):
        self.loss = loss
        self.weight = weight
        self.values = values
        known = inspect.signature(loss).parameters
        self.needs: tuple[str, ...] = tuple(name for name in QUANTITIES if name in known)
        missing = [
            name
            for name, parameter in known.items()
            if parameter.default is parameter.empty and name not in (*QUANTITIES, *values)
        ]
        if missing or not self.needs:
            raise ValueError(
                f"an objective takes some of {', '.join(QUANTITIES)}; "
                + (f"{', '.join(missing)} has no value" if missing else "it takes none of them")
            )

    def __call__(self, quantities: dict[str, Any]) -> Any:
        loss = self.loss(**{name: quantities[name] for name in self.needs}, **self.values)
        return loss if self.weight == 1 else self.weight * loss

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {"loss": loss, "weight": self.weight, **self.values}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


NAMED: dict[str, Callable[..., Any] | None] = {
    "feature_matching": losses.feature_matching,
    "minibatch_discrimination": losses.minibatch_generator,
    "supervised": None,
}
"""The losses of the named objectives; "supervised" leaves the generator alone."""


def terms(given: Any, distance: str) -> list[Objective]:
    """Returns the terms of the objective that `compile` was given.

    Args:
        given: A name, a function, an `Objective`, or a list of them.
        distance: The distance of the named objective "feature_matching".

    Raises:
        ValueError: A name is unknown, or it is none of these; "supervised" stands in a list.
    """
    found = []
    for each in given if isinstance(given, list | tuple) else [given]:
        if isinstance(each, Objective):
            found.append(each)
        elif callable(each):
            found.append(Objective(each))
        elif each not in NAMED or (each == "supervised" and each is not given):
            raise ValueError(
                f"objective must be one of {', '.join(NAMED)}, a function of some of "
                f"{', '.join(QUANTITIES)}, or a list of these without supervised, not {each!r}"
            )
        elif (loss := NAMED[each]) is not None:
            values: dict[str, Any] = {"distance": distance} if each == "feature_matching" else {}
            found.append(Objective(loss, **values))
    return found
