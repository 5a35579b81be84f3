"""tools/record_table.py: a recorded table goes on where it stood, and names no place."""

import numpy as np
import pytest

from improved_gan_tf.experiments.reproduce import Reproduction
from improved_gan_tf.experiments.tables import Order
from tests.helpers.paths import TOOLS

VALUES = {
    "epochs": 1,
    "jit_compile": False,
    "generator": {"image_shape": [8, 8, 1], "latent_dim": 4, "units": [8]},
    "discriminator": {"image_shape": [8, 8, 1], "units": [8, 8]},
}


@pytest.fixture
def record(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import record_table

    return record_table.main


def table(out, seeds):
    order = Order("table-1", recipe="digits", values=VALUES, seeds=seeds, labels_per_class=[10])
    return Reproduction(order, str(out))


def test_a_recorded_table_goes_on(record, tmp_path, capsys):
    runs, recorded = tmp_path / "runs", tmp_path / "recorded"
    with pytest.raises(SystemExit):
        record([str(tmp_path), "--out", str(recorded)])
    assert "holds no finished run" in capsys.readouterr().err
    table(runs, [1]).train(verbose=False)
    capsys.readouterr()
    record([str(runs), "--out", str(recorded)])
    assert capsys.readouterr().out == "1 new: 10-labels-per-class-seed-1\n"
    kept = recorded / "10-labels-per-class-seed-1"
    assert {path.name for path in kept.iterdir()} == {
        *("config.json", "results.json", "log.csv"),
        *("labeled_indices.npy", "probabilities.npz"),
    }
    texts = [p.read_text() for p in recorded.rglob("*") if p.suffix in (".json", ".csv", ".md")]
    assert len(texts) == 5 and not any(str(tmp_path) in text for text in texts)

    both = table(recorded, [1, 2])
    both.check()
    assert [both.trained(run) for run in both.plan.runs] == [True, False]
    single = both.gather()["rows"][0]["single"]
    assert single["count"] == 1
    labels, averaged, _ = both.folder(both.plan.runs[0]).probabilities()
    wrong = np.mean(averaged.argmax(axis=1) != labels)
    assert wrong == pytest.approx(single["test_error"]["mean"], abs=0.005)  # rounded to float16
    log = kept / "log.csv"
    log.write_text("as it was\n")
    record([str(runs), "--out", str(recorded)])
    assert capsys.readouterr().out == "0 new: none\n"
    assert log.read_text() == "as it was\n"
