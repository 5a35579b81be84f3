"""The comparison of runs: groups, tables, pictures. The runs are written by hand."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import images
from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder
from improved_gan_tf.runs.report import compare, overlay
from improved_gan_tf.runs.report.comparison import _groups, _named
from tests.helpers.run_folders import CONFIG, RESULTS, keep_columns, write_run
from tests.runs.test_report import TAGS, Page

pytest.importorskip("matplotlib", reason="reports need matplotlib")


def _write(folder, error=0.02, epochs=6, **values):
    """A run whose recipe has other values."""
    config = {**CONFIG, "recipe": {**CONFIG["recipe"], "seed": 1, **values}}
    return write_run(folder, epochs, (epochs,), config, {**RESULTS, "test_error": error})


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """Three seeds of each of two learning rates."""
    parent = tmp_path_factory.mktemp("runs")
    rates = {0.003: (0.02, 0.03, 0.04), 0.001: (0.05, 0.05, 0.08)}
    return parent, [
        _write(parent / f"{rate}-{seed}", error, seed=seed, learning_rate=rate)
        for rate, errors in rates.items()
        for seed, error in enumerate(errors)
    ]


@pytest.fixture(scope="module")
def page(six):
    parent, runs = six
    files = compare(runs)
    assert files == [
        parent.resolve() / "comparison" / n for n in ("errors.png", "losses.png", "report.html")
    ]
    return Page(files[-1])


def test_pictures(six, page):
    for name in ("errors", "losses"):
        with Image.open(six[0] / "comparison" / f"{name}.png") as image:
            image.load()
            assert image.format == "PNG" and image.width > 800
    assert len(page.all("img")) == 2 * 2 + 6  # curves in two themes, a grid of each run


def test_page_needs_nothing_but_itself(page):
    assert {tag for tag, _ in page.tags} <= TAGS
    for image in page.all("img"):
        assert image["src"].startswith("data:image/") and len(image["alt"]) > 20
    assert "url(" not in page.source and not page.all("script")
    assert len(page.all("caption")) == len(page.all("table")) == 2


def test_groups_and_their_means(six, page):
    groups = _groups(_named(six[1]))
    assert [group.name for group in groups] == ["learning_rate 0.003", "learning_rate 0.001"]
    assert [len(group.runs) for group in groups] == [3, 3]
    assert "mean of 3: learning_rate 0.0033.00 % +- 1.00 %" in page.text
    assert "mean of 3: learning_rate 0.0016.00 % +- 1.73 %" in page.text
    assert "6 runs, all of them finished." in page.text
    assert "thick one for the mean of runs that differ in their seeds" in page.text


def test_differences(page):
    table = page.text[page.text.index("Differences") : page.text.index("Samples")]
    assert "runseedlearning_rate" in "".join(table.split())
    assert "epochs" not in table and "batch_size" not in table


def test_mean_is_that_of_the_common_epochs(tmp_path):
    """A run that has not come as far leaves the mean where it stands."""
    from matplotlib.figure import Figure

    runs = [_write(tmp_path / "a", epochs=6), _write(tmp_path / "b", epochs=4, seed=2)]
    (group,) = _groups(_named(runs))
    assert len(group.runs) == 2
    axes = Figure().add_subplot()
    overlay._draw(axes, group, "val_error", {})
    *lines, mean = axes.lines
    assert [len(line.get_xdata()) for line in lines] == [6, 4]
    np.testing.assert_array_equal(mean.get_xdata(), [1, 2, 3, 4])
    expected = np.mean([line.get_ydata()[:4] for line in lines], axis=0)
    np.testing.assert_allclose(mean.get_ydata(), expected)


def test_long_names_of_groups_are_short_and_differ(tmp_path):
    values = [{"generator": {"units": [width] * 30}} for width in (100, 200)]
    runs = [
        _write(tmp_path / f"{k}-{seed}", seed=seed, **value)
        for k, value in enumerate(values)
        for seed in range(3)
    ]
    names = [group.name for group in _groups(_named(runs))]
    assert names == ["0-0 and 2 like it", "1-0 and 2 like it"]


@pytest.mark.usefixtures("undrawn")
def test_runs_of_one_group_are_told_apart(tmp_path):
    runs = [_write(tmp_path / f"seed-{seed}", 0.02, seed=seed) for seed in (1, 2)]
    page = Page(compare(runs, tmp_path / "out")[-1])
    alternative = page.all("img")[0]["alt"]
    assert "seed-1, validation error" in alternative and "seed-2, validation error" in alternative
    assert "mean of 22.00 % +- 0.00 %" in page.text
    assert not (tmp_path / "comparison").exists()


@pytest.mark.usefixtures("undrawn")
def test_baselines_and_logs_are_runs_too(tmp_path):
    """A baseline, a run that still trains, and a folder with nothing but a log."""
    run = _write(tmp_path / "run")
    baseline = _write(run / "baseline", 0.09, objective="supervised")
    running = _write(tmp_path / "running", learning_rate=1.0)
    (running / "results.json").unlink()
    log = tmp_path / "log"
    log.mkdir()
    shutil.copy(run / "log.csv", log)
    keep_columns(log, ["epoch", "val_error_current"])
    page = Page(compare([run, baseline, running, log])[-1])
    for name in ("run", "run/baseline", "running", "log"):
        assert f"{name}, validation error, current parameters: at last" in page.all("img")[0]["alt"]
    assert "4 runs, 2 of them finished." in page.text
    assert "log: config.json is absent" in page.text


@pytest.mark.usefixtures("undrawn")
def test_real_images_are_shown_once(tmp_path):
    runs = [_write(tmp_path / name, seed=k) for k, name in enumerate("ab")]
    for run in runs:
        images.save_png(run / "samples/real.png", images.grid(np.zeros((9, 8, 8, 1), np.uint8)))
    page = Page(compare(runs)[-1])
    assert [image["alt"] for image in page.all("img")].count("Grid of real images") == 1


@pytest.mark.usefixtures("undrawn")
def test_text_of_runs_is_escaped(tmp_path):
    runs = [_write(tmp_path / "<b>a", seed=1), _write(tmp_path / "b", name="<b>x", seed=2)]
    page = Page(compare(runs)[-1])
    assert not page.all("b") and "<b>x" in page.text and "<b>a" in page.text


def test_refused(six, tmp_path):
    _, runs = six
    with pytest.raises(UserError, match="two runs or more"):
        compare(runs[:1])
    with pytest.raises(UserError, match="named twice; name each run once"):
        compare([runs[0], f"{runs[0]}/."])
    with pytest.raises(UserError, match="there is no run folder"):
        compare([runs[0], tmp_path / "absent"])
    with pytest.raises(UserError, match="is a file or a run; name another folder with --out"):
        compare(runs[:2], runs[2])


def test_names_with_dollar_signs_are_no_formulas(tmp_path):
    assert len(compare([_write(tmp_path / name) for name in ("$a^$", "b")])) == 3


@pytest.mark.usefixtures("undrawn")
def test_names_that_are_not_utf_8(tmp_path):
    """A run's command has them too."""
    name = os.fsdecode(b"\xff-run")
    for folder in (name, "other"):
        config = {**CONFIG, "command": f"improved-gan train --out {name}", "data_dir": name}
        RunFolder(_write(tmp_path / folder)).write_config(config)
        assert RunFolder(tmp_path / folder).config() == config
    page = compare([tmp_path / name, tmp_path / "other"])[-1].read_bytes()
    assert b"train --out \xff-run" in page


def test_command(six, tmp_path, capsys):
    runs = [str(run) for run in six[1][:2]]
    assert cli.main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[-1] for line in shown] == [
        "errors.png",
        "losses.png",
        "report.html",
    ]
    assert cli.main(["report", runs[0], "--out", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one" / "report.html").is_file()
    assert json.loads((six[1][0] / "config.json").read_text())["recipe"]["seed"] == 0
