"""tools/search.py: variants of a recipe's values, chosen by images of the training set."""

import json

import pytest

from improved_gan_tf.experiments import table_results
from tests.helpers.paths import TOOLS

PLAN = {
    "recipe": "digits",
    "seeds": [1],
    "values": {
        "validation_per_class": 20,
        "epochs": 2,
        "baseline": False,
        "jit_compile": False,
        "objective": "supervised",  # the shortest to begin
        "generator": {"image_shape": [8, 8, 1], "latent_dim": 4, "units": [8]},
        "discriminator": {"image_shape": [8, 8, 1], "units": [8, 8]},
    },
    "variants": {"as it is": {}, "slower, fewer steps": {"learning_rate": 0.001, "epochs": 1}},
}


@pytest.fixture
def search(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import search

    return search


def test_a_search_goes_on_and_is_recorded(search, tmp_path, capsys):
    plan, out, recorded = tmp_path / "plan.json", tmp_path / "runs", tmp_path / "recorded"
    plan.write_text(json.dumps(PLAN))
    search.main(["run", str(plan), "--out", str(out)])
    assert "2 of 2 runs finished" in capsys.readouterr().out
    assert sorted(
        line.split(" | ")[0] for line in (out / "table.md").read_text().splitlines()[2:]
    ) == [f"| {name}" for name in PLAN["variants"]]
    table = json.loads((out / "table.json").read_text())
    head, rows = table_results.cells(table)
    assert head[0] == "variant" and [row[0] for row in rows] == list(PLAN["variants"])
    search.main(["run", str(plan), "--out", str(out)])
    assert "seed-1" not in capsys.readouterr().out  # nothing is left to do
    search.main(["time", str(plan), "--out", str(out)])
    point = ["--point", "the paper's", "390", "0.93", "0.07"]
    search.main(["record", str(out), "--out", str(recorded), *point])
    both = json.loads((recorded / "search.json").read_text())
    assert list(both) == list(PLAN["variants"])
    for name, epochs in (("as it is", 2), ("slower, fewer steps", 1)):
        assert both[name]["seconds_per_epoch"] > 0
        assert [run["seed"] for run in both[name]["runs"]] == [1]
        for run in both[name]["runs"]:
            assert len(run["error_by_epoch"]) == epochs == run["values"]["epochs"]
            assert run["error"] == pytest.approx(run["error_by_epoch"][-1], abs=1e-6)
            # 200 validation images, of the training set; the test set has 500.
            assert round(200 * run["error"], 6).is_integer()
    _, _, *rows = (recorded / "search.md").read_text().splitlines()
    errors = [float(row.split("|")[4]) for row in rows]
    assert len(errors) == 2 and errors == sorted(errors)
    assert (recorded / "search.png").read_bytes().startswith(b"\x89PNG")
    earlier = {"earlier": {**both["as it is"], "seconds_per_epoch": 9}}
    (recorded / "search.json").write_text(json.dumps({**earlier, "as it is": None}))
    search.main(["record", str(out), "--out", str(recorded), *point])
    assert json.loads((recorded / "search.json").read_text()) == {**earlier, **both}
    with pytest.raises(SystemExit):
        search.main(["record", str(out), str(out), "--out", str(recorded)])
    assert "another folder has 'as it is' too" in capsys.readouterr().err


def test_means_of_seeds(search):
    runs = [{"error": e, "error_by_epoch": [0.5, e]} for e in (0.01, 0.02, 0.03)]
    variants = {"a": {"seconds_per_epoch": 30, "runs": runs}}
    epochs, minutes, mean, spread, count = search.summary(variants["a"])
    assert (epochs, minutes, count) == (2, 1.0, 3)
    assert (mean, spread) == pytest.approx((0.02, 0.01))
    assert search.markdown(variants).endswith("| a | 2 | 1.0 | 2.00 +- 1.00 | 3 |\n")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"values": {}}, "would be chosen by the test set; give validation_per_class"),
        ({"variants": []}, "variants must be an object, not a list"),
        ({"recipe": "digit"}, "no recipe 'digit'"),
    ],
)
def test_bad_plans(search, tmp_path, capsys, change, message):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({**PLAN, **change}))
    with pytest.raises(SystemExit) as stopped:
        search.main(["run", str(plan), "--out", str(tmp_path / "runs")])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_is_missing(search, tmp_path, capsys):
    plan = tmp_path / "plan.json"
    given = {key: PLAN[key] for key in ("recipe", "values")}
    for content, message in ((None, "there is no"), (given, "lacks seeds, variants")):
        if content:
            plan.write_text(json.dumps(content))
        with pytest.raises(SystemExit):
            search.main(["run", str(plan), "--out", str(tmp_path)])
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        point = ["--point", "a", "1", "x", "2"]
        search.main(["record", str(tmp_path), "--out", str(tmp_path / "recorded"), *point])
    assert "--point a: x is no number" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        search.main(["record", str(tmp_path), "--out", str(tmp_path / "recorded")])
    assert "holds no table.json" in capsys.readouterr().err
