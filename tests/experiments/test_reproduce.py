"""How a table is carried out: shares of processes, what fails, scores, the table that results."""

import dataclasses
import json
import os

import numpy as np
import pytest
from scipy import stats

from improved_gan_tf import experiments, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes, reproduce, table_results, tables
from improved_gan_tf.experiments.reproduce import Reproduction
from improved_gan_tf.experiments.scoring import Scoring
from improved_gan_tf.experiments.tables import Order, Row, Table
from improved_gan_tf.runs import RunFolder

SMALL = {
    "generator": {"units": [16, 16]},
    "discriminator": {"units": [32, 16]},
    "batch_size": 20,
    "epochs": 1,
    "jit_compile": False,
}
TWO = Order("table-1", recipe="digits", values=SMALL, seeds=[1, 2], labels_per_class=[5, 10])


@pytest.fixture
def trained(monkeypatch):
    """Training is a matter of writing results; returns the names of the runs, in order."""
    names = []

    def train(recipe, folder, data_dir, resume, verbose):
        assert resume is None
        with folder.lock():
            names.append(folder.path.name)
            folder.write_config({**recipes.to_config(recipe), "data": {}})
            folder.write_rows(["epoch", "seconds"], [{"epoch": 1, "seconds": 60}])
            error = recipe.labels_per_class / 1000 + recipe.seed / 100
            labels = 10 * recipe.labels_per_class
            folder.write_results({"test_error": error, "labels": labels, "seconds": 60.0})

    monkeypatch.setattr(reproduce, "train", train)
    monkeypatch.setattr(reproduce, "keep", lambda folder, data_dir: None)
    monkeypatch.setattr(table_results, "ensemble", lambda runs, data_dir, kept: {
        "test_error": 0.0123, "test_error_current": 0.0234
    })  # fmt: skip
    monkeypatch.setattr(reproduce, "_PAUSE", 0.01)
    return names


def test_a_cluster_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}}')
    with pytest.raises(UserError, match="TF_CONFIG is set; unset it, and .* --shard"):
        Reproduction(TWO, str(tmp_path / "table")).check()


def test_every_run_is_trained_once(trained, tmp_path, capsys):
    reproduction = Reproduction(TWO, str(tmp_path))
    reproduction.train(verbose=False)
    assert trained == [run.name for run in reproduction.plan.runs] and len(trained) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "5-labels-per-class-seed-1: test error 1.50 % (1 of 4 runs finished; 3 to train here, "
        "3 min 0 s one after the other)"
    )
    assert lines[3].endswith("(4 of 4 runs finished)")
    Reproduction(TWO, str(tmp_path)).train()
    assert len(trained) == 4


def test_shards(trained, tmp_path):
    """Each trains its own part; the table has what is there."""
    shards = [Reproduction(TWO, str(tmp_path), shard=(k, 3)) for k in (1, 2, 3)]
    names = [run.name for run in shards[0].plan.runs]
    shards[1].train(verbose=False)
    assert trained == [names[1]] and shards[1].gather()["unfinished"] == [*names[:1], *names[2:]]
    assert [run.name for run in shards[0].mine] == [names[0], names[3]]
    assert [run.name for run in shards[2].mine] == [names[2]]
    for shard, message in (
        ((0, 2), "shard 0/2 is out of range; name 1/2 to 2/2"),
        ((3, 2), "shard 3/2 is out of range"),
        ((1, 0), "shard 1/0 is out of range"),
        ((1, 5), "5 shards are more than the 4 runs"),
    ):
        with pytest.raises(UserError, match=message):
            Reproduction(TWO, str(tmp_path), shard=shard).check()


def test_a_run_of_another_process_is_left_to_it_and_taken_if_that_dies(
    trained, tmp_path, monkeypatch, capsys
):
    reproduction = Reproduction(TWO, str(tmp_path))
    first, *others = (run.name for run in reproduction.plan.runs)
    lock = RunFolder(tmp_path / first).lock()
    lock.__enter__()

    def sleep(seconds):
        assert trained == others
        lock.__exit__(None, None, None)

    monkeypatch.setattr(reproduce.time, "sleep", sleep)
    reproduction.train(verbose=False)
    assert trained == [*others, first]
    assert f"waiting: {tmp_path / first} is being written by process {os.getpid()} on " in (
        capsys.readouterr().out
    )


def test_a_run_that_fails_stops_no_other(trained, tmp_path, monkeypatch, capsys):
    train = reproduce.train

    def failing(recipe, folder, *others):
        if folder.path.name in bad:
            raise UserError("generator_loss became nan")
        train(recipe, folder, *others)

    monkeypatch.setattr(reproduce, "train", failing)
    reproduction = Reproduction(TWO, str(tmp_path))
    names = [run.name for run in reproduction.plan.runs]
    bad = [names[2]]
    with pytest.raises(UserError, match=f"1 of 4 runs failed; {names[2]}: generator_loss became"):
        reproduction.train(verbose=False)
    assert trained == [*names[:2], names[3]]
    assert f"{names[2]} failed: generator_loss became nan" in capsys.readouterr().out
    with pytest.raises(UserError, match="1 of 4 runs failed"):  # no other is left
        reproduction.train(verbose=False)
    bad = names
    with pytest.raises(UserError, match="^generator_loss became nan$"):  # the first of all
        Reproduction(TWO, str(tmp_path / "new")).train(verbose=False)


def test_a_folder_with_another_run_is_refused(trained, tmp_path):
    Reproduction(TWO, str(tmp_path)).train(verbose=False)
    Reproduction(TWO, str(tmp_path)).check()
    longer = dataclasses.replace(TWO, values={**SMALL, "epochs": 2})
    with pytest.raises(UserError, match="seed-1 holds a run with epochs = 1, not 2; name another"):
        Reproduction(longer, str(tmp_path)).check()
    other = dataclasses.replace(TWO, recipe=None, values={"epochs": 1})
    with pytest.raises(UserError, match="holds a run with data = 'digits', not 'mnist'"):
        Reproduction(other, str(tmp_path)).check()
    (tmp_path / "table.json").write_text('{"rows": [5]}')  # of another program
    Reproduction(TWO, str(tmp_path)).gather()
    (tmp_path / "strange/5-labels-per-class-seed-1/notes").mkdir(parents=True)
    with pytest.raises(UserError, match="seed-1 is not empty"):
        Reproduction(TWO, str(tmp_path / "strange")).check()


def test_the_table(trained, tmp_path, monkeypatch):
    """Means, deviations, ensembles of whole rows, the paper's figures, and what is reduced."""
    order = Order("table-1", values={"epochs": 2}, seeds=[1, 2], labels_per_class=[2, 7])
    order = dataclasses.replace(order, baseline=True)
    reproduction = Reproduction(order, str(tmp_path))
    reproduction.train(verbose=False)
    assert json.loads((tmp_path / "table.json").read_text())["rows"][0]["ensemble"] is None
    for name, indices in (("1", [1, 2]), ("2", [2, 3])):
        np.save(tmp_path / f"2-labels-per-class-seed-{name}/labeled_indices.npy", indices)
    table = reproduction.gather()
    assert json.loads((tmp_path / "table.json").read_text()) == table
    row, other = table["rows"]
    assert row["single"]["count"] == 2 and row["single"]["test_error"]["mean"] == 0.017
    assert row["single"]["test_error"]["std"] == pytest.approx(0.01 / 2**0.5)
    assert row["ensemble"] == {
        "count": 2, "labels": 3, "test_error": 0.0123, "test_error_current": 0.0234
    }  # fmt: skip
    assert [len(row["runs"]), len(row["baseline_runs"])] == [2, 2]
    assert "seconds" not in row["runs"][0]  # the same table, whenever it was made
    assert row["paper"]["ensemble"] == {"mean": 0.1134, "std": 0.0445} and other["paper"] == {}
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("# table-1 (reduced): MNIST")
    assert "Reduced: 2 of 300 epochs, 2 of 10 seeds." in text
    assert (
        "| 20 | 16.77 +- 4.52 % | 11.34 +- 4.45 % | 1.70 +- 0.71 % (2) | better (p < 0.001) | "
        "1.23 % (2 runs) | 1.70 +- 0.71 % |" in text
    )
    assert "| 70 |  |  | 2.20 +- 0.71 % (2) |  | 1.23 % (2 runs) | 2.20 +- 0.71 % |" in text
    # An ensemble that is known is not evaluated again, until its runs are others.
    monkeypatch.setattr(table_results, "ensemble", None)
    assert reproduction.gather() == table


def test_the_difference_from_the_paper_is_tested():
    """Errors of 1.2, 2.2 and 3.2 % with 20 labels, 1.5 to 3.5 % with 50 and 3 to 5 % with 200."""
    plan = tables.plan(Order("table-1", seeds=[1, 2, 3], labels_per_class=[2, 5, 20]))
    table = table_results.summary(plan, {})
    assert [row["difference"] for row in table["rows"]] == [None] * 3
    finished = {
        run.name: {"test_error": n / 1000 + run.seed / 100, "labels": 10 * n}
        for run in plan.runs
        for n in [run.recipe.labels_per_class]
    }
    table = table_results.summary(plan, finished)
    rows = {row["labels"]: row for row in table["rows"]}
    assert {labels: row["difference"]["says"] for labels, row in rows.items()} == {
        20: "better", 50: "equal", 200: "worse"
    }  # fmt: skip
    for row in rows.values():
        errors = np.array([run["test_error"] for run in row["runs"]])
        theirs, n = row["paper"]["single"], 10  # Welch, by hand
        parts = errors.var(ddof=1) / 3, theirs["std"] ** 2 / n
        mean = errors.mean() - theirs["mean"]
        freedom = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / (n - 1))
        p = 2 * stats.t.sf(abs(mean) / sum(parts) ** 0.5, freedom)
        assert row["difference"]["mean"] == pytest.approx(mean, rel=1e-12)
        assert row["difference"]["p"] == pytest.approx(p, rel=1e-9)
    text = table_results.markdown(table)
    assert "| ours | than the paper | ours, ensemble |" in text
    assert "at 5 % in Welch's t-test" in text
    assert "| better (p < 0.001) |" in text
    (difference,) = (row["difference"] for row in rows.values() if row["difference"]["p"] > 0.05)
    assert f"| equal (p = {difference['p']:.2g}) |" in text


def test_a_damaged_table_is_made_anew(trained, tmp_path):
    """Also where it has the same runs, but half an ensemble; what a kill left over is removed."""
    reproduction = Reproduction(TWO, str(tmp_path))
    reproduction.train(verbose=False)
    table, path = reproduction.gather(), tmp_path / "table.json"
    half = {"rows": [{**row, "ensemble": {"count": 2}} for row in table["rows"]]}
    for content in ("{", "[]", '{"rows": 3}', '{"rows": [{}]}', json.dumps(half), "[" * 99_999):
        path.write_text(content)
        (tmp_path / ".7.tmp.table.json").touch()
        assert reproduction.gather() == table == json.loads(path.read_text())
    assert not list(tmp_path.glob(".*"))


def test_paths_are_not_published(trained, tmp_path):
    order = Order("table-1", values={"data": "npz:/home/me/mine.npz"}, seeds=[1, 2])
    table = Reproduction(order, str(tmp_path)).gather()
    assert "data npz:mine.npz in place of mnist" in table["others"]
    for name in ("table.json", "table.md", "table.html", "made.json"):
        text = (tmp_path / name).read_text()
        assert "/home" not in text and ("npz:mine.npz" in text or name == "made.json")


def test_an_ensemble_of_other_labels_is_no_figure_of_the_papers_kind(trained, tmp_path):
    reproduction = Reproduction(TWO, str(tmp_path))
    reproduction.train(verbose=False)
    for run, first in zip(reproduction.plan.runs, (0, 0, 30, 0), strict=True):
        indices = np.arange(first, first + 10 * run.recipe.labels_per_class)
        np.save(tmp_path / run.name / "labeled_indices.npy", indices)
    table = reproduction.gather()
    assert [row["ensemble"]["labels"] for row in table["rows"]] == [80, 100]
    lines = table_results.lines(table)
    assert "1.23 % (2 runs, 80 labels)" in lines[2] and "1.23 % (2 runs)" in lines[3]
    assert any("use --seed-data to label the same images" in line for line in lines)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "digits.keras"
    metrics.train_classifier("digits", path, epochs=1, verbose=False)
    return str(path)


@pytest.mark.long
def test_scores(classifier, tmp_path, monkeypatch, capsys):
    """A table of scores: kept with the runs, not computed twice, of real images too."""
    paper = {"inception_score": (8.09, 0.07)}
    rows = (Row("ours", {}, paper), Row("-L", {}, paper, "<b>without labels</b>"))
    own = Table("own", "Digits", "digits", rows, seeds=1, scored=True)
    monkeypatch.setitem(tables.TABLES, "own", own)
    order = Order("own", values={**SMALL, "baseline": False})
    scoring = Scoring(classifier, images=200)
    reproduction = Reproduction(order, str(tmp_path), scoring=scoring)
    reproduction.check()
    reproduction.prepare()
    assert not (tmp_path / "ours-seed-1").exists() and (tmp_path / "real.json").is_file()
    reproduction.train(verbose=False)
    table = reproduction.gather()
    score = RunFolder(tmp_path / "ours-seed-1").scores()
    drawn = experiments.open_generator(tmp_path / "ours-seed-1", 200, 0)
    kinds = ("inception_score", "fid")
    same = metrics.evaluate(
        drawn, classifier, reference="digits@test", metrics=kinds, shuffle_seed=0
    )
    # Shuffled: where images are stored class by class, a split would hold one class.
    mean, std = metrics.inception_score("digits@test", shuffle_seed=0, classifier=classifier)
    assert table["real"]["inception_score"] == pytest.approx({"mean": mean, "std": std})
    assert score["inception_score"] == pytest.approx(same.figures["inception_score"])
    assert score["fid"] == pytest.approx(same.figures["fid"], rel=1e-6)
    ours, other = table["rows"]
    assert ours["runs"][0]["fid"] == ours["single"]["fid"]["mean"] == score["fid"]
    assert other["runs"][0]["fid"] == score["fid"]  # the same run by another name
    assert table["real"]["inception_score"]["mean"] > score["inception_score"]["mean"] > 1
    text = (tmp_path / "table.md").read_text()
    assert "Scored by digits.keras (sha256:" in text and "200 of 50,000 scored images" in text
    assert "not comparable with those of Inception" in text
    assert text.index("| real test images | 11.24 +- 0.12 | ") < text.index("| ours | 8.09 +- 0.07")
    assert text.endswith("\n\n- -L: <b>without labels</b>\n")
    page = (tmp_path / "table.html").read_text()
    for part in (
        "<h1>own (reduced)</h1>",
        "200 of 50,000 scored images",
        "-L (&lt;b&gt;without labels&lt;/b&gt;), after epoch 1.",
        "<td>11.24 +- 0.12</td>",
        "validation error: at last",
        "Real images, of the test set.",
        "default-src 'none'",
    ):
        assert part in page, part
    assert "<script" not in page and "<b>" not in page and page.count("<img") == 7
    made = json.loads((tmp_path / "made.json").read_text())
    assert set(made["seconds"]) == {"ours-seed-1", "minus-L-seed-1"} and "cores" in made["machine"]
    capsys.readouterr()
    # Nothing is left; with more images there is, but no training.
    monkeypatch.setattr(reproduce, "train", None)
    Reproduction(order, str(tmp_path), scoring=scoring).train()
    assert not capsys.readouterr().out
    more = Reproduction(order, str(tmp_path), scoring=dataclasses.replace(scoring, images=300))
    assert more.state(more.plan.runs[0]) == ("finished", 0) and not more.done(more.plan.runs[0])
    more.train()
    assert capsys.readouterr().out.count("FID") == 2
