"""Votes: once each, in order, on the disk; files that are not ours."""

import sqlite3

import pytest

from improved_gan_tf.turing_test.protocol import Trial
from improved_gan_tf.turing_test.store import Refused, Store
from tests.helpers.one_line import refusal_of

PAGES = [Trial(i // 2, False, i % 3 == 0, i) for i in range(4)]
WITH_PRACTICE = [Trial(0, True, True, 0), Trial(1, True, False, 0), Trial(2, False, True, 0)]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "votes.sqlite3")
    made.begin("anna", None, lambda number: False, PAGES)
    yield made
    made.close()


def _answers(store, name="anna"):
    return [trial.answer for trial in store.trials(store.annotator(name))]


def test_answers_in_order_and_once(store):
    def answer(page, *answers, shows_truth=False):
        store.answer("anna", page, answers, shows_truth, 0)

    with pytest.raises(Refused, match="not the next one"):
        answer(1, True, True)
    answer(0, True, False)
    answer(0, True, False)  # a double click
    with pytest.raises(Refused, match="your first answer counts"):
        answer(0, False, False)
    with pytest.raises(Refused, match="mark every image"):
        answer(1, True)
    assert _answers(store) == [True, False, None, None]
    answer(1, True, True)
    assert _answers(store) == [True, False, True, True]
    assert store.annotator("anna").finished
    with pytest.raises(Refused):
        answer(2, True)
    with pytest.raises(Refused, match="not begun"):
        store.answer("nobody", 0, [True, True], False, 0)


def test_the_truth_is_looked_at_before_the_next_page(store):
    store.answer("anna", 0, [True, True], True, 0)
    who = store.annotator("anna")
    assert who.reviewing and who.page == 1 and who.shown_page == 0
    with pytest.raises(Refused, match="not the next one"):
        store.answer("anna", 1, [True, True], True, 0)
    store.go_on("anna", 1)
    store.go_on("anna", 1)
    store.answer("anna", 1, [True, True], True, 0)
    assert store.annotator("anna").finished and store.annotator("anna").reviewing
    store.go_on("anna", 2)
    assert not store.annotator("anna").reviewing


@pytest.mark.parametrize("answers, qualified", [((True, False), True), ((True, True), False)])
def test_the_qualification(store, answers, qualified):
    store.begin("bert", None, lambda number: False, WITH_PRACTICE)
    for page, answer in enumerate(answers):
        store.answer("bert", page, [answer], True, 2)
        store.go_on("bert", page + 1)
    who = store.annotator("bert")
    assert who.qualified is qualified and bool(who.finished) is not qualified
    if not qualified:
        with pytest.raises(Refused):
            store.answer("bert", 2, [True], False, 2)


def test_beginning_twice_is_beginning_once(store):
    store.answer("anna", 0, [True, False], False, 0)
    store.begin("anna", "X", lambda number: True, PAGES)
    assert _answers(store)[0] is True and not store.annotator("anna").feedback
    seen = []
    store.begin("bert", "participant", lambda number: seen.append(number) or True, PAGES)
    assert seen == [1]
    with pytest.raises(Refused, match="begun already"):
        store.begin("carl", "participant", lambda number: True, PAGES)
    assert [who.name for who in store.annotators()] == ["anna", "bert"]


def test_what_was_confirmed_is_synchronized(store):
    connection = store._connection()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    store.answer("anna", 0, [True, False], False, 0)
    again = Store(store.path)
    assert _answers(again) == [True, False, None, None]
    again.close()


def test_other_databases_are_refused(tmp_path):
    path = tmp_path / "votes.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    refusal_of(Store)("is no database of votes; name another folder", path)
    path.unlink()
    Store(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    refusal_of(Store)("is a database of version 7, not 1; go on with the version", path)
    path.unlink()
    path.write_text("no database" * 100)
    refusal_of(Store)("cannot be used as a database of votes", path)
    refusal_of(Store)("cannot be used as a database of votes", tmp_path)
