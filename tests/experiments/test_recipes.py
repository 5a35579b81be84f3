"""Recipes: the values of the original's scripts, and what is refused."""

import dataclasses

import pytest

from improved_gan_tf import experiments, losses, models
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipe as declared
from improved_gan_tf.experiments import recipes
from tests.helpers.one_line import refusal_of

# Those of the original's scripts.
CIFAR_AND_SVHN = [
    name
    for name in experiments.RECIPES
    if name.startswith(("cifar10", "svhn")) and not name.endswith(("-samples", "-better"))
]


@pytest.mark.parametrize("name", CIFAR_AND_SVHN)
def test_values_of_cifar10_and_svhn(name):
    recipe = experiments.get(name)
    data_set, objective = name.split("-", 1)
    expected = {
        "data": {"cifar10": "cifar10", "svhn": "svhn_cropped"}[data_set],
        "scaling": {"cifar10": "cifar10", "svhn": "symmetric"}[data_set],
        "labels_per_class": {"cifar10": 400, "svhn": 100}[data_set],
        "epochs": {"cifar10": 1200, "svhn": 900}[data_set],
        "objective": objective.replace("-", "_"),
        "generator_steps": {"feature-matching": 1, "minibatch-discrimination": 3}[objective],
        "feature_distance": "absolute",
        "learning_rate": 0.0003,
        "learning_rate_decay": 1 / 3,
        "beta_1": 0.5,
        "batch_size": 100,
        "unlabeled_weight": 1.0,
        "average_rate": 1e-4,
        "initialization": "labeled",
        "initialization_size": 500,
        "initialize_generator": True,
        "seed": 1,
        "seed_data": 1,
    }
    values = dataclasses.asdict(recipe)
    assert {key: values[key] for key in expected} == expected


@pytest.mark.parametrize(
    "name, began, epochs, batch_size, falls_from",
    [
        ("cifar10-better", "cifar10-feature-matching", 1400, 25, 1200),
        ("svhn-better", "svhn-feature-matching", 400, 100, 300),
    ],
)
def test_values_of_manifold_regularization(name, began, epochs, batch_size, falls_from):
    """Those of Lecouat et al.'s programs."""
    recipe = experiments.get(name)
    differing = recipes.changed(experiments.get(began), recipe)
    now = {key: after for key, (_, after) in differing.items()}
    assert now.pop("learning_rate_decay") == pytest.approx(1 - falls_from / epochs)
    expected = {
        "discriminator.pooling": "max",
        "discriminator.train_scale": True,
        "consistency": 1e-3,
        "initialization": "none",
        "initialize_generator": False,
        "epochs": epochs,
    }
    assert now == {**expected, **({"batch_size": batch_size} if batch_size != 100 else {})}
    assert recipe.consistency_distance == 1e-5 and recipe.average_rate == 1e-4


def test_values_of_mnist():
    expected = {
        "data": "mnist",
        "scaling": "unit",
        "labels_per_class": 10,
        "epochs": 300,
        "objective": "feature_matching",
        "generator_steps": 1,
        "feature_distance": "squared",
        "learning_rate": 0.003,
        "learning_rate_decay": 0.0,
        "beta_1": 0.5,
        "batch_size": 100,
        "unlabeled_weight": 1.0,
        "average_rate": 1e-4,
        "initialization": "training_set",
        "initialization_size": 500,
        "initialize_generator": False,
        "seed": 1,
        "seed_data": 1,
    }
    for name in ("mnist-feature-matching", "mnist-custom-labels"):
        values = dataclasses.asdict(experiments.get(name))
        assert {key: values[key] for key in expected} == expected


def test_values_of_imagenet():
    values = dataclasses.asdict(experiments.get("imagenet"))
    expected = {
        "data": "imagenet2012",
        "image_size": 128,
        "learning_rate": 0.0004,
        "beta_1": 0.5,
        "batch_size": 16,
        "smoothing": 0.25,
        "generator_target": 0.375,
        "noise": 0.1,
    }
    assert {key: values[key] for key in expected} == expected


def test_choices_are_those_of_the_model():
    values = declared.values(experiments.SemiSupervisedRecipe)
    assert values["objective"].choices == tuple(models.objectives.NAMED)
    for distance in values["feature_distance"].choices:
        losses.feature_matching([[0.0]], [[1.0]], distance)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": 2.0}, "epochs must be a whole number, not 2.0"),
        ({"batch_size": True}, "batch_size must be a whole number, not true"),
        ({"learning_rate": "x"}, 'learning_rate must be a number, not "x"'),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0, not inf"),
        ({"beta_1": 1}, "beta_1 must be at least 0 and below 1, not 1.0"),
        ({"beta_1": float("nan")}, "beta_1 must be at least 0 and below 1, not nan"),
        ({"labels_per_class": "ten"}, 'labels_per_class must be a whole number or null, not "ten"'),
        ({"objective": "wgan"}, "objective must be one of feature_matching, .*, not 'wgan'"),
        ({"balance": "all"}, "balance must be one of True, False, original, not 'all'"),
        ({"generator": 3}, "generator must be an object of named values, not 3"),
        ({"generator": None}, "generator must be an object of named values, not null"),
        ({"epochs": {"x": 1}}, "epochs must be a whole number, not "),
        ({"name": "other"}, "digits has no value 'name'"),
        ({"learning_rates": 1}, r"no value 'learning_rates' \(did you mean 'learning_rate'\?\)"),
        ({"smoothing": 0.1}, "digits has no value 'smoothing'.*; choose one of data, image_size"),
    ],
)
def test_bad_values(values, message):
    digits = experiments.get("digits")
    refusal_of(experiments.override)(message, digits, **values)
    if set(values) <= set(declared.values(type(digits))):  # so does a recipe of one's own
        refusal_of(dataclasses.replace)(message, digits, **values)


def test_override():
    digits = experiments.get("digits")
    changed = experiments.override(digits, learning_rate=1, generator={"units": [8]}, epochs=2)
    assert changed.learning_rate == 1.0 and isinstance(changed.learning_rate, float)
    assert changed.generator == {**digits.generator, "units": [8]}
    assert digits.epochs == 200 and digits.generator["units"] == [128, 128]
    assert set(recipes.changed(digits, changed)) == {"learning_rate", "generator.units", "epochs"}


def test_unknown_recipe():
    with pytest.raises(UserError, match=r"no recipe 'digit' \(did you mean 'digits'\?\); choose"):
        experiments.get("digit")


@pytest.mark.parametrize("name", experiments.RECIPES)
def test_config(name):
    """What config.json says of a recipe gives it back, also under a name of one's own."""
    recipe = experiments.get(name)
    config = recipes.to_config(recipe)
    assert config["overrides"] == {} and recipes.from_config(config) == recipe
    own = dataclasses.replace(recipe, name="own", generator={**recipe.generator, "width": 0.5})
    assert recipes.from_config(recipes.to_config(own)) == own
    narrow = experiments.override(recipe, epochs=7, generator={"width": 0.5})
    assert recipes.to_config(narrow)["overrides"] == {"epochs": 7, "generator.width": 0.5}


def test_config_of_an_older_version():
    """Values that were added since have their defaults; one that is not known is refused."""
    config = recipes.to_config(experiments.get("digits"))
    del config["kind"], config["recipe"]["image_size"]
    assert recipes.from_config(config) == experiments.get("digits")
    refused = refusal_of(recipes.from_config)
    for broken in ({}, {"recipe": 3}, {"recipe": {"name": "x"}}, {"kind": "x", "recipe": {}}):
        refused("holds no recipe of this version", broken)
    config["recipe"]["future"] = 1
    refused("holds no recipe of this version", config)
