"""The report of a run. Only the run's folder counts, so the runs here are written by hand."""

import base64
import hashlib
import html.parser
import io
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import images
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import RunFolder
from improved_gan_tf.runs.report import curves as report_curves
from improved_gan_tf.runs.report.confusion import confusion
from improved_gan_tf.runs.report.report import report, spread
from tests.helpers.run_folders import COLUMNS, keep_columns, write_run

pytest.importorskip("matplotlib", reason="reports need matplotlib")


TAGS = set(
    "html head meta title style body div header p h1 main dl dt dd section h2 ul li figure picture "
    "source img figcaption h3 table caption thead tbody tr th td wbr span details summary pre code "
    "footer".split()
)


class Page(html.parser.HTMLParser):
    """What the tests ask of a page; fails on tags that do not nest."""

    VOID = {"meta", "img", "link", "br", "source", "wbr"}

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "full")
    return folder, report(folder), Page(folder / "report" / "report.html")


def test_files(full):
    folder, files, _ = full
    names = ["losses.png", "errors.png", "samples.png", "report.html"]
    assert files == [folder.resolve() / "report" / name for name in names]
    assert sorted(path.name for path in (folder / "report").iterdir()) == sorted(names)
    for path in files[:3]:
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG" and image.width > 200


def test_page_needs_nothing_but_itself(full):
    page = full[2]
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    assert "url(" not in page.source and "@import" not in page.source
    assert len(page.all("img")) == 2 * 2 + 1 + 4  # curves twice, the last grid, grids over time
    for image in page.all("img"):
        assert image["src"].startswith("data:image/")
    for source in page.all("source"):
        assert source["srcset"].startswith("data:image/") and "max-width" in source["media"]


@pytest.mark.usefixtures("undrawn")
def test_real_images_are_shown_next_to_generated_ones(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2, samples=(1, 2))
    images.save_png(folder / "samples/real.png", images.grid(np.zeros((9, 8, 8, 1), np.uint8)))
    page = Page(report(folder)[-1])
    named = [image["alt"] for image in page.all("img") if "rid of" in image["alt"]]
    assert named[:2] == ["Grid of generated images after epoch 2", "Grid of real images"]
    assert len(named) == 4 and "Real images, of the test set." in page.text
    (folder / "samples/real.png").write_bytes(b"half")
    assert "Real images" not in Page(report(folder)[-1]).text


def test_policy_allows_this_style_and_pictures_alone(full):
    """No scripts, no network, no style but the page's own, whatever a file of the run holds."""
    policy = next(m["content"] for m in full[2].all("meta") if "http-equiv" in m)
    style = re.search(r"<style>(.*?)</style>", full[2].source, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "img-src data:" in policy
    assert not any("style" in attributes for _, attributes in full[2].tags)


@pytest.mark.usefixtures("undrawn")
def test_nothing_of_a_run_is_markup(tmp_path):
    """Every text that the page takes from a file, with a tag and quotation marks in it."""
    bad = "\"'><script>alert(1)</script>&"
    config = {
        "recipe": {"name": bad, bad: bad, "epochs": 2},
        "overrides": {bad: bad, "more" + bad: [bad]},
        "group" + bad: {bad: bad},
        "loose" + bad: bad,
        "command": [bad, bad],
    }
    results = {bad: bad, "recipe": bad, "test_error": 0.5, "baseline": {bad: bad}}
    folder = write_run(tmp_path / "run", 2, (1, 2), config, results)
    log = folder / "log.csv"
    header = '"' + bad.replace('"', '""') + '"'
    log.write_text(
        "\n".join(
            f"{a},{b}"
            for a, b in zip(log.read_text().splitlines(), [header, "nan", "2"], strict=True)
        )
        + "\n"
    )
    page = Page(report(folder)[-1])
    assert not page.all("script") and page.text.count(bad) >= 12
    assert {tag for tag, _ in page.tags} <= TAGS
    np.save(folder / "labeled_indices.npy", np.array([bad]))
    with pytest.raises(UserError, match="no list of indices"):
        report(folder)


def test_page_is_accessible(full):
    page = full[2]
    assert page.all("html")[0]["lang"] == "en" and page.all("title") and page.all("main")
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    for image in page.all("img"):
        assert len(image["alt"]) > 20
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))
    alternative = page.all("img")[0]["alt"].replace("\N{NO-BREAK SPACE}", " ")
    said = "validation error, averaged parameters: from 40.00 % at epoch 1 to 2.80 % at epoch 30"
    assert said in alternative and "supervised-only baseline: 9.10 %" in alternative


def test_page_shows_results_and_settings(full):
    text = full[2].text
    assert "Finished: 30 epochs, 18,000 steps, 1 h 24 min." in text
    for said in ("2.73 %", "2.06 %", "9.10 %", "3.3 times fewer errors than the supervised-only"):
        assert said in text
    for said in ("generator.units", "500, 500", "30 set for this run", "seed_data", "3.15.1"):
        assert said in text
    assert "jit_compileyes" in text and "minibatch_kernelsnone" in text
    assert "'<b>runs & more</b>'" in text  # the text itself, escaped, not a tag
    assert not full[2].all("b")
    assert "100 training images were used with their labels" in text
    assert "0.0273" not in text and "1 h 24 min" in text  # per cent and minutes everywhere
    assert "this runsupervised-only baseline" in text and "2.73 %9.10 %" in text
    assert "missing or odd" not in text


def test_page_follows_light_dark_and_print(full):
    source = full[2].source
    assert "screen and (prefers-color-scheme: dark)" in source and "@media print" in source
    assert [picture["class"] for picture in full[2].all("picture")] == ["light", "dark"] * 2
    assert len(full[2].all("source")) == 4 and "@media screen and (max-width: 40rem)" in source


def test_same_run_same_page(full):
    folder, files, _page = full
    before = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in report(folder)] == before


def test_run_that_is_still_training(tmp_path):
    folder = write_run(tmp_path / "run", epochs=3, samples=(1,), results=None)
    with open(folder / "log.csv", "a") as stream:
        stream.write("4,2400,8")  # the line being written
    (folder / "samples" / "epoch-0002.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    files = report(folder)
    assert [path.name for path in files][-1] == "report.html" and len(files) == 4
    text = Page(files[-1]).text
    assert "Not finished: 3 of 30 epochs so far." in text
    assert "samples/epoch-0002.png is no readable PNG" in text
    assert "validation error, averaged parameters" in text and "after epoch 3" in text
    assert "baseline" not in text


@pytest.mark.usefixtures("undrawn")
def test_run_without_averaged_parameters(tmp_path):
    """ImageNet's model has none, and its log no column of the current ones."""
    folder = write_run(tmp_path / "run", results=None)
    keep_columns(folder, [name for name in COLUMNS if name != "val_error_current"])
    text = Page(report(folder)[-1]).text
    assert "parameters" not in text
    assert "The validation error:" in text and "after epoch 30" in text


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.usefixtures("undrawn")
def test_run_without_validation_says_so(tmp_path, running):
    """A training error is not called validation error, and the baseline is not compared with it."""
    folder = write_run(tmp_path / "run", epochs=3, results=None)
    log = (folder / "log.csv").read_text().replace("generator_loss", "running_error")
    lines = [line.split(",") for line in log.splitlines()]
    for line in lines[1:]:
        line[5], line[7], line[8] = "0.5" if running else "", "", ""
    (folder / "log.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    (folder / "baseline").mkdir()
    (folder / "baseline" / "results.json").write_text('{"test_error": 0.25}')
    page = Page(report(folder)[-1])
    assert "validation" not in page.text
    assert "The training error:" in page.text
    alternative = page.all("img")[0]["alt"]
    assert "training error, mean of each epoch: from 4.00" in alternative
    assert ("running average" in alternative) == running and "baseline" not in alternative
    assert "supervised-only baseline25.00 %" in page.text  # a tile of its own


@pytest.mark.parametrize(
    "error, baseline, said",
    [
        (0.0273, 0.091, "3.3 times fewer errors"),
        (0.091, 0.0273, "3.3 times as many errors"),
        (0.05, 0.0501, "as many errors"),
        (0.0, 0.05, "no error, compared with 5.00 %"),
        (0.1, 0.0, ""),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_errors_compared_with_the_baseline(tmp_path, error, baseline, said):
    results = {"test_error": error, "baseline": {"test_error": baseline}}
    page = Page(report(write_run(tmp_path / "run", 1, (), results=results))[-1])
    assert f"test error{100 * error:.2f} %{said}" in page.text
    assert ("errors" in page.text) == ("errors" in said)


@pytest.mark.usefixtures("undrawn")
def test_titles_of_the_tiles_are_unique(full, tmp_path):
    unfinished = write_run(tmp_path / "run", results=None)
    for page in (full[2], Page(report(unfinished)[-1])):
        titles = re.findall("<dt>(.*?)</dt>", page.source)
        assert len(titles) >= 3 and len(set(titles)) == len(titles)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("missing", ["log.csv", "config.json", "samples", "results.json"])
def test_what_there_is_is_reported(tmp_path, missing):
    folder = write_run(tmp_path / "run")
    if missing == "samples":
        for path in (folder / missing).iterdir():
            path.unlink()
    else:
        (folder / missing).unlink()
    names = [path.name for path in report(folder)]
    assert "report.html" in names
    assert ("losses.png" in names) == ("errors.png" in names) == (missing != "log.csv")
    assert ("samples.png" in names) == (missing != "samples")
    page = Page(folder / "report" / "report.html")
    assert ("missing or odd" in page.text) == (missing != "results.json")


def test_strip_shows_every_grid(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    samples = []
    for epoch, colour in enumerate(colours):
        picture = np.broadcast_to(np.uint8(colour), (40, 50, 3))
        samples.append((epoch, images.save_png(tmp_path / f"{epoch}.png", picture)))
    with Image.open(io.BytesIO(report_curves.strip(samples))) as image:
        pixels = np.asarray(image)
    for colour in colours:  # at its own size: 40 x 50 pixels of each, and text is none of these
        assert (pixels == np.uint8(colour)).all(-1).sum() == 2000
    assert report_curves.strip([]) is None


def test_a_picture_of_one_line_and_names_that_are_no_text(tmp_path):
    Image.new("L", (60_000, 1)).save(tmp_path / "long.png")
    with Image.open(io.BytesIO(report_curves.strip([(1, tmp_path / "long.png")]))) as image:
        assert image.width < 10_000
    with Image.open(io.BytesIO(confusion(np.eye(2, dtype=int), ["a", "b\udcff"]))) as image:
        assert image.format == "PNG"


@pytest.mark.usefixtures("undrawn")
def test_large_grids_do_not_make_a_huge_page(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2, samples=())
    large = np.full((1500, 3000, 3), 200, np.uint8)
    images.save_png(folder / "samples" / "epoch-0001.png", large)
    report(folder)
    page = Page(folder / "report" / "report.html")
    last = page.all("img")[-1]
    assert (last["width"], last["height"]) == ("1200", "600")


def test_spread_keeps_ends_and_shows_the_start_finely():
    epochs = list(range(1, 301))
    assert spread(epochs[:8], 8) == list(range(8)) and spread([], 8) == []
    assert [epochs[place] for place in spread(epochs, 8)] == [1, 2, 5, 12, 26, 59, 133, 300]
    assert spread(epochs[-9:], 8)[0::7] == [0, 8]
    assert len(set(spread(epochs[-20:], 8))) == 8


def test_axes_suit_the_values():
    """A logarithmic axis where it helps, never for values that have no logarithm."""
    from matplotlib.figure import Figure

    def scale(values):
        axes = Figure().add_subplot()
        report_curves.value_axis(axes, values, True, True)
        return axes.get_yscale(), axes.get_ylim()[0]

    assert scale([0.02, 0.3])[0] == "log"
    assert scale([0.2, 0.3]) == ("linear", 0)
    assert scale([0.0, 0.3]) == ("linear", 0)
    assert scale([0.0, 0.0]) == ("linear", 0)
    assert scale([-1.5, -1.2])[0] == "linear"


def test_varying_learning_rate_gets_its_panel(tmp_path):
    run = RunFolder(write_run(tmp_path / "run")).read()
    assert "learning rate" not in [curve.title for curve in report_curves.loss_curves(run)]
    run.log["learning_rate"] = np.linspace(1e-3, 0, 30)
    assert "learning rate" in [curve.title for curve in report_curves.loss_curves(run)]


def test_matplotlib_absent_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="pip install matplotlib"):
        report(write_run(tmp_path / "run", epochs=2))


def test_light_imports():
    """Neither module costs TensorFlow, Keras or, before a picture is drawn, matplotlib."""
    code = (
        "import sys, improved_gan_tf.images, improved_gan_tf.runs.report;"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_nothing_is_written_where_a_file_is_broken_or_nothing_is_there(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2)
    (folder / "config.json").write_text("{")
    for path in (folder, tmp_path / "absent", tmp_path):
        with pytest.raises(UserError):
            report(path)
        assert not (path / "report").exists()
