"""losses() of a recipe's file: the generator's objective of the run, wherever the run is loaded."""

import textwrap

import numpy as np
import pytest

from improved_gan_tf import experiments, losses, models
from improved_gan_tf.experiments import recipes
from improved_gan_tf.runs import RunFolder
from tests.helpers.one_line import refusal_of

TEXT = """
import dataclasses
import keras
import improved_gan_tf as ig

recipe = ig.experiments.override(
    ig.experiments.get("digits"), epochs=1, batch_size=200, jit_compile=False, baseline=False,
    generator={"units": [8]}, discriminator={"units": [9, 8]},
)
recipe = dataclasses.replace(recipe, name="own-losses")

def losses(weight=2.0):
    def certain(logits_fake):
        return -keras.ops.mean(keras.ops.max(logits_fake, axis=1))

    return ["feature_matching", ig.models.Objective(certain, weight)]
"""


def _file(folder, text=TEXT):
    path = folder / "mine.py"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.long
def test_a_run_with_losses_of_its_own(tmp_path):
    """They are trained by, kept by the run's copy of the file, and resumed bit for bit."""
    file, stopped, whole = _file(tmp_path), tmp_path / "stopped", tmp_path / "whole"
    results = experiments.train(file, stopped, verbose=False)
    assert results["objective"] == "losses()"
    experiments.train(file, whole, verbose=False, epochs=2)
    file.unlink()
    began = recipes.of_run(RunFolder(stopped))
    assert began.code.sha256 == RunFolder(stopped).config()["code"]["sha256"]
    experiments.train(began, stopped, resume=True, verbose=False, epochs=2)
    recipe, data, gan, epochs = experiments.load_run(stopped)
    other = experiments.load_generator(whole)[1]
    assert epochs == 2 and [term.weight for term in gan.objective_terms] == [1.0, 2.0]
    assert gan.objective_terms[0].loss is losses.feature_matching
    for a, b in zip(gan.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    found = experiments.evaluate(recipe, data, gan)
    assert found["test_error"] == RunFolder(stopped).results()["test_error"]
    assert gan.export(tmp_path / "generator").is_dir()


def test_values_reach_it_and_the_baseline_does_without(tmp_path):
    file = _file(tmp_path)
    gan = experiments.build(file, losses={"weight": 0.5})
    assert gan.objective_terms[1].weight == 0.5
    refusal_of(experiments.build)(
        "losses of .*mine.py has no value 'wait'", file, losses={"wait": 1}
    )
    recipe = experiments.override(experiments.get(file), baseline=True)
    baseline = experiments.experiment(recipe).baseline()
    assert experiments.build(baseline).objective == "supervised"
    refused = refusal_of(experiments.build)
    refused("losses of .*mine.py has no value 'wait'", file, losses={"wait": 1})
    refused("digits has values of losses", "digits", losses={"weight": 1.0})
    # A room of that name in the file is no function of its own.
    imported = TEXT[: TEXT.index("def losses")] + "from improved_gan_tf import losses\n"
    assert experiments.build(_file(tmp_path, imported)).objective == "feature_matching"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("keras.ops.mean(", "keras.ops.meen(", r"mine.py, line 14: AttributeError"),
        ("-keras.ops.mean(", "(", r"certain returns shape \(2,\); expected a scalar"),
        ("certain(logits_fake)", "certain(x, logits_fake)", "line 16: .* x has no value"),
        ('"feature_matching"', '"matching"', "own-losses: objective must be one of"),
    ],
)
def test_errors_come_before_the_run_begins(tmp_path, old, new, message):
    assert old in TEXT
    file, out = _file(tmp_path, TEXT.replace(old, new)), tmp_path / "run"
    refusal_of(experiments.train)(message, file, out, verbose=False)
    assert not (out / "config.json").exists()


def test_one_function_alone(tmp_path):
    text = TEXT[: TEXT.index("    return [")] + "    return certain\n"
    gan = experiments.build(_file(tmp_path, text))
    assert [term.needs for term in gan.objective_terms] == [("logits_fake",)]
    assert isinstance(gan.objective_terms[0], models.Objective)
