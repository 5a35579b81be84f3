"""What a recipe is: every value of a run, declared once.

A value is one line of a class below:

    epochs: int = value(300, minimum=1, help="Passes over the training images")

Its type, bounds, choices and help are read from there by everything else: the checks of a new
recipe, the options of `improved-gan train`, `improved-gan recipes NAME` and config.json.
"""

import contextlib
import dataclasses
import json
import math
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from improved_gan_tf.data.order import LARGEST_SEED
from improved_gan_tf.data.pictures import RESIZES
from improved_gan_tf.data.scaling import NAMES as SCALINGS
from improved_gan_tf.data.semi_supervised import INITIALIZATIONS, LABELS_PARTS
from improved_gan_tf.errors import UserError

_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Mapping: "an object of named values",
    types.NoneType: "null",
}
# supervised: no generator, the discriminator on the labeled images alone.
_OBJECTIVES = ("feature_matching", "minibatch_discrimination", "supervised")
_DISTANCES = ("squared", "absolute")
_SCHEDULES = ("linear", "cosine")
_PRECISIONS = ("none", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class Value:
    """What one value of a recipe may be; made by `value`.

    Attributes:
        help: What it is, as `improved-gan train --help` says it.
        choices: All that it may be; empty where that is not a list.
        minimum, above, maximum, below: Its bounds; None where there is none.
        bare: What its option means on the command line without an argument; None: not allowed.
        kinds: Its types, from the annotation of the field.
    """

    help: str
    choices: tuple = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    bare: Any = None
    kinds: tuple[type, ...] = ()

    def checked(self, name: str, given: Any) -> Any:
        """`given`, as a float where a whole number stands for one.

        Raises:
            UserError: It is of another type, none of the choices or out of bounds.
        """
        if type(given) is int and float in self.kinds:
            given = float(given) if _finite(given) else math.inf
        # bool is an int to Python, but True is no batch size.
        if not isinstance(given, self.kinds) or (type(given) is bool and bool not in self.kinds):
            kinds = " or ".join(_TYPES[kind] for kind in self.kinds)
            raise UserError(f"{name} must be {kinds}, not {json.dumps(given, default=str)}")
        if isinstance(given, str) and "\0" in given:
            raise UserError(f"{name} holds a NUL character, which no name has")
        if self.choices and given not in self.choices:
            choices = ", ".join(map(str, self.choices))
            raise UserError(f"{name} must be one of {choices}, not {given!r}")
        if isinstance(given, int | float) and not isinstance(given, bool):
            bounds: list[tuple[str, Callable[[Any, Any], bool], Any]] = [
                ("at least", operator.ge, self.minimum),
                ("above", operator.gt, self.above),
                ("at most", operator.le, self.maximum),
                ("below", operator.lt, self.below),
            ]
            bounds = [bound for bound in bounds if bound[2] is not None]
            if type(given) is int and not _finite(given):
                given = math.inf
            if not (_finite(given) and all(holds(given, end) for _, holds, end in bounds)):
                words = " and ".join(f"{words} {end}" for words, _, end in bounds) or "finite"
                raise UserError(f"{name} must be {words}, not {given}")
        return dict(given) if isinstance(given, Mapping) else given

    def parsed(self, text: str) -> Any:
        """What a text of the command line stands for; `checked` refuses what it cannot be."""
        if types.NoneType in self.kinds and text.lower() in ("null", "none"):
            return None
        for kind in () if str in self.kinds else (int, float):
            with contextlib.suppress(ValueError):
                return kind(text)
        return text


def _finite(number: float) -> bool:
    """As `math.isfinite`, which fails on an int beyond all floats."""
    return abs(number) <= sys.float_info.max


def value(default: Any = dataclasses.MISSING, **about: Any) -> Any:
    """Declares a value: its default, if it has one, and the attributes of its `Value`."""
    metadata = {"value": Value(**about)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run computes; only the images themselves come from outside.

    Attributes:
        kind: Which `Experiment` carries the recipe out; of the class.
        name: Name of the recipe.
        summary: One line for `improved-gan recipes`.
        expected: What a run takes and reaches, for `improved-gan recipes NAME`.
        experiment: The class of `Experiment` that carries the recipe out; None (default): that of
            its kind.
        code: The `RecipeFile` that the recipe comes from, whose functions it uses; None (default):
            none. `experiments.get` sets it.

    The other attributes are declared below, with their help.

    Raises:
        UserError: A value is of another type or out of its bounds.
    """

    kind: ClassVar[str]

    name: str
    summary: str = dataclasses.field(default="", compare=False)
    expected: str = dataclasses.field(default="", compare=False)
    experiment: Any = dataclasses.field(default=None, compare=False, repr=False)
    code: Any = dataclasses.field(default=None, compare=False, repr=False)
    data: str | None = value(
        None, help="Data set: digits, a TFDS name, npz:FILE, folder:DIR, records:PATH"
    )
    image_size: int | None = value(None, minimum=1, help="Side that images are resized to, or null")
    resize: str = value("square", choices=RESIZES, help="Resize the middle square, or all of it")
    network: str | None = value(None, help="Networks: dense, convolutional or imagenet")
    generator: Mapping[str, Any] = value({}, help="Arguments of the networks' generator()")
    discriminator: Mapping[str, Any] = value({}, help="Arguments of their discriminator()")
    learning_rate: float = value(0.003, above=0, help="Learning rate of the Adam optimizers")
    beta_1: float = value(0.5, minimum=0, below=1, help="Decay of the first moments")
    historical_averaging: float = value(
        0.0, minimum=0, help="Weight of historical averaging for both networks; 0: off"
    )
    epochs: int = value(300, minimum=1, help="Passes over the images (imagenet: steps_per_epoch)")
    batch_size: int = value(100, minimum=1, help="Examples per step, of each stream")
    jit_compile: bool | str = value(
        "auto",
        choices=(True, False, "auto"),
        help="Compile the training step with XLA (auto: on a GPU, or without convolutions)",
    )
    deterministic: bool = value(False, help="Use slower operations that are reproducible on a GPU")
    mixed_precision: str = value("none", choices=_PRECISIONS, bare="bfloat16", help="Compute dtype")
    seed: int = value(
        1,
        minimum=0,
        maximum=LARGEST_SEED,
        help="Seed of weights, noise, latent vectors and image order",
    )
    checkpoint_seconds: float = value(
        5.0, minimum=0, help="Seconds from one checkpoint to the next at least; 0: every epoch"
    )
    score_every: int = value(
        0, minimum=0, help="Score the generated images every N epochs, and after the last; 0: never"
    )
    score_images: int = value(
        1000, minimum=10, help="Number of generated images to score; few images bias the scores"
    )
    score_classifier: str | None = value(
        None, help="Classifier for the scores, a .keras file or SavedModel; null: Inception"
    )
    score_reference: str | None = value(
        None, help="Reference images, or .npz statistics, for the FID; null: no FID"
    )
    score_metrics: str | None = value(
        None,
        help="Metrics of the generated images, e.g. fid,precision,recall (see improved-gan score "
        "--metrics); null: the Inception score, and FID if there is a reference",
    )

    def __post_init__(self) -> None:
        for name, known in values(type(self)).items():
            object.__setattr__(self, name, known.checked(name, getattr(self, name)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiSupervisedRecipe(Recipe):
    """A run of `models.SemiSupervisedGAN`; see `Recipe`."""

    kind: ClassVar[str] = "semi_supervised"

    scaling: str = value("unit", choices=SCALINGS, help="Range of the pixels; see data.Scaling")
    objective: str = value(
        "feature_matching", choices=_OBJECTIVES, help="The generator's objective"
    )
    losses: Mapping[str, Any] = value({}, help="Arguments of the recipe file's losses()")
    feature_distance: str = value("squared", choices=_DISTANCES, help="Distance of the features")
    generator_steps: int = value(1, minimum=1, help="Generator updates per discriminator update")
    unlabeled_weight: float = value(1.0, minimum=0, help="Weight of the unsupervised loss")
    conditional_entropy: float = value(
        0.0, minimum=0, help="Weight of the entropy of unlabeled images' classes (published: 0.1)"
    )
    pull_away: float = value(
        0.0, minimum=0, help="Weight of the generated features' pull-away term (published: 0.8)"
    )
    encoder_weight: float = value(
        0.0, minimum=0, help="Weight of the likelihood of z by an encoder (published: 0.01)"
    )
    encoder: Mapping[str, Any] = value({}, help="Arguments of the networks' encoder()")
    consistency: float = value(
        0.0, minimum=0, help="Weight of || D(G(z)) - D(G(z + d)) ||^2 (published: 0.001)"
    )
    consistency_distance: float = value(1e-5, minimum=0, help="Norm of d in the consistency loss")
    virtual_adversarial: float = value(
        0.0, minimum=0, help="Weight of the virtual adversarial loss (published: 1)"
    )
    virtual_adversarial_radius: float = value(
        0.3, above=0, help="Norm of its perturbation of an image (published for MNIST: 0.3)"
    )
    transformed: float = value(
        0.0, minimum=0, help="Weight of the consistency loss under random affine transformations"
    )
    transformed_shift: float = value(
        0.1, minimum=0, below=1, help="Largest translation in `transformed`, a fraction of the side"
    )
    transformed_zoom: float = value(
        0.1, minimum=0, below=1, help="Largest relative change of scale in `transformed`"
    )
    transformed_shear: float = value(
        0.2, minimum=0, help="Largest shear in `transformed`, pixels per pixel"
    )
    transformed_threshold: float = value(
        0.8,
        minimum=0,
        below=1,
        help="Least class probability of an unlabeled image used in `transformed`",
    )
    # It scales with `epochs`: a run that is resumed with more epochs goes on by the longer
    # schedule, which is not what it would have done had it begun with as many.
    learning_rate_decay: float = value(
        0.0,
        minimum=0,
        maximum=1,
        help="Fraction of the epochs, at the end, over which the learning rates decay to 0",
    )
    learning_rate_schedule: str = value(
        "linear",
        choices=_SCHEDULES,
        help="Shape of the learning rate decay (linear: per epoch; cosine: per step)",
    )
    generator_learning_rate: float | None = value(
        None, above=0, help="Learning rate of the generator, or null: learning_rate"
    )
    generator_beta_1: float | None = value(
        None, minimum=0, below=1, help="beta_1 of the generator's optimizer; null: beta_1"
    )
    beta_2: float = value(0.999, minimum=0, below=1, help="Decay of the second moments")
    generator_beta_2: float | None = value(
        None, minimum=0, below=1, help="beta_2 of the generator's optimizer; null: beta_2"
    )
    average_rate: float = value(
        1e-4, minimum=0, below=1, help="Rate of the discriminator's averaged parameters"
    )
    average_start: int = value(0, minimum=0, help="Steps before averaging of the parameters starts")
    labels_per_class: int | None = value(10, minimum=1, help="Labels per class, or null: all")
    labels_file: str | None = value(None, help="File of labels, one per line, -1 for none")
    labels_part: str = value(
        "train", choices=LABELS_PARTS, help="Images the file labels (test: see data.load)"
    )
    balance: bool | str = value(
        True,
        choices=(True, False, "original"),
        help="Use equally many labels per class from the file (original: see data.load)",
    )
    labeled_batch_size: int | None = value(
        None, minimum=1, help="Labeled images per step, or null: batch_size"
    )
    exclude_labeled: bool = value(
        False, help="Leave the labeled images out of the unlabeled streams"
    )
    validation_per_class: int = value(
        0, minimum=0, help="Training images of each class to test on in place of the test set"
    )
    initialization: str = value(
        "training_set",
        choices=(*INITIALIZATIONS, "none"),
        help="Images of the data-dependent initialization (none: neither network has one)",
    )
    initialization_size: int = value(500, minimum=2, help="Number of images for the initialization")
    initialize_generator: bool = value(False, help="Initialize the generator from data as well")
    seed_data: int = value(
        1, minimum=0, maximum=LARGEST_SEED, help="Seed of the choice of the labeled images"
    )
    baseline: bool = value(False, help="Train the supervised-only baseline as well")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageNetRecipe(Recipe):
    """A run of `models.ImageNetGAN`; see `Recipe`. Its epochs are a number of steps each."""

    kind: ClassVar[str] = "imagenet"

    skip_unreadable: bool = value(False, help="Leave out damaged images instead of stopping")
    steps_per_epoch: int = value(1000, minimum=1, help="Steps from one checkpoint to the next")
    labels: bool = value(
        True, help="Use the class labels; without them the discriminator has a single logit"
    )
    smoothing: float = value(
        0.25, minimum=0, below=1, help="One-sided label smoothing: real targets are 1 - smoothing"
    )
    generator_target: float = value(
        0.375, above=0, maximum=1, help="Target of generated images in the generator's loss"
    )
    noise: float = value(0.1, minimum=0, help="Standard deviation of the noise on all images")


R = TypeVar("R", bound=Recipe)
KINDS = {kind.kind: kind for kind in (SemiSupervisedRecipe, ImageNetRecipe)}
"""The classes of recipes, by what config.json calls them."""


def values(kind: type[Recipe]) -> dict[str, Value]:
    """The values that recipes of a class have, by name and in order."""
    hints = typing.get_type_hints(kind)
    return {
        field.name: dataclasses.replace(field.metadata["value"], kinds=_kinds(hints[field.name]))
        for field in dataclasses.fields(kind)
        if "value" in field.metadata
    }


def _kinds(annotation: Any) -> tuple[type, ...]:
    union = isinstance(annotation, types.UnionType)
    members = typing.get_args(annotation) if union else (annotation,)
    return tuple(typing.get_origin(member) or member for member in members)


def flat(recipe: Recipe) -> dict[str, Any]:
    """The values as config.json has them, those of mappings by dotted names (generator.units)."""
    found: dict[str, Any] = {}
    for name in values(type(recipe)):
        given = json.loads(json.dumps(getattr(recipe, name)))
        inner = given if isinstance(given, dict) else {}
        found |= {f"{name}.{key}": v for key, v in inner.items()} or {name: given}
    return found


def override(recipe: R, **given: Any) -> R:
    """The recipe with some values replaced.

    Args:
        recipe: The recipe, which stays as it is.
        **given: New values by name. A mapping (`generator`, `discriminator`) is merged into the
            present one.

    Raises:
        UserError: There is no such value, or it is of another type or out of its bounds.
    """
    known = values(type(recipe))
    for name, new in given.items():
        if name not in known:
            raise unknown(f"{recipe.name} has no value", name, known)
        new = known[name].checked(name, new)
        given[name] = {**getattr(recipe, name), **new} if isinstance(new, dict) else new
    return dataclasses.replace(recipe, **given)


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not known: it suggests the nearest one and lists all."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return UserError(f"{what} {name!r}{meant}; choose one of {', '.join(known)}")
