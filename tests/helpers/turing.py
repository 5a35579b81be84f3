"""Small tests for people, and the pages as a browser without scripts sees them."""

import contextlib
import re
import threading

import numpy as np

from improved_gan_tf.data import as_images
from improved_gan_tf.turing_test.server import listen, make_server
from improved_gan_tf.turing_test.store import Store
from improved_gan_tf.turing_test.study import Settings, prepare

FORM = re.compile(r'action="(/answer|/next)">\s*<input type="hidden" name="page" value="(\d+)"')


def pictures(seed, count=60, shape=(8, 8, 1)):
    """uint8 images of noise; of seed 1 dark ones, so that a person could tell them apart."""
    random = np.random.default_rng(seed)
    return random.integers(0, 120 if seed == 1 else 255, (count, *shape)).astype(np.uint8)


def make_study(path, real=0, generated=1, **settings):
    """A prepared test of 8x8 noise."""
    values = {"generated": "fakes", "real": "truths", "images": 40, "judgements": 18, **settings}
    if "protocol" in settings:
        values |= {"judgements": settings.get("judgements", 10)}
    checked = Settings(**values).checked()
    return prepare(path, checked, as_images(pictures(generated)), as_images(pictures(real)))


class Visitor:
    """One annotator, by Flask's test client."""

    def __init__(self, app, begin=True, path="/"):
        self.client = app.test_client()
        self.first = self.client.get(path)
        if begin:
            assert self.client.post("/begin").status_code == 303

    def look(self):
        """(the page's text, its form's action, the page it answers, addresses of images)."""
        text = self.client.get("/test").text
        found = FORM.search(text)
        addresses = re.findall(r'src="(/image/\w+)"', text)
        return text, found and found[1], found and int(found[2]), addresses

    def answer(self, page, answers):
        """The response to the answers, True for generated, to a page."""
        values = {f"image{i}": "generated" if a else "real" for i, a in enumerate(answers)}
        return self.client.post("/answer", data={"page": page, **values})

    def finish(self, judge):
        """Goes to the end; `judge(trial)` answers."""
        while True:
            text, action, page, addresses = self.look()
            if action is None:
                return text
            if action == "/next":
                assert self.client.post("/next", data={"page": page}).status_code == 303
                continue
            assert self.answer(page, judge(page, len(addresses))).status_code == 303


def judge_by_truth(store, visitor_number, wrong=()):
    """A judge for `Visitor.finish`: the truth, but at some positions, counted without practice."""
    (who,) = (a for a in store.annotators() if a.number == visitor_number)
    trials = store.trials(who)
    known = sum(trial.known for trial in trials)

    def judge(page, count):
        return [
            trial.generated != (trial.position - known in wrong)
            for trial in trials
            if trial.page == page
        ]

    return judge


class Running:
    """A server in a thread of this process, which can be stopped and started again."""

    def __init__(self, study, proxy=None):
        self.study, self.store = study, Store(study.path / "votes.sqlite3")
        self.port, self._proxy = 0, proxy
        self.start()

    def start(self):
        """Serves at the same port as before."""
        self._server = make_server(self.study, self.store, listen(port=self.port), self._proxy)
        self.port = self._server.socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):  # the socket is closed under it
            self._server.run()

    def stop(self):
        """Ends it, as the end of the process does."""
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()
        self._server.task_dispatcher.shutdown()
        self._thread.join(5)
