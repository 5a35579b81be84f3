"""Runs of models made in Python, in folders of `callbacks.standard`: commands and resuming."""

import json
import shutil

import keras
import numpy as np
import pytest

from improved_gan_tf import callbacks, data, experiments, models, networks
from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder
from tests.helpers.one_line import refusal_of


def _data():
    return data.load("digits", labels_per_class=2, batch_size=200)


def _gan(compiled=True, **values):
    keras.utils.set_random_seed(1)
    pair = (
        networks.dense.generator((8, 8, 1), 5, (6,)),
        networks.dense.discriminator((8, 8, 1), units=(7, 6)),
    )
    gan = models.SemiSupervisedGAN(*pair, seed=1, **values)
    if compiled:
        gan.compile(jit_compile=False)
    return gan


def _fit(gan, loaded, out, epochs, first=0, **values):
    loaded.start_epoch = first
    gan.fit(
        loaded.train,
        initial_epoch=first,
        epochs=epochs,
        validation_data=loaded.test,
        callbacks=callbacks.standard(out, samples=4, **values),
        verbose=0,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of three epochs, the data and the trained model."""
    out, loaded, gan = tmp_path_factory.mktemp("python") / "mine", _data(), _gan()
    _fit(gan, loaded, out, epochs=3)
    return out, loaded, gan


def _states(gan):
    return [np.asarray(v) for v in [*gan.variables, *gan.optimizer.variables]]


def test_what_the_folder_holds(run):
    config = RunFolder(run[0]).config()
    assert config["kind"] == "model" and config["recipe"] == {"name": "mine", "epochs": 3}
    assert config["data"] == {
        "image_shape": [8, 8, 1],
        "num_classes": 10,
        "image_range": [0.0, 1.0],
    }
    assert set(config["versions"]) > {"improved_gan_tf", "keras"}
    assert len(RunFolder(run[0]).rows()) == 3 and RunFolder(run[0]).model.is_file()


def test_the_commands_work_on_it(run, tmp_path, capsys, monkeypatch):
    out, loaded, gan = run
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample", str(out), "--count", "4", "--out", "s.npz", "--by-class"]) == 0
    assert cli.main(["export", str(out), "--out", "exported"]) == 0
    assert cli.main(["report", str(out)]) == 0
    assert "Finished: 3 epochs." in (out / "report/report.html").read_text()
    assert cli.main(["predict", str(out), "digits@test", "--out", "labels.csv"]) == 0
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 501
    capsys.readouterr()
    assert cli.main(["evaluate", str(out), "--data", "digits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recipe"], found["epochs"], found["test_images"]) == ("mine", 3, 500)
    error = gan.evaluate(loaded.test, verbose=0, return_dict=True)["error"]
    assert found["test_error"] == pytest.approx(float(error), abs=1e-6)
    images = experiments.open_generator(out, 4, seed=1)  # what score opens
    np.testing.assert_allclose(np.load("s.npz")["images"].shape, (4, 8, 8, 1))
    assert images.name.endswith("(mine, epoch 3) (seed 1)")
    assert experiments.load_run(out, data=loaded)[1] is loaded
    _, loaded_gan, epochs = experiments.load_generator(out)
    assert epochs == 3
    np.testing.assert_array_equal(loaded_gan.sample(4, seed=1), gan.sample(4, seed=1))


def test_ensembles_of_them(run, tmp_path):
    """On named data; of a run and its copy, the ensemble is the run."""
    copy = shutil.copytree(run[0], tmp_path / "copy")
    found = experiments.ensemble([run[0], copy], data="digits")
    recipe, loaded, gan, _ = experiments.load_run(run[0], data="digits")
    assert found["test_error"] == experiments.evaluate(recipe, loaded, gan)["test_error"]


def test_what_cannot_work_says_why(run, tmp_path, capsys):
    out = str(run[0])
    for arguments, message in (
        (["evaluate", out], "mine has no recipe that names its data; name them by --data"),
        (
            ["train", "digits", "--resume", "--out", out],
            "the run has no recipe because its model was",
        ),
    ):
        assert cli.main(arguments) == 2
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1 and message in shown
    x, y = np.zeros((40, 6, 6), np.uint8), np.arange(40) % 4
    refused = refusal_of(experiments.load_run)
    refused(
        r"arrays has images \(6, 6, 1\), 4 classes, .* but mine takes images \(8, 8, 1\), 10",
        out,
        data=(x, y),
    )
    refusal_of(experiments.train)("the run has no recipe", "digits", out, resume=True)


def test_used_folders_are_refused(run):
    """At once; and a second fit by the same callbacks, before anything is written."""
    out, loaded, _ = run
    before = RunFolder(out).rows()
    refusal_of(callbacks.standard)(
        r"is not empty; name another folder .* in Python resume=True", out
    )
    with pytest.raises(UserError, match="mine has 3 epochs, but fit begins with epoch 1; name an"):
        _fit(_gan(), loaded, out, epochs=1, resume=True)
    restored_and_then_compiled = _gan(compiled=False)
    RunFolder(out).restore(restored_and_then_compiled)
    restored_and_then_compiled.compile(jit_compile=False)
    for gan in (_gan(), restored_and_then_compiled):
        said = (
            r"mine has 3 epochs, but .* a model without its weights or .* gan.compile\(...\), then"
        )
        with pytest.raises(UserError, match=said):
            _fit(gan, loaded, out, epochs=4, first=3, resume=True)
    assert RunFolder(out).rows() == before


@pytest.mark.parametrize("loaded_from_folder", [False, True])
def test_resuming_is_bit_equal(run, tmp_path, loaded_from_folder):
    """By a model that is made again, and by the one that the folder keeps."""
    out, loaded = tmp_path / "stopped", _data()
    _fit(_gan(), loaded, out, epochs=2)
    if loaded_from_folder:
        _, gan, first = experiments.load_generator(out)
    else:
        gan = _gan()
        first = RunFolder(out).restore(gan)
    assert first == 2
    _fit(gan, loaded, out, epochs=3, first=first, resume=True)
    for a, b in zip(_states(gan), _states(run[2]), strict=True):
        np.testing.assert_array_equal(a, b)
    rows = RunFolder(out).rows()
    assert [row["val_error"] for row in rows] == [r["val_error"] for r in RunFolder(run[0]).rows()]
    assert RunFolder(out).config()["recipe"]["epochs"] == 3


def test_a_model_in_another_range(tmp_path):
    """No name stands for such data; arrays of one's own, scaled alike, would."""
    folder = RunFolder(tmp_path)
    callback = callbacks.Begin(folder)
    callback.set_model(_gan(image_range=(0, 2)))
    callback.set_params({"epochs": 1})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    folder.save_checkpoint(callback.model, 1)
    refusal_of(experiments.load_run)(r"no scaling makes images in \[0.0, 2.0\]", folder, None, "x")


def test_an_objective_that_is_not_registered(tmp_path):
    """Sampling and evaluating do without it."""

    def certain(logits_fake):
        return -keras.ops.mean(logits_fake)

    gan, loaded, out = _gan(), _data(), tmp_path / "run"
    gan.compile(objective=certain, jit_compile=False)
    _fit(gan, loaded, out, epochs=1)
    _, _, found, epochs = experiments.load_run(out, data="digits")
    assert epochs == 1
    np.testing.assert_array_equal(found.sample(2, seed=1), gan.sample(2, seed=1))
    expected = gan.error_rates(loaded.test)
    assert found.error_rates(loaded.test) == expected


def test_a_model_that_cannot_be_kept(tmp_path):
    """It trains; what needs the model says so."""

    class Own(keras.layers.Layer):
        def call(self, x):
            return x

        def get_config(self):
            raise NotImplementedError("no configuration")

    generator = networks.dense.generator((8, 8, 1), 5, (6,))
    generator = keras.Model(generator.input, Own()(generator.output))
    gan = models.SemiSupervisedGAN(
        generator, networks.dense.discriminator((8, 8, 1), units=(7, 6)), seed=1
    )
    gan.compile(jit_compile=False)
    with pytest.warns(UserWarning, match="model.keras cannot be written, so that the commands"):
        _fit(gan, _data(), tmp_path / "run", epochs=1)
    assert RunFolder(tmp_path / "run").restore(gan) == 1
    refusal_of(experiments.load_generator)("model.keras is absent; make the", tmp_path / "run")
    RunFolder(tmp_path / "run").model.write_text("no archive")
    refusal_of(experiments.load_generator)("model.keras cannot be loaded; ", tmp_path / "run")
