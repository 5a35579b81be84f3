"""Both players' losses as parts: functions of what a training step computes, by name."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import keras

from improved_gan_tf import losses
from improved_gan_tf.layers.checks import check_weights

QUANTITIES = (
    "features_real",
    "features_fake",
    "logits_real",
    "logits_fake",
    "images_fake",
    "latents",
    "encoded",
)
DISCRIMINATOR_QUANTITIES = (
    "labels",
    "images_labeled",
    "logits_labeled",
    "images_unlabeled",
    "logits_unlabeled",
    "latents",
    "images_fake",
    "logits_fake",
    "generator",
    "discriminator",
    "averaged",
    "seed_generator",
)


class _Term:
    """weight * loss(what the loss names of the quantities of a step)."""

    quantities: tuple[str, ...] = ()
    called: str = ""

    def __init__(self, loss: Callable[..., Any], weight: float = 1.0, **values: Any):
        check_weights(weight=weight)
        self.loss = loss
        self.weight = weight
        self.values = values
        parameters = inspect.signature(loss).parameters.values()
        known = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self.needs: tuple[str, ...] = tuple(
            name for name in self.quantities if name in known and name not in values
        )
        needed = [p.name for p in parameters if p.name in known and p.default is p.empty]
        takes = f"{self.called} takes some of {', '.join(self.quantities)}; "
        if missing := [name for name in needed if name not in (*self.quantities, *values)]:
            raise ValueError(f"{takes}{', '.join(missing)} has no value")
        if not self.needs:
            raise ValueError(f"{takes}it takes none of them")
        unknown = [name for name in values if name not in known]
        if unknown and all(p.kind != p.VAR_KEYWORD for p in parameters):
            raise ValueError(
                f"the loss has no parameter {', '.join(unknown)}; its parameters are "
                f"{', '.join(known)}"
            )

    def __call__(self, quantities: dict[str, Any]) -> Any:
        loss = self.loss(**{name: quantities[name] for name in self.needs}, **self.values)
        return loss if self.weight == 1 else self.weight * loss

    def get_config(self) -> dict[str, Any]:
        values = {"loss": self.loss, "weight": self.weight, **self.values}
        return {k: keras.saving.serialize_keras_object(v) for k, v in values.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


@keras.saving.register_keras_serializable("improved_gan_tf")
class Objective(_Term):
    """One term of the generator's objective: weight * loss(what the loss names).

    The terms of the paper are `Objective(losses.feature_matching)` (section 3.1) and
    `Objective(losses.minibatch_generator)` (section 3.2); `losses.pull_away` and
    `losses.latent_likelihood` are later ones.

    Args:
        loss: A function that returns a scalar tensor. Its parameters are some of "features_real"
            and "features_fake", the output of the features' layer on unlabeled and generated
            images, float tensors (N, ...), "logits_real" and "logits_fake", (N, K), "images_fake"
            and the "latents" that these are made of, and "encoded", what the model's encoder makes
            of them; only what it names is computed. Features and logits are computed in separate
            passes of the discriminator, with independent noise.
            To save a custom function with the model, register it with
            `keras.saving.register_keras_serializable`.
        weight: The factor of the loss, a float, 1.0 by default.
        **values: Other parameters of the function, which are saved too.

    Attributes:
        needs: The quantities that the loss takes.

    Raises:
        ValueError: The function has another parameter without a value, or none of these.

    Example:
    >>> def mean_logit(logits_fake):
    ...     return -keras.ops.mean(losses.log_sum_exp(logits_fake))
    >>> matching = Objective(losses.feature_matching, distance="absolute")
    >>> [term.needs for term in (matching, Objective(mean_logit, weight=0.1))]
    [('features_real', 'features_fake'), ('logits_fake',)]
    """

    quantities = QUANTITIES
    called = "an objective"


@keras.saving.register_keras_serializable("improved_gan_tf")
class DiscriminatorTerm(_Term):
    """One more term of the discriminator's loss: weight * loss(what the loss names).

    It is added to the supervised and the unsupervised loss. Those of the package are
    `losses.conditional_entropy`, `smoothness.generated_consistency`, `smoothness.transformed` and
    `smoothness.virtual_adversarial`.

    Args:
        loss: A function that returns a scalar tensor. Its parameters are some of: "images_labeled",
            "images_unlabeled" and "images_fake", (N, H, W, C); the logits that the step computes of
            them, "logits_labeled", "logits_unlabeled" and "logits_fake", (N, K); "labels", (N,);
            "latents", of which the generated images are made, (N, Z); "generator" and
            "discriminator", functions from latent vectors to images and from images to logits, as
            training has them; "averaged", from images to logits by the averaged parameters, without
            noise; "seed_generator", a `keras.random.SeedGenerator` to draw by. See
            `Objective` for how one of your own is saved.
        weight: The factor of the loss, a float, 1.0 by default.
        **values: Other parameters of the function, which are saved too.

    Attributes:
        needs: The quantities that the loss takes.

    Raises:
        ValueError: The function has another parameter without a value, or none of these.

    Example:
    >>> from improved_gan_tf.models import smoothness
    >>> entropy = DiscriminatorTerm(losses.conditional_entropy, weight=0.1)
    >>> near = DiscriminatorTerm(smoothness.virtual_adversarial, radius=2.0)
    >>> entropy.needs, near.needs
    (('logits_unlabeled',), ('images_unlabeled', 'discriminator', 'seed_generator'))
    """

    quantities = DISCRIMINATOR_QUANTITIES
    called = "a discriminator term"


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
        ValueError: A name is unknown, or it is none of these; "supervised" stands in a list; the
            list is empty; or there is a distance for functions, which have their own.
    """
    found = []
    listed = given if isinstance(given, list | tuple) else [given]
    if not listed:
        raise ValueError(f"objective must be at least one of {', '.join(NAMED)}, not {given!r}")
    if distance != losses.DISTANCES[0] and not any(isinstance(each, str) for each in listed):
        raise ValueError(
            "feature_distance is for the objective named feature_matching; with another, give "
            f"Objective(losses.feature_matching, distance={distance!r})"
        )
    for each in listed:
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


def discriminator_terms(given: Any) -> list[DiscriminatorTerm]:
    """Returns the additional terms that `compile` was given for the discriminator.

    Args:
        given: A function, a `DiscriminatorTerm`, a list of them, or None.

    Raises:
        ValueError: It is none of these.
    """
    found = []
    for each in given if isinstance(given, list | tuple) else [given]:
        if isinstance(each, DiscriminatorTerm):
            found.append(each)
        elif callable(each) and not isinstance(each, Objective):
            found.append(DiscriminatorTerm(each))
        elif each is not None:
            raise ValueError(
                "discriminator_terms must be functions of some of "
                f"{', '.join(DISCRIMINATOR_QUANTITIES)}, or DiscriminatorTerms, not {each!r}"
            )
    return found


def total(found: Iterable[_Term], quantities: dict[str, Any]) -> Any:
    """Returns the sum of terms, a scalar tensor.

    Args:
        found: The terms, at least one.
        quantities: All that they need, by name.
    """
    first, *others = [term(quantities) for term in found]
    for other in others:
        first = first + other
    return first
