"""The report of a run. Only the run's folder counts, so the runs here are written by hand."""

import csv
import html.parser
import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import images
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs.report import curves as report_curves
from improved_gan_tf.runs.report.report import read_run, report, spread

pytest.importorskip("matplotlib", reason="reports need matplotlib")

COLUMNS = [
    "epoch",
    "steps",
    "seconds",
    "supervised_loss",
    "unsupervised_loss",
    "generator_loss",
    "error",
    "val_error",
    "val_error_current",
    "learning_rate",
]
CONFIG = {
    "recipe": {
        "name": "mnist-feature-matching",
        "epochs": 30,
        "batch_size": 100,
        "generator": {"units": [500, 500]},
        "minibatch_kernels": None,
        "jit_compile": True,
    },
    "overrides": {"epochs": 30},
    "seeds": {"seed": 1, "seed_data": 2},
    "versions": {"keras": "3.15.1"},
    "command": "improved-gan train mnist-feature-matching --out '<b>runs & more</b>'",
}
RESULTS = {
    "recipe": "mnist-feature-matching",
    "epochs": 30,
    "steps": 18000,
    "test_error": 0.0273,
    "test_error_current": 0.0206,
    "baseline": {"test_error": 0.091},
    "seconds": 5025.0,
}


def rows(epochs):
    """A log that looks like training: errors fall by a factor of 16, the losses settle."""
    for epoch in range(1, epochs + 1):
        raw = 0.32 * 16 ** (-(epoch - 1) / 29)
        values = [epoch, 600 * epoch, 80.0, 1 / epoch**2, 0.43 - 0.3 / epoch, 2 + 6 / epoch]
        yield values + [0.04 / epoch, min(0.4, 1.4 * raw), raw, 0.003]


def write_run(folder, epochs=30, samples=(1, 10, 20, 30), config=CONFIG, results=RESULTS):
    folder.mkdir(parents=True)
    with open(folder / "log.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows(epochs)])
    generator = np.random.RandomState(0)
    for epoch in samples:
        batch = generator.randint(0, 256, (9, 8, 8, 1)).astype(np.uint8)
        images.save_png(folder / "samples" / f"epoch-{epoch:04d}.png", images.grid(batch))
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    np.save(folder / "labeled_indices.npy", np.arange(100, 200))
    return folder


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
    assert "averaged weights: from 40.00 % at epoch 1 to 2.80 % at epoch 30" in alternative
    assert "labelled images alone: 9.10 %" in alternative


def test_page_tells_results_and_settings(full):
    text = full[2].text
    assert "Finished: 30 epochs, 18,000 steps, 1 h 24 min." in text
    for said in ("2.73 %", "2.06 %", "9.10 %", "30 % of the error with labels alone"):
        assert said in text
    for said in ("generator.units", "500, 500", "30 set for this run", "seed_data", "3.15.1"):
        assert said in text
    assert "jit_compileyes" in text and "minibatch_kernelsnone" in text
    assert "'<b>runs & more</b>'" in text  # the text itself, escaped, not a tag
    assert not full[2].all("b")
    assert "100 training images were used with their labels" in text
    assert "missing or odd" not in text


def test_page_follows_light_dark_and_print(full):
    source = full[2].source
    assert "screen and (prefers-color-scheme: dark)" in source and "@media print" in source
    shown = [image.get("class") for image in full[2].all("img")]
    assert shown[:4] == ["light", "dark"] * 2


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
    assert "averaged weights, epoch 3" in text and "labels alone" not in text


def test_run_without_averaged_weights(tmp_path):
    """ImageNet's model has none, and its log no column of the raw ones."""
    folder = write_run(tmp_path / "run", results=None)
    kept = [name for name in COLUMNS if name != "val_error_current"]
    with open(folder / "log.csv", newline="") as stream:
        log = list(csv.DictReader(stream))
    with open(folder / "log.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(log)
    text = Page(report(folder)[-1]).text
    assert "averaged weights" not in text and "raw weights" not in text
    assert "validation error, epoch 30" in text


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


def test_run_stopped_by_a_loss_that_is_no_number(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2, results=None)
    with open(folder / "log.csv", "a") as stream:
        stream.write("3,1800,80,nan,0.4,inf,0.01,,,0.003\r\n")
        stream.write("4,2400,80,nan,0.4,1,0.01,,,0.003\r\n")
    report(folder)
    text = Page(folder / "report" / "report.html").text
    assert "supervised_loss is nan in epoch 3 and in 1 more." in text
    assert "generator_loss is inf in epoch 3." in text
    assert "val_error is" not in text  # blank: not measured


def test_baseline_forms(tmp_path):
    run = read_run(write_run(tmp_path / "run", results={**RESULTS, "baseline": None}))
    assert run.baseline is None
    for baseline in (0.5, {"test_error": 0.5, "epochs": 3}):
        run.results["baseline"] = baseline
        assert run.baseline == 0.5
    run.results["baseline"] = {"test_error": float("nan")}
    assert run.baseline is None
    (tmp_path / "run" / "results.json").unlink()
    (tmp_path / "run" / "baseline").mkdir()
    (tmp_path / "run" / "baseline" / "results.json").write_text('{"test_error": 0.25}')
    assert read_run(tmp_path / "run").baseline == 0.25  # while the run itself still trains


def test_resumed_log_counts_the_later_line(tmp_path):
    folder = write_run(tmp_path / "run", epochs=4)
    with open(folder / "log.csv", "a") as stream:
        stream.write("3,1800,80,1,2,3,0.5,0.6,0.7,0.003\n")
    log = read_run(folder).log
    np.testing.assert_array_equal(log["epoch"], [1, 2, 3, 4])
    assert log["val_error"][2] == 0.6


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", "{", "config.json cannot be read as JSON"),
        ("results.json", "[]", "no JSON object"),
        ("log.csv", "a,b\n1,2\n", "no column 'epoch'"),
        ("log.csv", "epoch,error\n1,0.5\n2,half\n", "line 3, column error: 'half' is not a number"),
        ("log.csv", "epoch,error\n1\n2,0.5\n", "line 2: 1 fields where the first line has 2"),
        ("labeled_indices.npy", "no array", "not an array of labelled indices"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, message):
    folder = write_run(tmp_path / "run", epochs=2)
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        report(folder)
    assert "\n" not in str(caught.value) and name in str(caught.value)
    assert not (folder / "report").exists()


def test_no_run_at_all(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        report(tmp_path / "absent")
    with pytest.raises(UserError, match="nothing to report"):
        report(tmp_path)
    (tmp_path / "log.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(UserError, match="nothing to report"):
        report(tmp_path)
    assert not (tmp_path / "report").exists()


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


def test_large_grids_do_not_make_a_huge_page(tmp_path):
    folder = write_run(tmp_path / "run", epochs=2, samples=())
    large = np.full((1500, 3000, 3), 200, np.uint8)
    images.save_png(folder / "samples" / "epoch-0001.png", large)
    report(folder)
    page = Page(folder / "report" / "report.html")
    last = page.all("img")[-1]
    assert (last["width"], last["height"]) == ("1200", "600")


def test_spread_keeps_ends_and_shows_the_start_finely():
    items = [(epoch, str(epoch)) for epoch in range(1, 301)]
    assert spread(items[:8], 8) == items[:8]
    chosen = [epoch for epoch, _ in spread(items, 8)]
    assert chosen == [1, 2, 5, 12, 26, 59, 133, 300]
    assert [e for e, _ in spread(items[-9:], 8)][0::7] == [292, 300]
    assert len(set(spread(items[-20:], 8))) == 8


def test_axes_suit_the_values():
    """A logarithmic axis where it helps, never for values that have no logarithm."""
    from matplotlib.figure import Figure

    def scale(values):
        axes = Figure().add_subplot()
        report_curves._value_axis(axes, values, str, True)
        return axes.get_yscale(), axes.get_ylim()[0]

    assert scale([0.02, 0.3])[0] == "log"
    assert scale([0.2, 0.3]) == ("linear", 0)
    assert scale([0.0, 0.3]) == ("linear", 0)
    assert scale([0.0, 0.0]) == ("linear", 0)
    assert scale([-1.5, -1.2])[0] == "linear"


def test_varying_learning_rate_gets_its_panel(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    assert "learning rate" not in [label for label, _, _ in report_curves.loss_curves(run)]
    run.log["learning_rate"] = np.linspace(1e-3, 0, 30)
    assert "learning rate" in [label for label, _, _ in report_curves.loss_curves(run)]


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
