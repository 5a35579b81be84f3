"""The data of a run that has begun: moved, changed, and others in their place."""

import numpy as np
import pytest

from improved_gan_tf import experiments, images
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers.one_line import refusal_of

SMALL = {"generator": {"units": [8]}, "discriminator": {"units": [8, 8]}, "verbose": False}
SMALL |= {"labels_per_class": 2, "batch_size": 4, "initialization_size": 4}
SMALL |= {"baseline": False, "jit_compile": False}
FORM = "has images of 12x12x3 and 2 classes; the run in .* was trained on 8x8x1 and 10"


def test_a_folder_that_is_moved_and_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.RandomState(0).randint(0, 256, (10, 12, 12, 3)).astype(np.uint8)
    for name in "ab":
        images.save_folder(f"photos/{name}", pixels)
    train, load = experiments.train, experiments.load_run
    train("digits", "run", **SMALL, epochs=1, data="folder:photos")
    (tmp_path / "photos").rename("moved")
    moved = f"folder:{tmp_path}/moved"
    old = SMALL | {"data": "folder:photos", "epochs": 2, "resume": True}
    said = "no such folder.* 'folder:photos' is from the run's config.json; --data"
    refusal_of(load)(said, "run")
    refusal_of(train)(said, "digits", "run", **old)
    assert load("run", data=moved)[3] == 1
    assert train("digits", "run", **old | {"data": moved})["epochs"] == 2
    assert RunFolder("run").config()["recipe"]["data"] == moved
    assert load("run")[3] == 2

    train("digits", "digits", **SMALL, epochs=1)
    refusal_of(load)(FORM, "digits", data=moved)
    (tmp_path / "moved/a/00000.png").rename("moved/b/extra.png")
    images.save_folder("moved/c", pixels)
    refusal_of(load)("the data are not those that the run in run began with", "run")
    others = old | {"data": "digits"}
    refusal_of(train)("the data are not those", "digits", "run", **others)


@pytest.mark.parametrize("key, value", [("class_names", list("abcdefghij")), ("test_images", 7)])
def test_another_name_for_data_of_the_same_size(tmp_path, key, value):
    run = RunFolder(tmp_path / "run")
    experiments.train("digits", run, **SMALL, epochs=1)
    config = run.config()
    config["data"] |= {key: value}
    run.write_config(config)
    experiments.load_run(run)
    config["data"]["name"] = "others"
    run.write_config(config)
    refusal_of(experiments.load_run)(f"the data are not those .*: {key} is", run)
