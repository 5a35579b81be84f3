"""The run folder, tolerantly read, for reports: parts are absent, half-written or odd."""

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder
from tests.helpers.run_folders import COLUMNS, CONFIG, RESULTS, write_run


def test_everything_is_there(tmp_path):
    folder = write_run(tmp_path / "run", epochs=3, samples=(1, 3))
    (folder / "generator").mkdir()
    run = RunFolder(folder).read()
    assert run.folder == folder.resolve() and run.name == "mnist-feature-matching"
    assert (run.config, run.results) == (CONFIG, RESULTS) and run.baseline == 0.091
    assert (run.epochs, run.planned_epochs) == (3, 30)
    assert list(run.log) == COLUMNS and run.log["steps"].tolist() == [600, 1200, 1800]
    assert [epoch for epoch, _ in run.samples] == [1, 3]
    assert run.labeled.tolist() == list(range(100, 200))
    assert run.exported and run.notes == []


@pytest.mark.parametrize(
    "missing, note",
    [
        ("log.csv", "log.csv is absent or holds no finished epoch: there are no curves."),
        ("config.json", "config.json is absent: the recipe is not known."),
        ("samples", "There are no sample grids."),
        ("results.json", None),
        ("labeled_indices.npy", None),
    ],
)
def test_what_is_absent_is_noted(tmp_path, missing, note):
    folder = write_run(tmp_path / "run")
    path = folder / missing
    for file in path.iterdir() if path.is_dir() else [path]:
        file.unlink()
    assert RunFolder(folder).read().notes == ([note] if note else [])


def test_names_without_a_configuration(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", config=None, results=None)).read()
    assert run.name == "run" and run.planned_epochs is None
    run.results = {"recipe": "digits"}
    assert run.name == "digits"


def test_a_line_being_written_and_a_broken_grid_are_left_out(tmp_path):
    folder = write_run(tmp_path / "run", epochs=3, samples=(1,), results=None)
    with open(folder / "log.csv", "a") as stream:
        stream.write("4,2400,8")
    (folder / "samples" / "epoch-0002.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    (folder / "samples" / "epoch-3.png").write_bytes(b"not one of ours")
    run = RunFolder(folder).read()
    assert run.epochs == 3 and [epoch for epoch, _ in run.samples] == [1]
    assert run.notes == ["samples/epoch-0002.png is no readable PNG and is left out."]


def test_numbers_that_are_none_are_noted(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2, results=None)
    with open(folder / "log.csv", "a") as stream:
        stream.write("3,1800,80,nan,0.4,inf,0.01,,,0.003\r\n")
        stream.write("4,2400,80,nan,0.4,1,0.01,,,0.003\r\n")
    run = RunFolder(folder).read()
    assert run.notes == [  # val_error is blank: not measured
        "supervised_loss is nan in epoch 3 and in 1 more.",
        "generator_loss is inf in epoch 3.",
    ]
    assert np.isnan(run.log["val_error"][2:]).all() and np.isinf(run.log["generator_loss"][2])


def test_baseline_forms(tmp_path):
    run = RunFolder(write_run(tmp_path / "run", results={**RESULTS, "baseline": None})).read()
    assert run.baseline is None
    for baseline in (0.5, {"test_error": 0.5, "epochs": 3}):
        run.results["baseline"] = baseline
        assert run.baseline == 0.5
    run.results["baseline"] = {"test_error": float("nan")}
    assert run.baseline is None
    (tmp_path / "run" / "results.json").unlink()
    (tmp_path / "run" / "baseline").mkdir()
    (tmp_path / "run" / "baseline" / "results.json").write_text('{"test_error": 0.25}')
    assert RunFolder(tmp_path / "run").read().baseline == 0.25  # while the run itself still trains


def test_resumed_log_counts_the_later_line(tmp_path):
    folder = write_run(tmp_path / "run", epochs=4)
    with open(folder / "log.csv", "a") as stream:
        stream.write("3,1800,80,1,2,3,0.5,0.6,0.7,0.003\n")
    log = RunFolder(folder).read().log
    np.testing.assert_array_equal(log["epoch"], [1, 2, 3, 4])
    assert log["val_error"][2] == 0.6


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", "{", "config.json cannot be read as JSON"),
        ("results.json", "[]", "must be an object, not a list"),
        ("baseline/results.json", "{", "baseline/results.json cannot be read as JSON"),
        ("log.csv", "a,b\n1,2\n", "no column 'epoch'"),
        ("log.csv", "epoch,error\n1,0.5\n2,half\n", "line 3, column error: 'half' is not a number"),
        ("log.csv", "epoch,error\nnan,0.5\n", "line 2: the epoch is not a whole number"),
        ("log.csv", "epoch,error\n1\n2,0.5\n", "line 2: 1 fields where the first line has 2"),
        ("labeled_indices.npy", "no array", "is no list of indices"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, message):
    folder = write_run(tmp_path / "run", epochs=2)
    (folder / "baseline").mkdir()
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        RunFolder(folder).read()
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_no_run_at_all(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        RunFolder(tmp_path / "absent").read()
    with pytest.raises(UserError, match="nothing to report"):
        RunFolder(tmp_path).read()
    (tmp_path / "log.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(UserError, match="nothing to report"):
        RunFolder(tmp_path).read()
