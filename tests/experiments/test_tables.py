"""Tables: which runs they have, what is called reduced, what is refused."""

import dataclasses

import pytest

from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.ablations import ABLATIONS
from improved_gan_tf.experiments.tables import TABLES, Order, plan
from tests.helpers.one_line import refusal_of


def _plan(table="table-1", **values):
    return plan(Order(table, **values))


fails = refusal_of(_plan)


def test_the_papers_tables():
    """Tables 1 and 2, and figure 5; the paper counts MNIST's errors among 10,000 images."""
    errors = {
        "table-1": [(1677, 452), (221, 136), (93, 6.5), (90, 4.2)],
        "table-2": [(2183, 201), (1961, 209), (1863, 232), (1772, 182)],
        "svhn": [(1844, 480), (811, 130), (616, 58)],
    }
    ensembles = {
        "table-1": [(1134, 445), (142, 96), (86, 5.6), (81, 4.3)],
        "table-2": [(1922, 54), (1725, 66), (1559, 47), (1487, 89)],
        "svhn": [(588, 100)],
    }
    labels = {"table-1": [2, 5, 10, 20], "table-2": [100, 200, 400, 800], "svhn": [50, 100, 200]}
    for name, expected in errors.items():
        rows = TABLES[name].rows
        assert [row.values["labels_per_class"] for row in rows] == labels[name]
        found = [row.paper["single"] for row in rows]
        assert [pytest.approx([10_000 * x for x in pair]) for pair in found] == expected
        found = [row.paper["ensemble"] for row in rows if "ensemble" in row.paper]
        assert [pytest.approx([10_000 * x for x in pair]) for pair in found] == ensembles[name]
    assert TABLES["svhn"].rows[1].paper["ensemble"] == (0.0588, 0.01)
    scores = {row.name: row.paper["inception_score"] for row in TABLES["table-3"].rows if row.paper}
    assert scores["ours"] == (8.09, 0.07) and scores["-MBF"] == (3.87, 0.03)
    assert [row.name for row in TABLES["table-3"].rows] == list(ABLATIONS)


@pytest.mark.parametrize("name", TABLES)
def test_a_whole_table_is_not_reduced(name):
    table, found = TABLES[name], _plan(name)
    assert found.reduced == found.others == ()
    assert len(found.runs) == len(table.rows) * table.seeds
    assert len({run.name for run in found.runs}) == len(found.runs)
    for run in found.runs:
        own = {name.partition(".")[0] for name in recipes.changed(found.recipe, run.recipe)}
        assert own <= {"seed", "seed_data", *run.row.values}


def test_runs():
    """All rows of a seed come before the next seed; a seed also chooses the labeled images."""
    found = _plan(seeds=[3, 1], labels_per_class=[2, 7], baseline=True, values={"epochs": 5})
    assert [run.name for run in found.runs] == [
        f"{labels}-labels-per-class-seed-{seed}{baseline}"
        for seed in (3, 1)
        for labels in (2, 7)
        for baseline in ("", "-baseline")
    ]
    run, baseline = found.runs[2:4]
    values = (7, 3, 3, 5, False)
    assert (run.recipe.labels_per_class, run.recipe.seed, run.recipe.seed_data) == values[:3]
    assert (run.recipe.epochs, run.recipe.baseline, baseline.baseline) == (5, False, True)
    assert recipes.changed(run.recipe, baseline.recipe) == {
        "objective": ("feature_matching", "supervised")
    }
    assert found.rows[0].paper and not found.rows[1].paper
    same = _plan(seeds=[3, 1], seed_data=8)
    assert {run.recipe.seed_data for run in same.runs} == {8}
    assert "labeled images" in same.others[0]
    some = _plan("table-3", seeds=[1], row_seeds={"ours": [1, 2]}, rows=["-VBN+BN", "ours"])
    assert some == _plan(
        "table-3", seeds=[1], row_seeds={"ours": [1, 2]}, rows=["minus-VBN-plus-BN", "ours"]
    )
    assert [run.name for run in some.runs] == [
        "minus-VBN-plus-BN-seed-1",
        "ours-seed-1",
        "ours-seed-2",
    ]


def test_what_is_reduced():
    narrow = {"generator": {"width": 0.5}, "discriminator": {"width": 0.5}}
    values = {"epochs": 2, "learning_rate": 0.1, **narrow}
    found = _plan(values=values, seeds=[1, 2])
    assert set(found.reduced) == {"2 of 300 epochs", "width 0.5 in place of 1", "2 of 10 seeds"}
    assert found.others == ("learning rate 0.1 in place of 0.003",)
    more = _plan(values={"epochs": 301}, seeds=range(11))
    assert more.reduced == () and more.others == ("epochs 301 in place of 300",)
    short = _plan("table-3", values={"steps_per_epoch": 10}, seeds=[1])
    assert short.reduced == ("10 of 1,000 steps per epoch",)
    other = _plan(recipe="digits", labels_per_class=[10], seeds=range(10))
    assert other.others == ("the recipe digits in place of mnist-feature-matching",)
    assert not other.rows[0].paper  # which is not of the digits
    assert not _plan(values={"data": "fashion_mnist"}).rows[0].paper
    fast = _plan(recipe="mnist-fast", labels_per_class=[10])
    assert fast.others == ("the recipe mnist-fast in place of mnist-feature-matching",)
    assert fast.rows[0].paper["single"] == (0.0093, 0.00065)  # the same data
    assert dataclasses.replace(other.rows[0], paper={}) == other.rows[0]


def test_refusals():
    fails(r"no table 'tabel-1' \(did you mean 'table-1'\?\); choose one of table-1, ", "tabel-1")
    fails("the seed 2 is given twice; give each once", seeds=[2, 1, 2])
    fails("the number of labels 5 is given twice", labels_per_class=[5, 5])
    fails("the row minus-L is given twice", "table-3", rows=["-L", "ours", "minus-L"])
    fails("table-3 has no row 'our' .did you mean 'ours'", "table-3", rows=["our"])
    fails("table-3 has no row 'our' .did you mean 'ours'", "table-3", row_seeds={"our": [1]})
    fails("table-3 has no rows by labels", "table-3", labels_per_class=[5])
    fails("imagenet has no values for table-1", recipe="imagenet")
    fails("no recipe 'digit' .did you mean 'digits'", recipe="digit")
    fails("table-1 sets seed of every run itself", values={"seed": 3})
    fails("has no value 'epoch' .did you mean 'epochs'", values={"epoch": 3})
    fails("seed must be at least 0 and at most .*, not -1", seeds=[-1])
    fails("labels_per_class must be at least 1, not 0", labels_per_class=[0])
    fails("name at least one seed", seeds=[])
