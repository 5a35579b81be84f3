"""Attempts to know the answers, or to give them twice."""

import base64
import json
import re
import time

import numpy as np
import pytest

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")

from improved_gan_tf.turing_test.app import create_app
from improved_gan_tf.turing_test.store import Store
from tests.helpers.turing import Visitor, make_study


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    study = make_study(tmp_path_factory.mktemp("cheat") / "test", judgements=36)
    store = Store(study.path / "votes.sqlite3")
    yield study, store, create_app(study, store)
    store.close()


def test_metadata_alone_tell_nothing(served):
    """What comes before the answer, but for the pixels, is the same for both kinds.

    A forest of trees and a logistic regression learn from addresses, places, sizes and times of
    four fifths of the images, and judge the others, five times: of all 720 they are right as often
    as chance is, within 3.9 standard errors (0.5 +- 0.073; chance alone leaves it once in 10,000).
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    _, store, app = served
    headers, bytes_around, pages, features, truths = set(), set(), {}, [], []
    height, width = 8, 8
    for _ in range(20):
        visitor = Visitor(app)
        who = store.annotators()[-1]
        for _ in range(4):
            response = visitor.client.get("/test")
            text, _, page, addresses = visitor.look()
            pages.setdefault(page, set()).add(re.sub(r"/image/\w+", "", text))
            for trial, address in zip(store.trials(who, page), addresses, strict=True):
                begun = time.perf_counter()
                image = visitor.client.get(address)
                seconds = time.perf_counter() - begun
                headers.add(tuple(sorted(h for h in image.headers if h[0] != "Date")))
                # The PNG without its pixels and the two checksums of these.
                start = image.data.index(b"IDAT") + 4 + 7
                lines = height * (width + 1)
                around = image.data[:start], image.data[start + lines + 8 :]
                filters = image.data[start : start + lines : width + 1]
                bytes_around.add((len(image.data), *around, filters))
                digits = list(bytes.fromhex(address.rpartition("/")[2]))
                sizes = [len(image.data), len(response.data), len(text)]
                features.append([*digits, *sizes, seconds, trial.position])
                truths.append(trial.generated)
            visitor.answer(page, [True] * 9)
    assert len(headers) == 1 and len(bytes_around) == 1
    # The text of a page is the same for everybody, but for the addresses.
    assert len(pages) == 4 and all(len(texts) == 1 for texts in pages.values())
    x, y = np.array(features), np.array(truths)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-12)
    assert len(y) == 720
    for classifier in (RandomForestClassifier(25, random_state=0), LogisticRegression()):
        right = (cross_val_predict(classifier, x, y, cv=5) == y).mean()
        assert abs(right - 0.5) < 3.9 * 0.5 / np.sqrt(len(y)), classifier
    # Times alone: their ranks in the two groups differ no more than by chance.
    from scipy.stats import mannwhitneyu

    assert mannwhitneyu(x[y, -2], x[~y, -2]).pvalue > 0.0001


def test_addresses_are_of_one_session_and_one_page(served):
    _, _, app = served
    anna, bert = Visitor(app), Visitor(app)
    _, _, page, addresses = anna.look()
    assert len(set(addresses + bert.look()[3])) == 18
    assert all(re.fullmatch(r"/image/[0-9a-f]{32}", address) for address in addresses)
    assert anna.client.get(addresses[0]).status_code == 200
    assert bert.client.get(addresses[0]).status_code == 404
    assert app.test_client().get(addresses[0]).status_code == 403
    assert anna.client.get("/image/é").status_code == 404
    anna.answer(page, [True] * 9)
    assert anna.client.get(addresses[0]).status_code == 404  # answered, and not looked at again
    for path in ("/image/..%2Ftest.json", "/images.npz", "/test.json", "/key", "/votes.sqlite3"):
        assert anna.client.get(path).status_code == 404


def test_forged_cookies_are_no_session(served):
    _, store, app = served
    anna = Visitor(app)
    (cookie,) = anna.client._cookies.values()
    assert cookie.http_only and cookie.same_site == "Lax"
    payload, _, signature = cookie.value.partition(".")
    name = store.annotators()[-1].name
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["name"] == name
    other = store.annotators()[0].name
    forged = base64.urlsafe_b64encode(json.dumps({"name": other, "_permanent": True}).encode())
    for value in (
        forged.decode().rstrip("=") + "." + signature,
        cookie.value[:-2] + ("aa" if cookie.value[-2:] != "aa" else "bb"),
        forged.decode(),
        name,
    ):
        client = app.test_client()
        client.set_cookie(cookie.key, value)
        assert client.get("/test").headers["Location"] == "/"
        data = {"page": 0, **{f"image{i}": "real" for i in range(9)}}
        assert client.post("/answer", data=data).status_code == 403
        assert client.post("/next", data={"page": 1}).status_code == 403
    honest = app.test_client()
    honest.set_cookie(cookie.key, cookie.value)
    assert honest.get("/test").status_code == 200


def test_second_answers_and_answers_out_of_turn_are_refused(served):
    _, store, app = served
    anna = Visitor(app)
    who = store.annotators()[-1]
    assert anna.answer(2, [True] * 9).status_code == 409
    assert anna.answer(0, [True] * 9).status_code == 303
    again = anna.answer(0, [False] * 9)
    assert again.status_code == 409 and "your first answer counts" in again.text
    assert anna.answer(0, [True] * 9).status_code == 303  # a double click, which changes nothing
    assert [trial.answer for trial in store.trials(who)] == [True] * 9 + [None] * 27


def test_the_order_needs_the_key(served, tmp_path):
    """Whoever knows the package and the seed does not know the order."""
    study, store, _ = served
    other = make_study(tmp_path / "other", judgements=36)
    who = store.annotators()[0]
    orders = [
        [
            trial.generated
            for trial in one.protocol.trials(one.generator(f"order:{who.name}"), 40, 8)
        ]
        for one in (study, other)
    ]
    assert orders[0] == [trial.generated for trial in store.trials(who)] != orders[1]
