"""The pages in a real browser: headless Chromium, driven by Playwright."""

import re
import shutil

import pytest

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")
pytest.importorskip("waitress", reason="the extra [turing-test] is not installed")
pytest.importorskip("playwright", reason="the extra [browser] (Playwright) is not installed")

from playwright.sync_api import Error, sync_playwright

from improved_gan_tf.turing_test.results import results
from tests.helpers.turing import Running, make_study


@pytest.fixture(scope="module")
def browser():
    """One Chromium: the system's, or Playwright's own."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    with sync_playwright() as started:
        path = next(filter(None, found), None)
        try:
            chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium that starts: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture
def annotator(browser, tmp_path):
    """annotator(feedback=..., ...) -> (a page on which one has begun, the running server)."""
    servers, contexts, complaints = [], [], []

    def make(context=None, begin=True, **settings):
        running = Running(make_study(tmp_path / f"test{len(servers)}", **settings))
        servers.append(running)
        contexts.append(browser.new_context(**(context or {})))
        contexts[-1].set_default_timeout(10_000)
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if "Refused" in m.text else None)
        page.goto(running.address)
        if begin:
            page.get_by_role("button", name="I agree").click()
            page.wait_for_selector("form.judge")
        return page, running

    yield make
    for context in contexts:
        context.close()
    for running in servers:
        running.stop()
        running.store.close()
    assert not complaints  # of scripts, or of the Content-Security-Policy


def votes(running):
    """The answers in the database, of the first annotator."""
    return [trial.answer for trial in running.store.all_trials()[1]]


def truth(running, page):
    """Whether each image of a page is generated."""
    return [trial.generated for trial in running.store.all_trials()[1] if trial.page == page]


def place(page):
    """The page that the browser's form answers."""
    return int(page.locator("input[name=page]").get_attribute("value"))


def mark(page, answers):
    """Marks a board with the mouse and sends it."""
    for i, answer in enumerate(answers):
        page.locator(f"input[name=image{i}]").nth(int(answer)).check()
    with page.expect_navigation():
        page.get_by_role("button", name="Done").click()


def check_results(page, running, right, total):
    """The results page shows what stands in the database."""
    trials = [t for t in running.store.all_trials()[1] if not t.known]
    assert (sum(t.right for t in trials), len(trials)) == (right, total)
    page.goto(f"{running.address}/results?token={running.study.token}")
    assert page.locator("#accuracy").inner_text() == f"{100 * right / total:.1f} %"
    assert page.locator("#complete").inner_text() == "1"
    found = results(running.study, running.store)
    assert page.locator("#votes").inner_text() == str(found.votes)
    for share in (found.groups[0].all, found.groups[0].real, found.groups[0].generated):
        assert f"{share.right} of {share.total}" in page.locator("table").first.inner_text()


def test_boards_without_feedback(annotator):
    page, running = annotator()
    assert page.get_by_role("progressbar", name=re.compile("0 of 18")).count() == 1
    assert page.get_by_role("group", name="Image 3 of 9").count() == 1
    image = page.locator(".tile img").first
    assert image.evaluate("i => [i.naturalWidth, i.complete]") == [8, True]
    assert image.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
    page.get_by_role("button", name="Done").click()  # nothing is marked: the browser refuses
    assert votes(running) == [None] * 18
    for number in range(2):
        answers = truth(running, number)
        answers[0] = not answers[0]
        mark(page, answers)
    assert page.locator(".code").inner_text() and not page.get_by_text("You were right").count()
    check_results(page, running, 16, 18)


def test_boards_with_feedback_by_keyboard_alone(annotator):
    page, running = annotator(feedback="on")
    for number in range(2):
        answers = truth(running, number)
        wrong = [not answers[0], *answers[1:8], not answers[8]]
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        focused = page.evaluate("document.activeElement.name")
        assert focused == "image4"
        for key in ("ArrowUp", "ArrowLeft", *("g" if answer else "r" for answer in wrong)):
            page.keyboard.press(key)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "2 of 9 are wrong" in page.get_by_role("status").inner_text()
        shown = page.locator(".tile").evaluate_all("all => all.map(t => t.className)")
        assert [name == "tile wrong" for name in shown] == [True, *[False] * 7, True]
        with page.expect_navigation():
            page.keyboard.press("Enter")  # the button "Next" has the focus
    assert "14 of 18" in page.locator("main").inner_text()
    check_results(page, running, 14, 18)


@pytest.mark.parametrize("feedback", ["off", "on"])
def test_one_by_one_by_keys_on_a_phone(annotator, feedback):
    """Qualification, then judgements; letters and arrows; nothing wider than 320 pixels."""
    phone = {"viewport": {"width": 320, "height": 568}, "has_touch": True}
    page, running = annotator(phone, protocol="hype", feedback=feedback)
    keys = {False: ["r", "ArrowLeft"], True: ["g", "ArrowRight"]}
    for number in range(20):
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        (answer,) = truth(running, number)
        wrong = number in (12, 15)
        with page.expect_navigation():
            page.keyboard.press(keys[answer != wrong][number % 2])
        if number < 10 or feedback == "on":
            said = page.get_by_role("status").inner_text()
            assert said.startswith("Wrong" if wrong else "Right")
            with page.expect_navigation():
                page.keyboard.press("Enter")
    assert ("8 of 10" in page.locator("main").inner_text()) == (feedback == "on")
    check_results(page, running, 8, 10)


def test_boards_on_a_phone(annotator):
    page, running = annotator({"viewport": {"width": 320, "height": 568}, "has_touch": True})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sizes = page.locator(".choice label").evaluate_all(
        "all => all.map(l => [l.getBoundingClientRect().width, l.getBoundingClientRect().height])"
    )
    assert len(sizes) == 18 and min(min(size) for size in sizes) >= 44  # WCAG 2.5.5
    for i in range(9):
        page.locator(".choice label").nth(2 * i).tap()
    with page.expect_navigation():
        page.get_by_role("button", name="Done").tap()
    assert votes(running) == [False] * 9 + [None] * 9


def test_reload_back_and_double_click_change_nothing(annotator):
    page, running = annotator(feedback="on")
    mark(page, [True] * 9)
    given = votes(running)
    page.reload()
    assert place(page) == 1 and page.get_by_role("button", name="Next").count() == 1
    page.go_back()  # the first page sends on to where one is
    page.wait_for_selector("form.judge.review")
    page.get_by_role("button", name="Next").dblclick()
    page.wait_for_selector("form.judge:not(.review)")
    assert place(page) == 1 and votes(running) == given
    page.reload()
    for i in range(9):
        page.locator(f"input[name=image{i}]").nth(1).check()
    page.get_by_role("button", name="Done").dblclick()
    page.wait_for_selector("form.judge.review")
    assert votes(running) == [True] * 18
    # A second tab of the old page cannot answer again.
    answer = page.request.post(
        f"{running.address}/answer", form={"page": "0", **{f"image{i}": "real" for i in range(9)}}
    )
    assert answer.status == 409 and votes(running) == [True] * 18


def test_a_double_click_on_one_image_is_one_answer(annotator):
    page, running = annotator(protocol="hype")
    page.get_by_role("button", name="Real").dblclick()
    page.wait_for_selector("form.judge.review")
    assert votes(running)[:2] == [False, None]


def test_a_restart_in_the_middle(annotator):
    """An answer that is given while the server is away is sent again until it is back."""
    page, running = annotator()
    mark(page, [True] * 9)
    for i in range(9):
        page.locator(f"input[name=image{i}]").nth(0).check()
    running.stop()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("The connection is lost").wait_for()
    assert votes(running) == [True] * 9 + [None] * 9
    running.start()
    page.wait_for_selector(".code")
    assert votes(running) == [True] * 9 + [False] * 9


def test_without_scripts(annotator):
    page, running = annotator({"java_script_enabled": False}, feedback="on")
    mark(page, [True] * 9)
    assert page.locator("form.review").count() == 1 and votes(running)[:9] == [True] * 9
    with page.expect_navigation():
        page.get_by_role("button", name="Next").click()
    assert place(page) == 1


def test_dark_and_reduced_motion(annotator):
    page, _ = annotator({"color_scheme": "dark", "reduced_motion": "reduce"}, begin=False)
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert colours == ["rgb(18, 22, 27)", "rgb(227, 232, 238)"]
    button = page.get_by_role("button", name="I agree")
    assert button.evaluate("b => getComputedStyle(b).transitionDuration") == "0s"
