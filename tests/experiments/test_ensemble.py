"""Ensembles: against an oracle in NumPy, what is refused, how many models are held."""

import importlib
import json
import shutil
import weakref

import numpy as np
import pytest

from improved_gan_tf import experiments
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.ensemble import keep
from improved_gan_tf.runs import RunFolder

SMALL = {"generator": {"units": [16, 16]}, "discriminator": {"units": [32, 16]}}
FEW = {"epochs": 1, "baseline": False, "jit_compile": False, "verbose": False}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs: two seeds, and one that scales its images otherwise."""
    folder = tmp_path_factory.mktemp("ensemble")
    values = [{}, {"seed": 2, "seed_data": 2}, {"scaling": "symmetric"}]
    for k, value in enumerate(values):
        experiments.train("digits", folder / str(k), **FEW, **SMALL, **value)
    return [folder / str(k) for k in range(len(values))]


def _oracle(run, which):
    """(probabilities, labels) from a checkpoint's arrays: matrix products in NumPy."""
    _, data, gan, _ = experiments.load_run(run)
    network = gan.discriminator
    values = gan.classifier_values(which)
    given = {id(v): x for v, x in zip(network.trainable_variables, values, strict=True)}
    x = np.concatenate([np.asarray(x, np.float64) for x, _ in data.test])
    labels = np.concatenate([np.asarray(y) for _, y in data.test])
    x = x.reshape(len(x), -1)
    for layer in [layer for layer in network.layers if layer.weights]:
        w = {v.name: np.asarray(given.get(id(v), v), np.float64) for v in layer.weights}
        direction = w["kernel"] / np.sqrt((w["kernel"] ** 2).sum(axis=0))
        x = x @ (direction * w["g"]) + w["bias"]
        x = x if layer.name == "logits" else np.maximum(x, 0)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), labels


def test_against_an_oracle(runs):
    found = experiments.ensemble(runs)
    assert found["runs"] == [str(run) for run in runs] and found["test_images"] == 500
    for key, which in (("test_error", "debiased"), ("test_error_current", "none")):
        parts = [_oracle(run, which) for run in runs]
        mean, labels = sum(part for part, _ in parts) / len(parts), parts[0][1]
        assert found[key] == (mean.argmax(axis=1) != labels).mean(), key
    assert found["test_error"] != found["test_error_current"]


def test_kept_probabilities(runs, tmp_path):
    """An ensemble without checkpoints and data, of what a table keeps of its runs."""
    exact, folders = experiments.ensemble(runs), []
    for k, run in enumerate(runs):
        folders.append(tmp_path / str(k))
        shutil.copytree(run, folders[k])
        keep(folders[k])
        before = (folders[k] / "probabilities.npz").stat()
        keep(folders[k])  # is there
        assert (folders[k] / "probabilities.npz").stat() == before
        shutil.rmtree(folders[k] / "checkpoints")
    found = experiments.ensemble(folders, "/no/data", kept=True)
    assert found["test_images"] == 500
    for key in ("test_error", "test_error_current"):
        assert abs(found[key] - exact[key]) <= 1 / 500  # float16
    labels, averaged, _ = RunFolder(folders[0]).probabilities()
    (exactly, true) = _oracle(runs[0], "debiased")
    np.testing.assert_array_equal(labels, true)
    np.testing.assert_allclose(averaged, exactly, rtol=6e-4, atol=1e-6)

    for other, reason in (
        ((1 - labels, averaged, averaged), "has another test set than"),
        ((labels[1:], averaged[1:], averaged[1:]), "has another test set than"),
        ((labels, averaged[:, 1:], averaged[:, 1:]), "gives each image 9 class prob.*0 10; name"),
    ):
        RunFolder(folders[1]).write_probabilities(*other)
        with pytest.raises(UserError, match=reason):
            experiments.ensemble(folders, kept=True)
    for arrays, reason in (
        ({"labels": labels}, "it lacks averaged, current; remove it"),
        ({"labels": labels, "averaged": averaged, "current": averaged[1:]}, "do not fit together"),
        ({"labels": 3, "averaged": averaged, "current": averaged}, "do not fit together"),
    ):
        np.savez(folders[1] / "probabilities.npz", **arrays)
        with pytest.raises(UserError, match=f"holds no class probabilities: .*{reason}"):
            experiments.ensemble(folders, kept=True)


def test_one_model_in_memory(runs, monkeypatch):
    held = []

    def load(run, *data):
        assert not [model for model in held if model() is not None]
        loaded = experiments.load_run(run, *data)
        held.append(weakref.ref(loaded[2]))
        return loaded

    module = importlib.import_module("improved_gan_tf.experiments.ensemble")
    monkeypatch.setattr(module, "load_run", load)
    experiments.ensemble(runs)
    assert len(held) == len(runs)


def _altered(run, folder, **data):
    """A copy of a run whose config.json says other things of its data."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text())
    config["data"].update(data)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_refused(runs, tmp_path):
    first = runs[0]
    link = tmp_path / "link"
    link.symlink_to(first)
    for again in (first, f"{first}/", link):
        with pytest.raises(UserError, match="once more; name each run once"):
            experiments.ensemble([first, again])
    with pytest.raises(UserError, match="two runs or more"):
        experiments.ensemble([first])
    with pytest.raises(UserError, match="absent is not the folder of a run"):
        experiments.ensemble([first, tmp_path / "absent"])
    for key, value, what in (
        ("name", "mnist", "other data than .*: mnist, not digits"),
        ("class_names", list("abcdefghij"), "other classes than"),
        ("test_images", 7, "another number of test images than .*: 7, not 500"),
    ):
        with pytest.raises(UserError, match=what):
            experiments.ensemble([first, _altered(first, tmp_path / key, **{key: value})])


def test_another_test_set(runs):
    """Names and numbers may agree where the images do not."""
    whole = experiments.Ensemble(runs)
    recipe, data, gan, _ = experiments.load_run(runs[0])
    whole.add(runs[0], recipe, data, gan)
    data.test_images[3] = data.test_images[4]
    del data.test  # made anew, of the images as they are now
    with pytest.raises(UserError, match="another test set than .*; name runs on the same data"):
        whole.add(runs[1], recipe, data, gan)


def test_no_classifier(runs, tmp_path):
    """A run of ImageNet's recipe classifies no image alone; nothing is loaded."""
    config = {"recipe": {"name": "imagenet"}, "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="imagenet trains no classifier of single images; evaluate"):
        experiments.ensemble([runs[0], tmp_path])
