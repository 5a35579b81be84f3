"""The callbacks of a run, on a model that is no network: what they write, show and refuse."""

import itertools
import math
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import callbacks
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import Locked, RunFolder


class Model:
    """What the callbacks ask of a model."""

    reported = ("supervised_loss", "error", "val_error")
    trains_generator = True
    image_range = (-1.0, 1.0)
    image_shape = (2, 3, 1)
    num_classes = None
    stop_training = False

    def __init__(self):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.25, 0.125])
        self.discriminator_optimizer = keras.optimizers.SGD(schedule)
        self.discriminator_optimizer.build([keras.Variable(0.0)])
        self.value = -1.0

    def sample(self, n, seed):
        return np.full((n, 2, 3, 1), self.value + seed, np.float32)

    def step_not_finite(self, step):
        return step

    def save(self, path):
        path.write_text("model")

    def save_weights(self, file, overwrite):
        file.write(b"weights")


def train(found, epochs, first=0, steps=2, logs=None, model=None):
    """What `fit` does with callbacks, without training; returns the model."""
    model = model or Model()
    callback = keras.callbacks.CallbackList(found, model=model, epochs=epochs, steps=steps)
    callback.on_train_begin()
    end = {}
    for epoch in range(first, epochs):
        callback.on_epoch_begin(epoch)
        for step in range(steps):
            callback.on_train_batch_begin(step)
            model.discriminator_optimizer.iterations.assign_add(1)
            callback.on_train_batch_end(step, logs or {"supervised_loss": 0.5, "error": 0.25})
        end = {"supervised_loss": 1 / 3, "error": 0.25, "val_error": 0.125, "other": 9.0}
        callback.on_epoch_end(epoch, logs or end)
    callback.on_train_end(logs or end)
    return model


def test_standard_keeps_everything_in_the_folder(tmp_path):
    train(callbacks.standard(tmp_path, samples=4), epochs=3)
    folder = RunFolder(tmp_path)
    assert [row["epoch"] for row in folder.rows()] == ["1", "2", "3"]
    assert [epoch for epoch, _ in folder.grids()] == [1, 2, 3]
    assert folder.latest_checkpoint()[0] == 3
    losses = {(epoch, "epoch_supervised_loss", "scalars") for epoch in range(3)}
    assert losses < _events(folder.tensorboard / "train")
    by_step = {(2 * e + 2, "evaluation_error_vs_iterations", "scalars") for e in range(3)}
    by_epoch = {(epoch, "epoch_error", "scalars") for epoch in range(3)}
    assert _events(folder.tensorboard / "validation") == by_epoch | by_step


def _events(folder):
    """(step, name, plugin) of everything that TensorBoard finds in a folder."""
    (path,) = folder.iterdir()
    return {
        (event.step, value.tag, value.metadata.plugin_data.plugin_name)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_what_tensorboard_cannot_be_given_stops_training_in_one_line(tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(UserError, match=r"cannot write .*tensorboard/\w+: .*; free some") as caught:
        train([callbacks.TensorBoard(tmp_path)], epochs=1)
    assert "\n" not in str(caught.value)


def test_standard_refuses_a_used_folder_and_resumes(tmp_path):
    """Nothing is overwritten, also where the callbacks of one `fit` are given to another."""
    found = callbacks.standard(tmp_path, samples=4)
    train(found, epochs=2)
    folder = RunFolder(tmp_path)
    with pytest.raises(UserError, match="is not empty; name another folder"):
        callbacks.standard(tmp_path)
    with pytest.raises(UserError, match=r"has 2 epochs, but .* epoch 1; .*initial_epoch=2\)"):
        train(found, epochs=2)
    config = folder.config()
    assert config["kind"] == "model" and config["recipe"]["epochs"] == 2
    folder.model.write_text("as it began")
    model = Model()
    model.discriminator_optimizer.iterations.assign(4)
    train(callbacks.standard(tmp_path, resume=True), epochs=3, first=2, model=model)
    assert [row["epoch"] for row in folder.rows()] == ["1", "2", "3"]
    config["recipe"]["epochs"] = 3
    assert folder.config() == config and folder.model.read_text() == "as it began"


def test_one_fit_at_a_time_writes_the_folder(tmp_path):
    """One that an error ended does not keep the same process from going on."""
    folder = RunFolder(tmp_path / "run")
    with folder.lock(), pytest.raises(Locked, match="is being written by process"):
        train(callbacks.standard(folder, samples=4), epochs=1)
    with pytest.raises(UserError, match="became nan"):
        train(callbacks.standard(folder, samples=4), epochs=1, logs={"error": math.nan})
    with pytest.raises(Locked), folder.lock():
        pass
    train(callbacks.standard(folder, samples=4, resume=True), epochs=1)
    with folder.lock():
        assert folder.latest_checkpoint()[0] == 1


def test_a_model_that_does_not_fit_on_the_disk_stops_fit(tmp_path, monkeypatch):
    """One that cannot be written for another reason is a warning: `fit` itself works."""
    for error in (OSError(28, "No space left on device"), NotImplementedError("no configuration")):
        monkeypatch.setattr(Model, "save", Mock(side_effect=error))
        line = pytest.raises(UserError, match="cannot write .*model.keras: No space left")
        with line if isinstance(error, OSError) else pytest.warns(match="cannot be written"):
            train(callbacks.standard(tmp_path, samples=4), epochs=1)


def test_the_checkpoint_is_last(tmp_path):
    """A kill before it costs the epoch, and an epoch that has one has its other files."""
    assert isinstance(callbacks.standard(tmp_path)[-1], callbacks.Checkpoint)


def test_log(tmp_path):
    train([callbacks.RunLog(tmp_path)], epochs=2)
    rows = RunFolder(tmp_path).rows()
    assert list(rows[0]) == [
        "epoch",
        "steps",
        "seconds",
        "supervised_loss",
        "error",
        "val_error",
        "learning_rate",
    ]
    assert [row["steps"] for row in rows] == ["2", "4"]
    assert (rows[0]["supervised_loss"], rows[0]["val_error"]) == ("0.333333", "0.125")
    # The rate of the epoch's first step, not of the step after its last.
    assert [row["learning_rate"] for row in rows] == ["0.25", "0.125"]
    assert 0 <= float(rows[0]["seconds"]) < 60


def test_resumed_log_drops_the_epochs_without_a_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    train([callbacks.RunLog(tmp_path)], epochs=3)
    before = folder.rows()
    train([callbacks.RunLog(tmp_path, first_epoch=1)], epochs=2, first=1)
    after = folder.rows()
    assert [row["epoch"] for row in after] == ["1", "2"] and after[0] == before[0]
    train([callbacks.RunLog(tmp_path)], epochs=1)
    assert [row["epoch"] for row in folder.rows()] == ["1"]


def test_log_without_validation_has_blanks(tmp_path):
    train([callbacks.RunLog(tmp_path)], epochs=1, logs={"supervised_loss": 1.0, "error": 0.5})
    assert RunFolder(tmp_path).rows()[0]["val_error"] == ""


def test_checkpoints_are_spread_in_time_and_the_last_epoch_has_one(tmp_path, monkeypatch):
    saved, clock = [], itertools.count(step=1)
    monkeypatch.setattr(RunFolder, "save_checkpoint", lambda self, m, epoch, n: saved.append(epoch))
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(clock) * 2.0)
    train([callbacks.Checkpoint(tmp_path, seconds=5.0)], epochs=8)
    assert saved == [3, 6, 8]  # each look at the clock takes 2 s
    saved.clear()
    train([callbacks.Checkpoint(tmp_path)], epochs=3)
    assert saved == [1, 2, 3]


@pytest.mark.parametrize(
    "epochs, every, expected",
    [
        (3, None, [1, 2, 3]),
        (7, 3, [1, 3, 6, 7]),
        (250, None, [1, *range(5, 250, 5), 250]),
    ],
)
def test_grids_are_spread_over_the_run(tmp_path, epochs, every, expected):
    train([callbacks.SampleGrid(tmp_path, count=1, every=every)], epochs)
    assert [epoch for epoch, _ in RunFolder(tmp_path).grids()] == expected


def test_grids_are_in_the_range_of_the_model(tmp_path):
    train([callbacks.SampleGrid(tmp_path, count=2, seed=1)], epochs=1)
    with Image.open(RunFolder(tmp_path).grid(1)) as image:
        levels = {level for _, level in image.getcolors()}
    assert levels == {128, 96}  # 0 in -1..1; the lines


def test_no_grid_without_a_trained_generator_or_of_nan(tmp_path):
    model = Model()
    model.value = math.nan
    train([callbacks.SampleGrid(tmp_path)], epochs=2, model=model)
    model = Model()
    model.trains_generator = False
    train([callbacks.SampleGrid(tmp_path)], epochs=2, model=model)
    assert RunFolder(tmp_path).grids() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number_stops_training(value):
    with pytest.raises(UserError, match=f"error became {value} in epoch 1, step 1: training"):
        train([callbacks.StopOnNaN()], epochs=1, logs={"supervised_loss": 1.0, "error": value})


def test_progress_in_a_file(capsys):
    """The first and the last epoch have a line, and those after the interval."""
    train([callbacks.Progress(title="digits", interval=1e9)], epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["digits: 3 epochs of 2 steps", "compiling ..."]
    said = "error 25.00 %, val 12.50 %, supervised 0.3333"
    assert lines[2].startswith(f"epoch 1/3: {said} (") and lines[2].endswith(" s left)")
    assert lines[3] == f"epoch 3/3: {said} (0 s left)" and len(lines) == 4
    train([callbacks.Progress(first_epoch=2, interval=0)], epochs=4, first=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training: 4 epochs of 2 steps, continuing after epoch 2"
    assert len(lines) == 4


def test_time_left_does_not_count_the_first_step(capsys, monkeypatch):
    """It compiles: 100 s here, each other step 1 s."""
    progress = callbacks.Progress()
    progress.set_params({"steps": 11, "epochs": 3})
    monkeypatch.setattr("time.perf_counter", lambda: clock)
    clock = 0.0
    progress.on_train_begin()
    for epoch in range(3):
        progress.on_epoch_begin(epoch)
        for batch in range(11):
            clock += 100 if epoch == batch == 0 else 1
            progress.on_train_batch_end(batch, {"error": 0.5})
        progress.on_epoch_end(epoch, {"error": 0.5})
    progress.on_train_end()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "epoch 1/3: error 50.00 % (22 s left)"


def test_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    train([callbacks.Progress(title="digits")], epochs=2)
    shown = capsys.readouterr().out
    assert "epoch 2/2" in shown and "4/4" in shown and "val 12.50 %" in shown
    assert "compiling ..." in shown and " 0/4" not in shown
    train([callbacks.Progress(first_epoch=5)], epochs=6, first=5)
    shown += capsys.readouterr().out
    assert "12/12" in shown and "11/12" in shown and " 1/" not in shown.split("compiling ...")[2]
    assert "s left)" not in shown


def test_counts(tmp_path):
    with pytest.raises(ValueError, match="keep must be at least 1, not 0"):
        callbacks.Checkpoint(tmp_path, keep=0)
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        callbacks.standard(tmp_path / "run", samples=0)


def test_not_a_number_of_the_labels():
    with pytest.raises(UserError, match="stopped; check that all labels are classes, or try a low"):
        train([callbacks.StopOnNaN()], epochs=1, logs={"supervised_loss": math.nan})
