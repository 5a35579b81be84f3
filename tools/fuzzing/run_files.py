"""The files of a run, each damaged or anything in an otherwise whole run."""

import io
import json
import os
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from improved_gan_tf import experiments
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.building import recipe_of_run
from improved_gan_tf.quantities import QUANTITIES
from improved_gan_tf.runs import RunFolder
from improved_gan_tf.runs.reading import PROBABILITIES
from improved_gan_tf.runs.report import report

from .strategies import JSON, archives_of_arrays, array_files, changed_json, contents

_DIGITS = experiments.get("digits")
_CONFIG = {
    **recipes.to_config(_DIGITS),
    "data": {
        "name": "digits", "train_images": 1297, "test_images": 500, "image_shape": [8, 8, 1],
        "num_classes": 10, "class_names": ["0", "1"], "image_range": [0.0, 1.0],
    },
    "replicas": 1, "versions": {"keras": "3.15.1"}, "backend": "tensorflow", "command": "x",
}  # fmt: skip
_MODEL = {**_CONFIG, "kind": "model", "recipe": {"name": "mine", "epochs": 2}}
_RESULTS = {
    "recipe": "digits", "epochs": 2, "steps": 50, "seconds": 3.5, "test_images": 500,
    "test_error": 0.5, "test_error_current": 0.25, "inception_score": 2.5, "labels": 100,
    "objective": "feature_matching",
    "baseline": {"recipe": "digits", "test_error": 0.75, "epochs": 2},
}  # fmt: skip
_SCORES = {"about": {"seed": 0}, "epoch": 2, "inception_score": {"mean": 2.5, "std": 0.5}, "fid": 9}
_LOG = b"epoch,steps,seconds,generator_loss,error,val_error\n1,25,1.5,0.5,0.5,0.5\n2,50,2,1,0.25,\n"


def _png():
    stream = io.BytesIO()
    pixels = np.random.RandomState(0).randint(0, 256, (9, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


_COUNT = np.arange(100)
_EVEN = np.full((100, 2), 0.5, "float16")


def _npy(numbers=_COUNT):
    stream = io.BytesIO()
    np.save(stream, numbers)
    return stream.getvalue()


def _npz():
    stream = io.BytesIO()
    np.savez_compressed(stream, labels=_COUNT, averaged=_EVEN, current=_EVEN)
    return stream.getvalue()


_FILES = {
    "config.json": json.dumps(_CONFIG).encode(),
    "results.json": json.dumps(_RESULTS).encode(),
    "scores.json": json.dumps(_SCORES).encode(),
    "log.csv": _LOG,
    "labeled_indices.npy": _npy(),
    "probabilities.npz": _npz(),
    "samples/epoch-0001.png": _png(),
    "samples/real.png": _png(),
    "baseline/results.json": json.dumps(_RESULTS["baseline"]).encode(),
}


def _read(name):
    """A function that puts content in the place of a run's file and has the run read."""

    def read(folder, content):
        run = RunFolder(folder / "run")
        for file, whole in () if run.begun else _FILES.items():
            path = run.path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(whole)
        (run.path / name).write_bytes(content)
        before = _state(run)
        try:
            run.read()
            run.check()
            run.results(), run.scores(), run.seconds(), run.probabilities()
            recipes.changed(recipe_of_run(run), _DIGITS)
            if zlib.crc32(content) % 101 == 50:  # it takes a second
                report(run, folder / "report")
        finally:
            assert _state(run) == before, "reading has changed the run"
            (run.path / name).write_bytes(_FILES[name])

    return read


def _state(run):
    """When each file was written, and its size."""
    places = (run.path, run.samples, run.baseline.path)
    files = [entry.stat() for place in places for entry in sorted(os.scandir(place), key=str)]
    return [(about.st_ino, about.st_mtime_ns, about.st_size) for about in files]


def _others(valid):
    """The values of a file and any others beside them."""
    return st.dictionaries(st.text(max_size=8), JSON, max_size=4).map(
        lambda more: json.dumps({**more, **valid}).encode()
    )


def _json(*valid):
    texts = [json.dumps(value).encode() for value in valid]
    changed = [changed_json(value).map(json.dumps).map(str.encode) for value in valid]
    return contents(*texts) | JSON.map(json.dumps).map(str.encode) | changed[0] | changed[-1]


@st.composite
def _logs(draw):
    """A log of any numbers, in any columns that a log can have."""
    keys = st.sampled_from([row.key for row in QUANTITIES]) | st.text("abc$^\\\\<&_", max_size=5)
    columns = ["epoch", *draw(st.lists(keys, max_size=5))]
    fields = st.floats().map(repr) | st.sampled_from(("", "0", "1", "1e99", "-1e-300", "1e200"))
    rows = draw(st.lists(st.lists(fields, min_size=5, max_size=5), max_size=4))
    lines = [[str(draw(st.integers(1, 9))), *row][: len(columns)] for row in rows]
    return "\n".join(map(",".join, [columns, *lines])).encode() + b"\n"


def readers(reader):
    """The readers of a run's files by name; `reader` makes one."""
    arrays = archives_of_arrays(PROBABILITIES, (_npy(), _npy(_EVEN)))
    found = {
        "run-config": ("config.json", _json(_CONFIG, _MODEL) | _others(_CONFIG)),
        "run-results": ("results.json", _json(_RESULTS) | _others(_RESULTS)),
        "run-scores": ("scores.json", _json(_SCORES)),
        "run-log": ("log.csv", contents(_LOG) | _logs()),
        "run-labels": ("labeled_indices.npy", contents(_npy()) | array_files()),
        "run-probabilities": ("probabilities.npz", contents(_npz()) | arrays),
        "run-grid": ("samples/epoch-0001.png", contents(_png())),
    }
    return {key: reader(given, _read(name)) for key, (name, given) in found.items()}
