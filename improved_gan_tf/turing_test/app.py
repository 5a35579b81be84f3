"""The annotators' pages and the results page.

The server decides everything: the browser names the page that it answers, and the order, the truth
and whether the answer fits the annotator's state stand in the store. What a browser receives before
it answers depends on the images' pixels and on nothing else that differs between the kinds.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

import flask
import jinja2
from werkzeug.exceptions import HTTPException

from improved_gan_tf.turing_test import results as results_of
from improved_gan_tf.turing_test.security import HEADERS, MOST_BYTES, CookieInterface, Rates
from improved_gan_tf.turing_test.store import Annotator, Judged, Refused, Store
from improved_gan_tf.turing_test.study import Study

_PARTICIPANT = re.compile(r"[\w.@-]{1,64}")
_SIDE = 288  # pixels: an image by itself is enlarged to about this side, one of nine to half of it
_STATIC = {"style.css": "text/css", "annotate.js": "text/javascript"}


def create_app(
    study: Study,
    store: Store,
    precision: float = 0.02,
    clock: Callable[[], float] = time.monotonic,
) -> flask.Flask:
    """The application, for any WSGI server.

    Args:
        study: The test.
        store: Its votes.
        precision: Float, the half-width of the interval that the results page plans for. Defaults
            to 0.02.
        clock: Function that returns seconds, for the limits of requests. Defaults to
            `time.monotonic`.

    Returns:
        A Flask application.
    """
    app = flask.Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(
        SECRET_KEY=study.key,
        SESSION_COOKIE_NAME=f"turing-test-{study.secret('cookie', 4)}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_PARTS=50,
    )
    app.session_interface = CookieInterface()
    app.jinja_loader = jinja2.PackageLoader("improved_gan_tf.turing_test", "pages")
    app.jinja_options = {"undefined": jinja2.StrictUndefined, "trim_blocks": True}
    app.select_jinja_autoescape = lambda name: True
    app.jinja_env.globals["settings"] = study.settings
    folder = resources.files("improved_gan_tf.turing_test.pages")
    files = {name: (folder / name).read_bytes() for name in _STATIC}
    known_results: dict[tuple[int, int], results_of.Results] = {}  # the newest
    strangers, annotators = Rates(20.0, 400, clock), Rates(30.0, 300, clock)
    study.encoded  # noqa: B018 - prepared before the first request, not during it

    def annotator() -> Annotator:
        """Who has begun and sends this request."""
        if flask.g.annotator is None:
            flask.abort(403, "Please begin on the first page. Cookies must be allowed.")
        return flask.g.annotator

    def message(text: str, code: int) -> Any:
        headers = {"Retry-After": "1"} if code == 429 else {}
        return flask.render_template("message.html.j2", text=text), code, headers

    def page_number() -> int:
        found = flask.request.form.get("page", "")
        if not re.fullmatch(r"\d{1,6}", found):
            flask.abort(400, "The page is not named.")
        return int(found)

    @app.before_request
    def protect() -> None:
        name = flask.session.get("name")
        flask.g.annotator = store.annotator(name) if isinstance(name, str) else None
        known = flask.g.annotator
        client = known.name if known else flask.request.remote_addr or ""
        if not (annotators if known else strangers).allows(client):
            flask.abort(429, "Too many requests. Please wait a moment.")
        site = flask.request.headers.get("Sec-Fetch-Site", "same-origin")
        if flask.request.method == "POST" and site not in ("same-origin", "none"):
            flask.abort(403, "This came from another page.")

    @app.after_request
    def protected(response: flask.Response) -> flask.Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Any:
        return message(error.description or error.name, error.code or 500)

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Any:
        return message(str(error), 409)

    @app.get("/")
    def consent() -> Any:
        if flask.g.annotator is not None:
            return flask.redirect("/test", 303)
        participant = flask.request.args.get("participant")
        if participant is not None and not _PARTICIPANT.fullmatch(participant):
            flask.abort(400, "The participant's name has at most 64 letters, digits and . _ - @")
        flask.session.permanent = True
        flask.session.setdefault("name", secrets.token_urlsafe(16))
        if participant is not None:
            flask.session["participant"] = participant
        paragraphs = [part for part in study.settings.consent.split("\n\n") if part.strip()]
        protocol = study.protocol
        return flask.render_template("consent.html.j2", protocol=protocol, paragraphs=paragraphs)

    @app.post("/begin")
    def begin() -> Any:
        name = flask.session.get("name")
        if not isinstance(name, str):
            flask.abort(403, "Please begin on the first page. Cookies must be allowed.")
        trials = study.protocol.trials(
            study.generator(f"order:{name}"), study.settings.images, study.about["known_examples"]
        )
        store.begin(name, flask.session.get("participant"), study.feedback, trials)
        return flask.redirect("/test", 303)

    @app.get("/test")
    def test() -> Any:
        if flask.g.annotator is None:
            return flask.redirect("/", 303)
        who = annotator()
        if who.finished and not who.reviewing:
            return thanks(who)
        trials = store.trials(who, who.shown_page)
        per_page, known = study.protocol.per_page, study.protocol.known
        first, total = (0, known) if trials[0].known else (known, study.protocol.judgements)
        done = trials[0].position - first + (len(trials) if who.reviewing else 0)
        factor = max(
            1, round(_SIDE / (1 if per_page == 1 else 2) / max(study.pools["real"].shape[1:3]))
        )
        height, width = (factor * side for side in study.pools["real"].shape[1:3])
        return flask.render_template(
            "judge.html.j2",
            who=who,
            images=[(address(who, trial), trial if who.reviewing else None) for trial in trials],
            known=trials[0].known,
            size=(factor * width, factor * height),
            done=done,
            total=total,
        )

    def thanks(who: Annotator) -> str:
        trials = [trial for trial in store.trials(who) if not trial.known]
        right = sum(trial.right for trial in trials) if who.feedback and who.qualified else None
        code = study.secret(f"code:{who.name}", 5).upper()
        return flask.render_template(
            "thanks.html.j2", who=who, right=right, total=len(trials), code=code
        )

    @app.post("/answer")
    def answer() -> Any:
        who, page = annotator(), page_number()
        trials = store.trials(who, page)
        given = [flask.request.form.get(f"image{i}", "") for i in range(len(trials))]
        if not trials or not all(value in ("real", "generated") for value in given):
            flask.abort(400, "Please mark every image as real or generated.")
        store.answer(
            who.name,
            page,
            [value == "generated" for value in given],
            shows_truth=who.feedback or trials[0].known,
            to_qualify=study.protocol.to_qualify,
        )
        return flask.redirect("/test", 303)

    @app.post("/next")
    def go_on() -> Any:
        store.go_on(annotator().name, page_number())
        return flask.redirect("/test", 303)

    def address(who: Annotator, trial: Judged) -> str:
        """Says nothing but that it is this annotator's; another's session does not know it."""
        return study.secret(f"image:{who.name}:{trial.position}")

    @app.get("/image/<name>")
    def image(name: str) -> Any:
        """One of the images on the annotator's screen; no other has an address."""
        who = annotator()
        for trial in store.trials(who, who.shown_page):
            if hmac.compare_digest(address(who, trial).encode(), name.encode()):
                pool = f"{'known_' * trial.known}{'generated' if trial.generated else 'real'}"
                return flask.Response(study.encoded[pool][trial.image], mimetype="image/png")
        return flask.abort(404, "There is no such image on your page.")

    @app.get("/<any('style.css', 'annotate.js'):name>")
    def static(name: str) -> Any:
        response = flask.Response(files[name], mimetype=_STATIC[name])
        response.headers["Cache-Control"] = "max-age=600"
        return response

    @app.get("/favicon.ico")
    def icon() -> Any:
        return "", 204

    def results() -> results_of.Results:
        given = flask.request.args.get("token", "")
        if not hmac.compare_digest(given.encode(), study.token.encode()):
            flask.abort(403, "The results need the token that was printed when the server started.")
        state = store.state()
        if state not in known_results:
            known_results.clear()
            known_results[state] = results_of.results(study, store, precision)
        return known_results[state]

    @app.get("/results")
    def results_page() -> str:
        found = results()
        curves = results_of.curves(found)
        return flask.render_template(
            "results.html.j2",
            found=found,
            token=study.token,
            curves=curves,
            study=study,
            paper=results_of.PAPER,
        )

    @app.get("/results.json")
    def results_json() -> Any:
        return flask.Response(results().to_json(), mimetype="application/json")

    @app.get("/votes.csv")
    def votes_csv() -> Any:
        results()
        return flask.Response(results_of.votes_csv(study, store), mimetype="text/csv")

    @app.get("/results/<any('most', 'least'):which>.png")
    def believable(which: str) -> Any:
        found = results()
        chosen = found.most_believable if which == "most" else found.least_believable
        if not chosen:
            flask.abort(404, "No generated image has been judged yet.")
        return flask.Response(results_of.picture(study, chosen), mimetype="image/png")

    return app
