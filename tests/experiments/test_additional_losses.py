"""Recipes with terms of later work: what the model is given, resumed runs, the baseline."""

import dataclasses

import numpy as np
import pytest

from improved_gan_tf import experiments, losses
from improved_gan_tf.models import smoothness
from improved_gan_tf.runs import RunFolder
from tests.helpers.model_cases import state
from tests.helpers.one_line import refusal_of

WEIGHTS = {
    "conditional_entropy": 0.1,
    "consistency": 0.01,
    "consistency_distance": 1e-3,
    "virtual_adversarial": 0.5,
    "virtual_adversarial_radius": 1.0,
    "transformed": 0.4,
    "transformed_shift": 0.05,
    "transformed_threshold": 0.5,
    "pull_away": 0.8,
    "encoder_weight": 0.05,
    "encoder": {"units": [9]},
}


def _recipe(**values):
    small = {"batch_size": 200, "jit_compile": False, "baseline": False, "epochs": 2}
    small |= {"checkpoint_seconds": 0}
    small |= {"generator": {"units": [8]}, "discriminator": {"units": [9, 8]}}
    return experiments.override(experiments.get("digits"), **small, **values)


def _described(terms):
    return {term.loss: (term.weight, term.values) for term in terms}


def test_what_the_model_is_given():
    gan = experiments.build(_recipe(**WEIGHTS, average_start=7))
    assert gan.average_start == 7
    assert _described(gan.additional_terms) == {
        losses.conditional_entropy: (0.1, {}),
        smoothness.generated_consistency: (0.01, {"distance": 1e-3}),
        smoothness.virtual_adversarial: (0.5, {"radius": 1.0}),
        smoothness.transformed: (
            0.4,
            {"shift": 0.05, "zoom": 0.1, "shear": 0.2, "threshold": 0.5},
        ),
    }
    assert _described(gan.objective_terms) == {
        losses.feature_matching: (1.0, {"distance": "squared"}),
        losses.pull_away: (0.8, {}),
        losses.latent_likelihood: (0.05, {}),
    }
    assert gan.encoder.output_shape == (None, 100)


def test_without_weights_it_is_compiled_as_ever():
    experiment = experiments.experiment(_recipe())
    assert experiment.objective() == {
        "objective": "feature_matching",
        "feature_distance": "squared",
        "generator_steps": 1,
        "unlabeled_weight": 1.0,
        "average_start": 0,
    }


@pytest.mark.long
def test_a_run_with_all_of_them_is_resumed_bit_for_bit(tmp_path, monkeypatch):
    schedule = {"learning_rate_decay": 1.0, "learning_rate_schedule": "cosine"}
    recipe = _recipe(
        **WEIGHTS,
        **schedule,
        exclude_labeled=True,
        average_start=3,
        generator_beta_1=0.0,
        generator_learning_rate=0.001,
    )
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    experiments.train(recipe, whole, verbose=False)
    (row, _) = RunFolder(whole).rows()
    assert float(row["additional_loss"]) > 0
    save = RunFolder.save_checkpoint

    def stop(self, model, epoch, keep=2):
        save(self, model, epoch, keep)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunFolder, "save_checkpoint", stop)
        experiments.train(recipe, stopped, verbose=False)
    experiments.train(recipe, stopped, resume=True, verbose=False)
    one, other = (experiments.load_generator(folder)[1] for folder in (whole, stopped))
    assert one.additional_terms and int(one.average_steps) > 0 and one.encoder.weights
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_baseline_does_without():
    recipe = dataclasses.replace(_recipe(**WEIGHTS), baseline=True)
    baseline = experiments.experiment(recipe).baseline()
    assert baseline.objective == "supervised" and baseline.pull_away == 0
    assert experiments.build(baseline).encoder is None


def test_an_encoder_has_the_types_of_the_generator():
    gan = experiments.build(_recipe(encoder_weight=0.1, mixed_precision="bfloat16"))
    assert gan.encoder.layers[-1].compute_dtype == "bfloat16"
    assert gan.compute_dtype == "float32"


def test_an_encoder_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        """
import keras
import improved_gan_tf as ig

recipe = ig.experiments.override(ig.experiments.get("digits"), encoder_weight=0.1)

def encoder(image_shape, latent_dim, units=3):
    images = keras.Input(image_shape)
    x = keras.layers.Dense(units, activation="relu")(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Dense(2 * latent_dim)(x))

def losses():
    def mine(encoded, images_fake, logits_fake):
        return keras.ops.mean(encoded) + keras.ops.mean(images_fake) + keras.ops.mean(logits_fake)
    return mine
"""
    )
    gan = experiments.build(file, encoder={"units": 4})
    assert [tuple(v.shape) for v in gan.encoder.weights] == [(64, 4), (4,), (4, 100), (100,)]
    assert [term.weight for term in gan.objective_terms] == [1.0, 0.1]


def test_refused():
    refused = refusal_of(experiments.build)
    message = "digits: the objective supervised uses labeled images alone.*no pull_away"
    refused(message, _recipe(), objective="supervised", pull_away=0.1)
    imagenet = experiments.experiment(_recipe(network="imagenet"))
    refusal_of(imagenet.network_function)("no network with encoder.. 'imagenet'", "encoder")
    refused("conditional_entropy must be at least 0", _recipe(), conditional_entropy=-0.1)


@pytest.mark.parametrize(
    "name, value, needed",
    [
        ("feature_distance", "absolute", "the objective feature_matching"),
        ("encoder", {"units": [5]}, "encoder_weight above 0"),
        ("consistency_distance", 1e-3, "consistency above 0"),
        ("virtual_adversarial_radius", 1.0, "virtual_adversarial above 0"),
        *((f"transformed_{k}", 0.5, "transformed above 0") for k in ("shift", "zoom", "shear")),
        ("transformed_threshold", 0.5, "transformed above 0"),
    ],
)
def test_values_that_change_nothing_are_refused_where_a_run_begins(name, value, needed, tmp_path):
    recipe = _recipe(**{name: value})
    if name == "feature_distance":
        experiments.experiment(recipe).refuse_unused()  # it is used
        recipe = dataclasses.replace(recipe, objective="minibatch_discrimination")
    refusal_of(experiments.train)(f"digits: {name} needs {needed}", recipe, tmp_path / "run")
    assert not RunFolder(tmp_path / "run").begun
    experiments.build(recipe)  # as a run of an older version is loaded


@pytest.mark.parametrize(
    "recipe, values",
    [
        ("digits", WEIGHTS),
        ("digits", {**WEIGHTS, "consistency": 0, "consistency_distance": 1e-5}),
        ("mnist-best", {"transformed": 0}),
        ("cifar10-feature-matching", {"objective": "minibatch_discrimination"}),
        *((name, {}) for name in experiments.RECIPES),
    ],
)
def test_values_that_a_recipe_declares_may_stay(recipe, values):
    recipe = experiments.override(experiments.get(recipe), **values)
    chosen = experiments.experiment(recipe)
    chosen.refuse_unused()
    baseline = chosen.baseline()
    if baseline is not None:
        experiments.experiment(baseline).refuse_unused()
