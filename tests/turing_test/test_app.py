"""The pages, by Flask's test client: both protocols, with and without feedback."""

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")
pytest.importorskip("waitress", reason="the extra [turing-test] is not installed")

from improved_gan_tf.turing_test.app import create_app
from improved_gan_tf.turing_test.results import results, votes_csv
from improved_gan_tf.turing_test.security import HEADERS, Rates
from improved_gan_tf.turing_test.store import Store
from tests.helpers.turing import Visitor, judge_by_truth, make_study


@pytest.fixture
def served(tmp_path):
    """served(**settings) -> (study, store, app)."""
    stores = []

    def make(**settings):
        study = make_study(tmp_path / f"test{len(stores)}", **settings)
        store = Store(study.path / "votes.sqlite3")
        stores.append(store)
        return study, store, create_app(study, store)

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize("protocol", ["paper", "hype"])
@pytest.mark.parametrize("feedback", ["on", "off"])
def test_a_whole_session(served, protocol, feedback):
    study, store, app = served(protocol=protocol, feedback=feedback, judgements=18)
    visitor = Visitor(app)
    assert study.settings.question in visitor.first.text and "I agree" in visitor.first.text
    end = visitor.finish(judge_by_truth(store, 1, wrong={0, 5, 9}))
    code = re.search(r'class="code">(\w{10})<', end)[1]
    assert ("right about <strong>15 of 18" in end) == (feedback == "on")
    (who,) = store.annotators()
    trials = [trial for trial in store.trials(who) if not trial.known]
    assert [not trial.right for trial in trials] == [i in (0, 5, 9) for i in range(18)]
    found = results(study, store)
    assert (found.complete, found.groups[0].all.right, found.groups[0].all.total) == (1, 15, 18)
    token = {"token": study.token}
    rows = list(
        csv.DictReader(io.StringIO(visitor.client.get("/votes.csv", query_string=token).text))
    )
    assert {row["code"] for row in rows} == {code} and len(rows) == 18 + study.protocol.known
    page = visitor.client.get("/results", query_string=token).text
    assert "83.3 %" in page and "15 of 18" in page
    figures = json.loads(visitor.client.get("/results.json", query_string=token).text)
    assert figures["groups"][0]["all"]["share"] == pytest.approx(15 / 18)
    assert figures["paper"]["CIFAR-10"] == 0.787


def test_votes_are_written_while_somebody_begins(served, monkeypatch):
    study, store, app = served()
    Visitor(app)
    read_trials = store.all_trials

    def slowly():
        found = read_trials()
        Visitor(app)
        return found

    monkeypatch.setattr(store, "all_trials", slowly)
    assert votes_csv(study, store).startswith("annotator,")


@pytest.mark.parametrize(
    "protocol, words", [("paper", "1 of 9 are wrong"), ("hype", "Wrong: this image is")]
)
def test_mistakes_are_shown_with_feedback(served, protocol, words):
    study, store, app = served(protocol=protocol, feedback="on", judgements=18)
    visitor = Visitor(app)
    judge = judge_by_truth(store, 1, wrong={0})
    for page in range(study.protocol.known + 1):
        text, action, shown, addresses = visitor.look()
        if action == "/next":
            assert "Right: this image is" in text
            visitor.client.post("/next", data={"page": shown})
        visitor.answer(page, judge(page, len(addresses)))
    text, action, _, addresses = visitor.look()
    assert action == "/next" and words in text
    assert text.count("tile wrong") == 1 and 'type="radio"' not in text
    assert all(visitor.client.get(address).status_code == 200 for address in addresses)


def test_too_many_wrong_examples_end_the_test(served):
    study, store, app = served(protocol="hype")
    visitor = Visitor(app)
    truth = judge_by_truth(store, 1)
    end = visitor.finish(lambda page, count: [not value for value in truth(page, count)])
    assert "too few of the practice examples" in end and 'class="code"' in end
    found = results(study, store)
    assert (found.complete, found.unqualified, found.unfinished, found.votes) == (0, 1, 0, 10)
    Visitor(app)
    assert results(study, store).unfinished == 1
    assert (
        "the interval needs two annotators"
        in visitor.client.get(f"/results?token={study.token}").text
    )


def test_every_answer_has_the_headers(served):
    study, _, app = served()
    visitor = Visitor(app)
    address = visitor.look()[3][0]
    for path in ("/", "/test", address, "/results", f"/results?token={study.token}", "/absent"):
        response = visitor.client.get(path)
        for name, value in HEADERS.items():
            assert response.headers[name] == value, (path, name)
    assert visitor.client.get("/style.css").headers["Cache-Control"] == "max-age=600"
    for path in ("/", "/test", f"/results?token={study.token}"):
        text = visitor.client.get(path).text
        assert not re.search(r"https?://|<script>|<style|style=|onclick|javascript:", text)


def test_the_results_need_the_token(served):
    study, _, app = served()
    client = app.test_client()
    for path in ("/results", "/results.json", "/votes.csv", "/results/most.png"):
        for token in ("", "?token=", "?token=é", "?token=" + study.token[:-1] + "x"):
            assert client.get(path + token).status_code == 403
    assert client.get(f"/results/most.png?token={study.token}").status_code == 404  # no votes yet


def test_the_picture_of_believable_images(served):
    study, store, app = served()
    for i in range(3):
        Visitor(app).finish(judge_by_truth(store, i + 1, wrong=set(range(0, 18, 2))))
    found = results(study, store)
    counts = {}
    for session in store.all_trials().values():
        for trial in session:
            if trial.generated:
                real, shown = counts.get(trial.image, (0, 0))
                counts[trial.image] = real + (not trial.answer), shown + 1
    for one in found.most_believable + found.least_believable:
        assert counts[one.image] == (one.real, one.shown)
    assert found.most_believable[0].real > found.least_believable[0].real
    data = app.test_client().get(f"/results/most.png?token={study.token}").data
    assert Image.open(io.BytesIO(data)).width > 100


def test_wrong_requests_change_nothing(served):
    _, store, app = served()
    visitor = Visitor(app)
    post = visitor.client.post
    for values, status in (
        ({}, 400),
        ({"page": "x"}, 400),
        ({"page": "0"}, 400),
        ({"page": "0", **{f"image{i}": "maybe" for i in range(9)}}, 400),
        ({"page": "99", **{f"image{i}": "real" for i in range(9)}}, 400),
        ({"page": "1", **{f"image{i}": "real" for i in range(9)}}, 409),
        ({"page": "0" * 20_000}, 413),
    ):
        assert post("/answer", data=values).status_code == status, values
    values = {"page": "0", **{f"image{i}": "real" for i in range(9)}}
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert post("/answer", data=values, headers=elsewhere).status_code == 403
    assert all(trial.answer is None for trial in store.trials(store.annotators()[0]))
    assert visitor.client.get("/answer").status_code == 405


def test_participants_of_a_platform(served):
    _, store, app = served()
    Visitor(app, path="/?participant=p-1")
    assert store.annotators()[0].participant == "p-1"
    again = Visitor(app, begin=False, path="/?participant=p-1")
    answer = again.client.post("/begin")
    assert answer.status_code == 409 and "begun already, in another browser" in answer.text
    assert Visitor(app, begin=False, path="/?participant=%3Cb%3E").first.status_code == 400


def test_texts_are_escaped(served):
    _, _, app = served(question="<b>real?</b>", consent="one\n\n<i>two</i>")
    text = Visitor(app, begin=False).first.text
    assert "&lt;b&gt;real?" in text and "<p>&lt;i&gt;two" in text and "<p>one</p>" in text


def test_rates_are_limited(served):
    study, store, _ = served()
    now = [0.0]
    client = create_app(study, store, clock=lambda: now[0]).test_client()
    statuses = [client.get("/favicon.ico").status_code for _ in range(402)]
    assert statuses == [204] * 400 + [429] * 2
    assert client.get("/").headers["Retry-After"] == "1"
    now[0] = 1.0
    assert client.get("/").status_code == 200
    now = [0.0]
    rates = Rates(2.0, 3, lambda: now[0])
    assert [rates.allows("a") for _ in range(4)] == [True, True, True, False]
    assert rates.allows("b")
    now[0] = 1.0
    assert [rates.allows("a") for _ in range(3)] == [True, True, False]
    for i in range(30_000):
        now[0] += 1.0
        rates.allows(str(i))
    assert len(rates._buckets) <= Rates._MOST + 2


def test_with_and_without_feedback_are_compared(served):
    study, store, app = served(feedback="both")
    random = np.random.default_rng(0)
    for i in range(6):
        wrong = set(random.permutation(18)[: 3 + i].tolist())
        Visitor(app).finish(judge_by_truth(store, i + 1, wrong=wrong))
    found = results(study, store)
    every, with_feedback, without = found.groups
    assert (every.annotators, with_feedback.annotators, without.annotators) == (6, 3, 3)
    given = {who.number: who.feedback for who in store.annotators()}
    means = [np.mean([1 - (3 + n - 1) / 18 for n in given if given[n] is f]) for f in (True, False)]
    assert found.difference.difference == pytest.approx(means[0] - means[1])
    assert (
        every.all.right == with_feedback.all.right + without.all.right == 6 * 18 - sum(range(3, 9))
    )
    assert sum(share.total for share in every.curve) == every.all.total == 108
    assert every.real.total + every.generated.total == 108
    page = app.test_client().get(f"/results?token={study.token}").text
    assert "Welch" in page and "polyline" in page
