"""The run folder, strictly read: what is written is read again, and what is odd is refused."""

import ast
import io
import json
import os
import re

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder, load_weights
from tests.helpers.full_disk import file_size_limit
from tests.helpers.paths import ROOT
from tests.helpers.run_folders import COLUMNS, CONFIG, RESULTS, write_run


class Weights:
    """A model of one number, kept in a text file."""

    def __init__(self, value=0):
        self.value = value

    def save_weights(self, file, overwrite):
        file.write(b"%d\n" % self.value)

    def load_weights(self, path):
        self.value = int(path.read_text().splitlines()[0])


def test_a_run_from_start_to_end(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert not folder.begun and not folder.finished
    folder.start(CONFIG, [3, 1, 2])
    assert folder.begun and folder.config() == CONFIG
    assert folder.labeled_indices().tolist() == [3, 1, 2]
    folder.check_labeled_indices(np.array([3, 1, 2]))
    assert folder.rows() == [] and folder.grids() == []
    folder.write_rows(("epoch", "seconds", "loss"), [{"epoch": 1, "seconds": "1.5", "more": 7}])
    assert folder.rows() == [{"epoch": "1", "seconds": "1.5", "loss": ""}]
    folder.write_results(RESULTS)
    assert folder.finished and folder.results() == RESULTS
    assert sorted(os.listdir(folder)) == [
        "config.json",
        "labeled_indices.npy",
        "log.csv",
        "results.json",
    ]
    folder.write_config({**CONFIG, "more": 1})
    assert folder.config()["more"] == 1
    assert RunFolder(folder).path == folder.path == RunFolder(str(folder)).path


def test_seconds_are_the_logs_sum(tmp_path):
    assert RunFolder(write_run(tmp_path / "run", epochs=3)).seconds() == 240.0


def test_a_run_without_labels_has_no_indices(tmp_path):
    folder = RunFolder(tmp_path)
    folder.start(CONFIG)
    assert folder.labeled_indices() is None and os.listdir(folder) == ["config.json"]


def test_used_folders_are_refused(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.refuse_if_used()
    folder.path.mkdir()
    np.save(folder.path / "labeled_indices.npy", [1])  # of a start that was killed
    (folder.path / ".12.tmp.log.csv").touch()
    folder.start(CONFIG)
    with pytest.raises(UserError, match="is not empty; name another folder"):
        folder.start(CONFIG)
    with pytest.raises(UserError, match="is a file; name a folder"):
        RunFolder(folder.path / "config.json").refuse_if_used()


def test_checkpoints(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.latest_checkpoint() == (0, None) and folder.restore(Weights()) == 0
    for epoch in (1, 2, 9999, 10000):
        folder.save_checkpoint(Weights(10 * epoch), epoch)
    assert sorted(p.name for p in folder.checkpoints.iterdir()) == [
        "epoch-10000.weights.h5",
        "epoch-9999.weights.h5",
    ]
    model = Weights()
    assert folder.restore(model) == 10000 and model.value == 100000


def test_what_a_kill_left_is_removed_by_the_next_who_writes_the_run(tmp_path):
    folder = RunFolder(tmp_path)
    for name in (".1.tmp.log.csv", "checkpoints/.2.tmp.epoch-0002.weights.h5", "samples/.3.tmp.x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / ".4.old.generator").mkdir()
    with folder.lock():
        assert sorted(os.listdir(tmp_path)) == ["checkpoints", "generator", "lock", "samples"]
        assert not os.listdir(folder.checkpoints) + os.listdir(folder.samples)


def test_a_checkpoint_that_cannot_be_written_leaves_those_before(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(Weights(1), 1)
    with file_size_limit(50), pytest.raises(UserError, match="epoch-0002.*File too.*--resume"):
        folder.save_checkpoint(Weights(2), 2)
    assert os.listdir(folder.checkpoints) == ["epoch-0001.weights.h5"]


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_checkpoint_whose_bytes_have_changed_is_not_used(tmp_path, place):
    """The line names the one before it, if that is whole."""
    folder, way = RunFolder(tmp_path), "begin again in another folder"
    for epoch in (1, 2, 3):
        folder.save_checkpoint(Weights(100 + epoch), epoch, keep=3)
        path = folder.latest_checkpoint()[1]
        whole = path.read_bytes()
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        model = Weights()
        with pytest.raises(UserError, match=rf"epoch-000{epoch}.* another SHA-256.*; .*{way}"):
            folder.restore(model)
        assert model.value == 0
        way = f"remove it to go on after epoch {epoch}, by epoch-000{epoch}.weights.h5"
        if epoch < 3:
            path.write_bytes(whole)
    path.unlink()
    assert folder.restore(model) == 2 and model.value == 102


def test_a_checkpoint_of_another_model_is_not_to_be_removed(tmp_path):
    folder = RunFolder(tmp_path)
    for epoch in (1, 2):
        folder.save_checkpoint(Weights(1), epoch)

    class Other(Weights):
        def load_weights(self, path):
            raise ValueError("other layers")

    with pytest.raises(UserError, match=r"other layers\); the file is as it was written"):
        folder.restore(Other())


def test_a_checkpoint_without_a_hash_is_one_of_an_earlier_version(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    (folder.checkpoints / "epoch-0004.weights.h5").write_text("7")
    model = Weights()
    assert folder.restore(model) == 4 and model.value == 7


def test_a_damaged_checkpoint_is_named_in_one_line(tmp_path):
    path = tmp_path / "epoch-0001.weights.h5"
    path.write_text("no\nnumber")
    with pytest.raises(UserError, match=r"epoch-0001.weights.h5 is damaged") as caught:
        load_weights(Weights(), path)
    assert "\n" not in str(caught.value)


def npy(shape, size):
    """A .npy file that announces whole numbers of a shape, and `size` bytes of them."""
    stream = io.BytesIO()
    about = {"descr": "<i8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, about)
    return stream.getvalue() + bytes(size)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", None, "is not the folder of a run: it has no config.json"),
        ("config.json", b"{", "config.json cannot be read as JSON"),
        ("config.json", b"\xff", "config.json cannot be read as JSON"),
        ("config.json", b"[" * 100_000, "config.json cannot be read as JSON"),
        ("config.json", b'{"a":' * 99 + b"1" + b"}" * 99, "config.json: it is nested more than 50"),
        ("config.json", b"[]", "config.json: the content must be an object, not a list"),
        ("config.json", b'{"a": 1e200}', "config.json: a number in it is out of range"),
        ("config.json", b'{"a": 1%s}' % (b"0" * 99), "config.json: a number in it is out of range"),
        ("config.json", b'{"a": "\\u0000"}', "config.json: a text in it has characters"),
        ("config.json", b'{"\\ud800": 1}', "config.json: a text in it has characters"),
        ("config.json", b'{"recipe": {"epochs": true}}', "recipe.epochs must be a whole number"),
        (
            "config.json",
            b'{"data": {"image_shape": [8, 0]}}',
            r"data.image_shape\[1\] must be a who",
        ),
        ("results.json", b'{"baseline": {"steps": "9"}}', "baseline.steps must be a whole number"),
        ("results.json", b'{"test_error": []}', "test_error must be a number, not a list"),
        ("scores.json", b'{"inception_score": 3}', "inception_score must be an object, not a who"),
        ("results.json", None, "has no results.json yet"),
        ("results.json", b"3", "results.json: the content must be an object, not a whole number"),
        ("log.csv", b"\xff", "log.csv cannot be read"),
        ("log.csv", b"a,b\n1,2\n", "no column 'epoch'"),
        ("labeled_indices.npy", b"no array", "is no list of indices"),
        ("log.csv", b'epoch,"' + b"9" * 200_000, "log.csv cannot be read as a log: field larger"),
        ("log.csv", b"epoch\n1e300\n", "line 2: the epoch is not a whole number"),
        ("log.csv", b"epoch\n0.5\n", "line 2: the epoch is not a whole number"),
        ("labeled_indices.npy", b"", "is no list of indices"),
        ("labeled_indices.npy", npy((1 << 60,), 8), "is no list of indices: "),
        ("labeled_indices.npy", npy((1,), 4), "is no list of indices: "),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, message):
    folder = RunFolder(write_run(tmp_path / "run", epochs=2))
    if content is None:
        (folder.path / name).unlink()
    else:
        (folder.path / name).write_bytes(content)
    read = {
        "config.json": folder.config,
        "results.json": folder.results,
        "scores.json": folder.scores,
        "log.csv": folder.rows,
        "labeled_indices.npy": folder.labeled_indices,
    }[name]
    with pytest.raises(UserError, match=message) as caught:
        read()
    assert "\n" not in str(caught.value) and str(folder.path) in str(caught.value)


@pytest.mark.parametrize(
    "indices", [["<script>"], [0.5], [[1, 2]], [True]], ids=["text", "float", "2d", "bool"]
)
def test_labeled_indices_are_whole_numbers(tmp_path, indices):
    """A report writes them into a page."""
    np.save(tmp_path / "labeled_indices.npy", np.array(indices))
    with pytest.raises(UserError, match=r"expected (whole )?numbers"):
        RunFolder(tmp_path).labeled_indices()


@pytest.mark.parametrize("name", ["config.json", "log.csv", "labeled_indices.npy", "recipe.py"])
def test_what_is_no_file_is_not_waited_for(tmp_path, name):
    folder = RunFolder(write_run(tmp_path / "run"))
    folder.write_config({**CONFIG, "code": {"sha256": "0"}})
    (folder.path / name).unlink(missing_ok=True)
    os.mkfifo(folder.path / name)
    with pytest.raises(UserError, match=rf"{name} is no (file; remove|list .*: not a file)"):
        folder.check()
        folder.code()


@pytest.mark.parametrize(
    "name, message",
    [
        ("generator", "is no folder"),
        ("checkpoints", "is no folder"),
        ("results.json", "not a file"),
    ],
)
def test_what_would_stop_a_run_at_its_end_is_found_by_the_check(tmp_path, name, message):
    folder = RunFolder(write_run(tmp_path / "run", results=None))
    folder.check()
    if message == "not a file":
        (folder.path / name).mkdir()
    else:
        (folder.path / name).touch()
    with pytest.raises(UserError, match=rf"{name} .* {message}; move it away"):
        folder.check()


def test_seconds_of_a_log_that_lacks_some(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.seconds() == 0
    (tmp_path / "log.csv").write_text("epoch,seconds\n1,2.5\n2,\n3,nan\n4,inf\n5,1\n")
    assert folder.seconds() == 3.5


def test_other_labeled_images_are_other_data(tmp_path):
    folder = RunFolder(write_run(tmp_path / "run"))
    with pytest.raises(UserError, match="the data are not those"):
        folder.check_labeled_indices(np.arange(100))
    (folder.path / "labeled_indices.npy").unlink()
    with pytest.raises(UserError, match="the data are not those"):
        folder.check_labeled_indices(np.arange(100))


def test_names_of_version_0_1(tmp_path):
    """Its runs can be resumed and reported on: `..._raw` is `..._current` now."""
    folder = RunFolder(write_run(tmp_path / "run", epochs=2))
    text = json.dumps({**RESULTS, "baseline": RESULTS}).replace("error_current", "error_raw")
    (folder.path / "results.json").write_text(text)
    log = folder.path / "log.csv"
    log.write_text(log.read_text().replace("error_current", "error_raw"))
    assert folder.results() == {**RESULTS, "baseline": RESULTS}
    assert list(folder.rows()[0]) == COLUMNS
    run = folder.read()
    assert run.results == folder.results() and list(run.log) == COLUMNS


NAMES = r"(config|results)\.json|log\.csv|labeled_indices\.npy|.*\.weights\.h5|checkpoints|samples"
ELSEWHERE = re.compile(rf"(\S*/)?({NAMES}|tensorboard|epoch-\S*)(/\S*)?")


def test_no_other_module_names_the_files_of_a_run():
    found = {}
    for path in sorted((ROOT / "improved_gan_tf").rglob("*.py")):
        tree = ast.parse(path.read_text())
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
        named = {t for t in texts if isinstance(t, str) and ELSEWHERE.fullmatch(t)}
        if named:
            found[str(path.relative_to(ROOT / "improved_gan_tf"))] = named
    assert len(found.pop("runs/folder.py")) > 6
    # What is a run and no images is known by one name; these rooms do not import this one.
    # Keras looks at the suffix of a file in memory, too. A Turing test has results of its own.
    assert found == {
        "data/names.py": {"checkpoints"},
        "metrics/evaluate.py": {"config.json"},
        "runs/checkpoint.py": {"memory.weights.h5"},
        "turing_test/app.py": {"/results.json"},
        "turing_test/server.py": {"results.json"},
    }
