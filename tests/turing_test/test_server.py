"""What waitress adds: limits, and what a reverse proxy says."""

import http.client

import pytest

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")
pytest.importorskip("waitress", reason="the extra [turing-test] is not installed")

from improved_gan_tf.turing_test.server import listen
from tests.helpers.one_line import refusal_of
from tests.helpers.turing import Running, make_study


@pytest.fixture
def ask(tmp_path):
    """ask(proxy=..., headers) -> the response to a request for the first page."""
    servers = []

    def make(proxy=None, method="GET", path="/", body=None, headers=()):
        if not servers:
            servers.append(Running(make_study(tmp_path / "test"), proxy))
        connection = http.client.HTTPConnection("127.0.0.1", servers[0].port, timeout=10)
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    yield make
    for running in servers:
        running.stop()
        running.store.close()


HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3"}


def test_a_trusted_proxy_speaks_https(ask):
    cookie = ask("127.0.0.1", headers=HTTPS).headers["Set-Cookie"]
    assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "Secure" not in ask(headers={}).headers["Set-Cookie"]


def test_nobody_else_does(ask):
    assert "Secure" not in ask(headers=HTTPS).headers["Set-Cookie"]


@pytest.mark.parametrize("host", ["a\udcff", "a" * 70, "a\0"])
def test_names_that_are_no_address(host):
    """Bytes that are no text as the command line gives them, too long a name, a null."""
    refusal_of(listen)("cannot listen at a.*: no such address; choose another", host)


def test_requests_have_limits(ask):
    answer = ask()
    assert answer.status == 200 and answer.headers["Server"] is None
    assert ask(headers={"X-Long": "x" * 20_000}).status == 431
    assert ask(method="POST", path="/begin", body=b"x" * 20_000).status == 413
    assert ask(method="DELETE").status == 405
    assert ask(path="/%00").status == 404
