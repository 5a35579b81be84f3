"""tools/benchmark.py: what it counts and writes; its figures are in reference/results."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from improved_gan_tf import data, experiments, inception
from improved_gan_tf.errors import UserError
from tests.helpers.paths import ROOT, TOOLS

SMALL = {"generator": {"units": [16, 12]}, "discriminator": {"units": [20, 16, 12]}}


@pytest.fixture(autouse=True)
def _tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


def _module(name):
    return importlib.import_module(f"benchmarks.{name}")


def test_products_are_the_operations_of_a_step():
    """Two counts of the same step, one by layers and one by products."""
    operations = _module("operations")
    gan = experiments.build("digits", **SMALL, generator_steps=2)
    counted = operations.dense_products(gan, 50)
    total = sum(2 * m * k * n * times for (_, m, k, n), times in counted.items())
    assert total == operations.step_operations(gan, 50)
    assert counted["weights", 150, 64, 20] == 1  # of the joint batch
    assert counted["inputs", 50, 64, 20] == 2  # through the discriminator to the images
    assert ("inputs", 150, 64, 20) not in counted and ("weights", 50, 64, 20) not in counted


def test_recipes_that_have_no_torch_step():
    peer = _module("torch_step").peer
    for name, values in (
        ("imagenet", {}),
        ("cifar10-feature-matching", {}),
        ("mnist-minibatch-discrimination", {}),
        ("digits", {"mixed_precision": "bfloat16"}),
    ):
        assert peer(experiments.override(experiments.get(name), **values), None, 10) is None


def test_the_torch_step_is_the_same_arithmetic():
    """PyTorch's own count of its step, and that both of its networks learn."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    recipe = experiments.override(experiments.get("digits"), **SMALL)
    digits = data.load("digits", batch_size=50)
    torch.manual_seed(0)
    step = _module("torch_step").training_step(recipe, next(iter(digits.train)), 10)
    with FlopCounterMode(display=False) as counter:
        first, _ = step()
    gan = experiments.build(recipe, digits)
    assert counter.get_total_flops() == _module("operations").step_operations(gan, 50)
    losses = [step() for _ in range(40)]
    assert losses[-1][0] < 0.9 * first and np.isfinite(losses).all()


@pytest.mark.parametrize("kind", ["forward", "weights", "inputs"])
def test_products_in_every_way(kind):
    products = _module("products")
    options = SimpleNamespace(operations=1000, repeats=1)
    found = products._measured(kind, (3, 4, 5), options)
    assert set(found["ms"]) == set(products.WAYS) and min(found["gflops"].values()) > 0


@pytest.mark.long
def test_a_recipe_is_measured(tmp_path, monkeypatch, capsys):
    """With shares of both floors, the spread, and PyTorch's step where it is installed."""
    file = tmp_path / "train.json"
    words = ["train", "--recipe", "digits", "--set", "jit_compile=false", "--steps", "1"]
    words += ["--set", "generator.units=[16]", "--set", "discriminator.units=[16,12]"]
    monkeypatch.setattr(
        sys, "argv", ["benchmark.py", *words, "--repeats", "1", "--json", str(file)]
    )
    assert importlib.import_module("benchmark").main() == 0
    found = json.loads(file.read_text())
    for dtype, rate in (("", "sgemm"), ("bfloat16_", "bfloat16")):
        floor = found["step_gflop"] / found[f"{rate}_gflops"] * 1e3
        assert found[f"{dtype}floor_ms"] == pytest.approx(floor)
        assert found[f"{dtype}floor_over_step"] == pytest.approx(floor / found["step_ms"])
    assert found["step_ms_spread"] == [found["step_ms"]] * 2  # of one repeat
    assert "plain_ms" not in found  # it is not compiled as it is
    if importlib.util.find_spec("torch"):
        assert found["torch_over_step"] == found["torch_ms"] / found["step_ms"]


_SUBJECTS = """
import json, pathlib, sys, time
subject, file = sys.argv[1], sys.argv[sys.argv.index("--json") + 1]
if subject == "refused":
    sys.exit("benchmark: error: no such data")
if subject == "endless":
    time.sleep(60)
figures = {"total_s": 40.0, "recipe": "digits", "spread": {"total_s": [38.0, 42.0]}}
pathlib.Path(file).write_text(json.dumps(figures))
"""


def test_all_goes_on_where_one_fails(tmp_path, monkeypatch, capsys):
    """Each in its own process; what is missing is in the table and leaves no older figures."""
    whole = _module("whole")
    plan = {
        "train-x": ("refused", "--quickly"),
        "memory": ("endless", None),
        "main-job": ("ok", ""),
    }
    monkeypatch.setattr(whole, "PLAN", plan)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "subjects.py")])
    (tmp_path / "subjects.py").write_text(_SUBJECTS)
    out, chapter = tmp_path / "out", tmp_path / "chapter.md"
    out.mkdir()
    (out / "train-x.json").write_text("{}")
    table = _module("table")
    chapter.write_text(f"# Speed\n\n{table.BEGIN}\nold\n{table.END}\n\nAnd on.\n")
    values = {"out": str(out), "only": None, "seconds": 2, "table": False, "quick": False}
    options = SimpleNamespace(**values, chapter=str(chapter))
    about = whole.run(options)
    assert about["not_measured"] == {"train-x": "no such data", "memory": "longer than 2 s"}
    assert sorted(path.name for path in out.glob("*.json")) == ["machine.json", "main-job.json"]
    written = chapter.read_text()
    assert (
        written.startswith("# Speed\n") and written.endswith("And on.\n") and "old" not in written
    )
    assert "start to end | 40 s |  |  |  |  | -5% to +5% |" in written
    assert "Not measured: train-x (no such data)." in written

    options.quick, options.only = True, ["memory", "main-job"]
    assert whole.run(options)["not_measured"] == {}  # memory is not part of a quick run
    assert "A quick run" in (out / "table.md").read_text()
    options.only = ["mian-job"]
    with pytest.raises(UserError, match="there is no mian-job; expected"):
        whole.run(options)
    chapter.write_text("# Speed\n")
    with pytest.raises(UserError, match="no place for the table"):
        whole.run(options)


def test_the_plan_names_subjects_and_options(monkeypatch):
    """What `all` gives each subject is what that takes."""
    whole, benchmark = _module("whole"), importlib.import_module("benchmark")
    for arguments, quick in whole.PLAN.values():
        words = [*arguments.split(), *(quick or "").split()]
        options = benchmark.parser().parse_args([*words, "--json", "x.json"])
        assert options.run is benchmark.SUBJECTS[words[0]].run


def test_the_table_of_recorded_figures(tmp_path):
    """The first recordings lack what later ones have: those cells stay empty."""
    table = _module("table")
    text = table.markdown(table.read(ROOT / "reference" / "results" / "benchmarks"))
    assert "| imagenet, training step, batch 16 | 2.98 s | 0.68 |" in text
    assert "| 16.5 images/s | 1.00 |  |  | 2.30 (torch-fidelity) |" in text
    column = {"values": [1, 2], "spread_ms": [[1, 2], [2, 3]]}
    steps = {**column, "step_ms": [1.5, 2.5], "floor_ms": [1, 2]}
    layers = {**column, "ours_ms": [1.5, 2.5], "direct_ms": [3, 5]}
    sizes = {"recipe": "digits", "batch": steps, "width": steps}
    sizes |= {"minibatch_kernels": layers, "minibatch_batch": layers}
    (tmp_path / "scaling.json").write_text(json.dumps(sizes))
    assert "![Cost against batch, width and kernels](scaling.png)" in table.write(tmp_path)
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_inception_in_bfloat16_is_the_same_network():
    """Folded and rounded it gives the same features within bfloat16's errors, in bfloat16."""
    precision = _module("inception_precision")
    weights = inception.random_weights(1, random_gamma=True)
    low, whole = precision.in_bfloat16(weights), inception.build_network(weights)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    expected, found = (precision._function(model)(images) for model in (whole, low))
    assert low.get_layer("mixed.conv").compute_dtype == "bfloat16"
    assert found[0].dtype == np.float32
    assert 1e-4 < np.linalg.norm(found[0] - expected[0]) / np.linalg.norm(expected[0]) < 0.02


def test_when_bfloat16_is_accepted():
    precision = _module("inception_precision")
    close = {"images": 5000, "score, difference": -0.02, "FID of halves, difference": 0.01}
    assert precision.verdict(close, published=True).startswith("accepted")
    assert precision.verdict(close, published=False).startswith("not decided: other weights")
    assert precision.verdict({**close, "images": 4999}, published=True).startswith("not decided")
    for key in ("score, difference", "FID of halves, difference"):
        assert precision.verdict({**close, key: -0.06}, published=True).startswith("rejected")
