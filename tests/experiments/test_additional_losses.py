"""Recipes with terms of later work: what the model is given, resumed runs, the baseline."""

import dataclasses

import numpy as np
import pytest

from improved_gan_tf import experiments, losses
from improved_gan_tf.models import smoothness
from improved_gan_tf.runs import RunFolder
from tests.helpers.one_line import refusal_of

WEIGHTS = {
    "conditional_entropy": 0.1,
    "consistency": 0.01,
    "consistency_distance": 1e-3,
    "virtual_adversarial": 0.5,
    "virtual_adversarial_radius": 1.0,
    "pull_away": 0.8,
}


def _recipe(**values):
    small = {"batch_size": 200, "jit_compile": False, "baseline": False, "epochs": 2}
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
    }
    assert _described(gan.objective_terms) == {
        losses.feature_matching: (1.0, {"distance": "squared"}),
        losses.pull_away: (0.8, {}),
    }


def test_without_weights_it_is_compiled_as_ever():
    experiment = experiments.experiment(_recipe())
    assert experiment.objective() == {
        "objective": "feature_matching",
        "feature_distance": "squared",
        "generator_steps": 1,
        "unlabeled_weight": 1.0,
        "average_start": 0,
    }


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
    assert one.additional_terms and int(one.average_steps) > 0
    assert len(one.variables) == len(other.variables)
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_baseline_does_without():
    recipe = dataclasses.replace(_recipe(**WEIGHTS), baseline=True)
    baseline = experiments.experiment(recipe).baseline()
    assert baseline.objective == "supervised" and baseline.pull_away == 0
    assert experiments.build(baseline).additional_terms == []


def test_refused():
    refused = refusal_of(experiments.build)
    message = "digits: the objective supervised uses labelled images alone.*no pull_away"
    refused(message, _recipe(), objective="supervised", pull_away=0.1)
    refused("conditional_entropy must be at least 0", _recipe(), conditional_entropy=-0.1)
