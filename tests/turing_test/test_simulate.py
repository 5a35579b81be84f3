"""Simulated annotators through HTTP, whose server is killed meanwhile."""

import pytest

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")
pytest.importorskip("waitress", reason="the extra [turing-test] is not installed")

from improved_gan_tf.turing_test.simulate import DATABASE, Load, coverage, simulate
from improved_gan_tf.turing_test.store import Store
from tests.helpers.one_line import refusal_of
from tests.helpers.turing import make_study


def test_no_confirmed_vote_is_lost_when_the_server_is_killed(tmp_path):
    study = make_study(tmp_path / "test", protocol="hype", feedback="both")
    load = Load(annotators=6, accuracy=0.8, think=0.05, kills=2)
    found = simulate(study, load)
    assert found["votes_lost_or_changed"] == found["votes_that_nobody_sent"] == 0
    assert found["votes_confirmed"] == found["votes_stored"] == found["votes_expected"] == 120
    assert found["complete_sessions"] == 6 and found["attempts_that_failed"] > 0
    store = Store(study.path / DATABASE)
    trials = [trial for session in store.all_trials().values() for trial in session]
    right = sum(trial.right for trial in trials if not trial.known)
    assert found["right"] == right / 60 and 0.5 < right / 60 <= 1
    assert all(trial.right for trial in trials if trial.known)
    store.close()
    assert not (study.path / "votes.sqlite3").exists()  # of people
    assert set(found["milliseconds"]) == {"all", "page", "image", "answer"}


def test_the_interval_covers_the_truth(tmp_path):
    study = make_study(tmp_path / "test")
    found = coverage(study, Load(annotators=12, accuracy=0.7, spread=0.05), 100)
    assert 0.88 < found["covered"] <= 1 and 0.02 < found["mean_half_width"] < 0.2


@pytest.mark.parametrize(
    "message, values",
    [
        ("--simulate takes 1 to 1000 annotators, not 0", {"annotators": 0}),
        ("--accuracy lies in 0..1, not 1.5", {"accuracy": 1.5}),
        ("--spread 0.6 is impossible", {"spread": 0.6}),
        ("are not negative", {"think": -1.0}),
    ],
)
def test_impossible_loads(message, values):
    load = Load(**{"annotators": 5, "accuracy": 0.5, **values})
    refusal_of(load.check)(message)
