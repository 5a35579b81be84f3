"""The recipes: every value of a run, one recipe for each of the original's scripts."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping

from improved_gan_tf.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run computes; only the data themselves come from outside.

    Attributes:
        name: of the recipe.
        summary: one line for `improved-gan recipes`.
        data: data set, see `improved_gan_tf.data.load`.
        network: module of `improved_gan_tf.networks`.
        generator, discriminator: arguments of its `generator()` and `discriminator()`.
        learning_rate: of both Adam optimizers.
        beta_1: of both.
        epochs: passes over the (unlabelled) images.
        batch_size: rows a step (of each stream), over all devices.
        jit_compile: whether XLA compiles the training step.
        mixed_precision: "none", "bfloat16" or "float16".
        seed: of the weights, noise, latent vectors and the order of the data.
        experiment: module of `improved_gan_tf.experiments` that loads, builds, trains and tests it;
            of the recipe's class.
    """

    experiment: typing.ClassVar[str]

    name: str
    summary: str
    data: str
    network: str
    generator: Mapping = dataclasses.field(default_factory=dict)
    discriminator: Mapping = dataclasses.field(default_factory=dict)
    learning_rate: float = 0.003
    beta_1: float = 0.5
    epochs: int = 300
    batch_size: int = 100
    jit_compile: bool = True
    mixed_precision: str = "none"
    seed: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiSupervisedRecipe(Recipe):
    """A run of `models.SemiSupervisedGAN`.

    Attributes:
        scaling: of the pixels, to the range that the generator ends in: "unit" [0, 1],
            "cifar10" (x - 127.5) / 128 or "symmetric" [-1, 1].
        objective: "feature_matching", "minibatch_discrimination" or "supervised".
        feature_distance: "squared" or "absolute".
        generator_steps: generator updates a discriminator update.
        unlabeled_weight: weight of the unsupervised loss.
        learning_rate_decay: part of the epochs, at the end of training, over which the learning
            rate falls to 0, see `optimizers.FinalDecay`; 0 keeps it constant. It scales with
            `epochs`: a run that is resumed with more epochs goes on by the longer schedule, which
            is not what it would have done had it begun with as many.
        average_rate: rate of the running average of the discriminator's parameters.
        labels_per_class: labels for each class; None takes all of `labels_file`.
        labels_file: None, or a file of labels for the training part.
        balance: with a labels file: true, the same number of labels for every class; false, the
            first that come; "original", the rows that the original's script takes (see
            `data.custom_labeled_indices`).
        initialization: "training_set" or "labeled": rows of the data-dependent initialisation.
        initialization_size: how many of them.
        initialize_generator: whether the generator too is initialised from data (from one batch
            of latent vectors).
        seed_data: of the labelled subset.
        baseline: whether the same classifier is also trained on the labelled rows alone.
    """

    experiment: typing.ClassVar[str] = "semi_supervised"

    scaling: str = "unit"
    objective: str = "feature_matching"
    feature_distance: str = "squared"
    generator_steps: int = 1
    unlabeled_weight: float = 1.0
    learning_rate_decay: float = 0.0
    average_rate: float = 1e-4
    labels_per_class: int | None = 10
    labels_file: str | None = None
    balance: bool | str = True
    initialization: str = "training_set"
    initialization_size: int = 500
    initialize_generator: bool = False
    seed_data: int = 1
    baseline: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageNetRecipe(Recipe):
    """A run of `models.ImageNetGAN`. What the others call an epoch is here a number of steps.

    Attributes:
        image_size: side of the square that every picture is cropped and resized to; None keeps
            the data's own.
        skip_unreadable: leave out damaged pictures and records instead of stopping.
        steps_per_epoch: steps from one checkpoint, row of the log and sample grid to the next.
        smoothing: real images have the target 1 - smoothing.
        generator_target: what the discriminator is to say of generated images.
        noise: standard deviation of the noise on the discriminator's input.
        scaling: of the pixels; not a choice.
    """

    experiment: typing.ClassVar[str] = "imagenet"
    scaling: typing.ClassVar[str] = "symmetric"

    image_size: int | None = 128
    skip_unreadable: bool = False
    steps_per_epoch: int = 1000
    smoothing: float = 0.25
    generator_target: float = 0.375
    noise: float = 0.1


_MNIST = SemiSupervisedRecipe(
    name="mnist-feature-matching",
    summary="MNIST, 10 labels a class, feature matching (paper: 93 +- 6.5 of 10,000 errors)",
    data="mnist",
    network="mnist",
)

# The learning rate is .0003 min(3 - epoch / 400, 1) over 1,200 epochs. XLA's convolutions are four
# times slower on a CPU than TensorFlow's own, hence no jit_compile.
_CIFAR10 = SemiSupervisedRecipe(
    name="cifar10-feature-matching",
    summary="CIFAR-10, 400 labels a class, feature matching (paper: 18.63 +- 2.32 % errors)",
    data="cifar10",
    scaling="cifar10",
    network="cifar10",
    feature_distance="absolute",
    learning_rate=0.0003,
    learning_rate_decay=1 / 3,
    epochs=1200,
    labels_per_class=400,
    initialization="labeled",
    initialize_generator=True,
    jit_compile=False,
)

_MINIBATCH_FEATURES = {"minibatch_kernels": 100, "input_dropout": 0.0, "input_noise": 0.2}

# .0003 min(3 - epoch / 300, 1) over 900 epochs.
_SVHN = dataclasses.replace(
    _CIFAR10,
    name="svhn-feature-matching",
    summary="SVHN, 100 labels a class, feature matching (paper: 8.11 +- 1.3 % errors)",
    data="svhn_cropped",
    scaling="symmetric",
    network="svhn",
    epochs=900,
    labels_per_class=100,
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        SemiSupervisedRecipe(
            name="digits",
            summary="the embedded 8x8 digits, 10 labels a class, about a minute, no download",
            data="digits",
            network="digits",
            average_rate=1e-3,
            epochs=200,
            batch_size=50,
            baseline=True,
        ),
        _MNIST,
        dataclasses.replace(
            _MNIST,
            name="mnist-custom-labels",
            summary="MNIST's test set with labels from a file: --labels-file FILE",
        ),
        # The original keeps no script of this one (the paper's figure 3, right). Kernels,
        # generator steps and learning rate are those of its CIFAR-10 script, the rest MNIST's: at
        # MNIST's rate of .003 the discriminator wins within an epoch, and the generator, whose
        # gradient is then 0, stops learning.
        dataclasses.replace(
            _MNIST,
            name="mnist-minibatch-discrimination",
            summary="MNIST with minibatch discrimination: samples of better quality (figure 3)",
            discriminator={"minibatch_kernels": 100, "minibatch_dims": 5},
            objective="minibatch_discrimination",
            generator_steps=3,
            learning_rate=0.0003,
            epochs=20,
        ),
        _CIFAR10,
        dataclasses.replace(
            _CIFAR10,
            name="cifar10-minibatch-discrimination",
            summary="CIFAR-10 with minibatch discrimination: samples of better quality (figure 4)",
            objective="minibatch_discrimination",
            generator_steps=3,
            discriminator=_MINIBATCH_FEATURES,
        ),
        _SVHN,
        # Its script has CIFAR-10's 96 and 192 channels, not the 64 and 128 of feature matching.
        dataclasses.replace(
            _SVHN,
            name="svhn-minibatch-discrimination",
            summary="SVHN with minibatch discrimination",
            objective="minibatch_discrimination",
            generator_steps=3,
            discriminator={**_MINIBATCH_FEATURES, "channels": [96, 192]},
        ),
        # The original's batch is 16 on each of its GPUs, and it trains until it is stopped.
        ImageNetRecipe(
            name="imagenet",
            summary="ImageNet at 128x128, virtual batch normalization, on one device or many",
            data="imagenet2012",
            network="imagenet",
            learning_rate=0.0004,
            epochs=500,
            batch_size=16,
            jit_compile=False,
        ),
    )
}


def get(name):
    """The recipe of that name.

    Raises:
        UserError: there is none; the message lists those there are.
    """
    if name not in RECIPES:
        raise UserError(f"no recipe {name!r}; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


_CHOICES = {
    "objective": ("feature_matching", "minibatch_discrimination", "supervised"),
    "feature_distance": ("squared", "absolute"),
    "initialization": ("training_set", "labeled"),
    "mixed_precision": ("none", "bfloat16", "float16"),
    "scaling": ("unit", "cifar10", "symmetric"),
    "balance": (True, False, "original"),
}
_AT_LEAST = {
    "generator_steps": 1,
    "unlabeled_weight": 0,
    "epochs": 1,
    "batch_size": 1,
    "labels_per_class": 1,
    "initialization_size": 2,
    "seed": 0,
    "seed_data": 0,
    "image_size": 8,
    "steps_per_epoch": 1,
    "noise": 0,
}


def override(recipe, **values):
    """The recipe with some values replaced.

    Args:
        recipe: a `Recipe`.
        **values: new values by attribute; for `generator` and `discriminator` a mapping that is
            merged into the present one.

    Raises:
        UserError: no such attribute, a value of another type or out of its range.
    """
    fields = typing.get_type_hints(type(recipe))
    for key, value in values.items():
        if key in ("name", "summary") or key not in fields:
            known = ", ".join(k for k in fields if k not in ("name", "summary"))
            raise UserError(f"a recipe has no value {key!r}; there are {known}")
        values[key] = _checked(key, value, fields[key])
        if isinstance(value, Mapping):
            values[key] = {**getattr(recipe, key), **value}
    return dataclasses.replace(recipe, **values)


def _checked(key, value, kind):
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds:
        value = float(value)
    # bool is an int to Python; True is no batch size.
    exact = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
    if not exact:
        names = " or ".join("null" if k is types.NoneType else k.__name__ for k in kinds)
        raise UserError(f"{key} must be {names}, not {json.dumps(value, default=str)}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise UserError(f"{key} must be one of {', '.join(map(str, _CHOICES[key]))}, not {value!r}")
    if key in _AT_LEAST and value is not None and not value >= _AT_LEAST[key]:
        raise UserError(f"{key} must be at least {_AT_LEAST[key]}, not {value}")
    if key == "learning_rate" and not 0 < value < float("inf"):
        raise UserError(f"learning_rate must be a finite number above 0, not {value}")
    in_unit = ("beta_1", "average_rate", "learning_rate_decay", "smoothing", "generator_target")
    if key in in_unit and not 0 <= value < 1:
        raise UserError(f"{key} must be in [0, 1), not {value}")
    return value


def given(options, names):
    """{attribute: value} for `override` of those command-line options that were given.

    Args:
        options: argparse's namespace; None in it means that an option was not given.
        names: of options that are called as the recipe's attributes. `options.width` is looked at
            besides: it is an argument of both networks.
    """
    values = {name: getattr(options, name) for name in names}
    values = {name: value for name, value in values.items() if value is not None}
    if options.width is not None:
        values["generator"] = values["discriminator"] = {"width": options.width}
    return values


def changed(began, now):
    """Names of the values in which two recipes of one kind differ, as config.json writes them."""
    began, now = (json.loads(json.dumps(dataclasses.asdict(r))) for r in (began, now))
    return [name for name in now if began[name] != now[name]]


def overrides(recipe):
    """{attribute: value} of what differs from the recipe of the same name."""
    original = RECIPES.get(recipe.name)
    return {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if original is None or getattr(recipe, field.name) != getattr(original, field.name)
    }


def from_config(config):
    """The recipe in a run's config.json.

    Raises:
        UserError: it does not hold one.
    """
    values = config.get("recipe")
    known = RECIPES.get(values.get("name")) if isinstance(values, dict) else None
    fields = dataclasses.fields(known) if known else ()
    needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
    # A value that this version has added since has its default in an older run.
    if not known or not needed <= set(values) <= {f.name for f in fields}:
        raise UserError("config.json holds no recipe of this version of improved_gan_tf")
    return type(known)(**values)
