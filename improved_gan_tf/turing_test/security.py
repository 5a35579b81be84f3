"""What protects the pages: headers, rates, the cookie's form."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from flask import request
from flask.sessions import SecureCookieSessionInterface

# Nothing from elsewhere, nothing inline, no frame around the pages.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Of every answer alike: how long an image may be kept tells nothing, and going back asks again.
    "Cache-Control": "no-store",
}
MOST_BYTES = 16_384  # of a request's headers, and of its body


class Rates:
    """How many requests each client may make: a bucket of tokens for each.

    Args:
        rate: Float, requests per second.
        burst: Integer, requests at once.
        clock: Function that returns seconds. Defaults to `time.monotonic`.

    Example:

    >>> rates = Rates(1.0, 2, clock=lambda: 0.0)
    >>> [rates.allows("somebody") for _ in range(3)]
    [True, True, False]
    """

    _MOST = 10_000  # clients that are remembered

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def allows(self, client: str) -> bool:
        """Whether one more request of the client is within the rate."""
        now = self._clock()
        with self._lock:
            if len(self._buckets) > self._MOST:
                self._buckets = {
                    name: (tokens, then)
                    for name, (tokens, then) in self._buckets.items()
                    if tokens + (now - then) * self._rate < self._burst
                }
            tokens, then = self._buckets.get(client, (float(self._burst), now))
            tokens = min(self._burst, tokens + (now - then) * self._rate)
            self._buckets[client] = (tokens - 1 if tokens >= 1 else tokens), now
            return tokens >= 1


class CookieInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, which is for https alone where the page came by https."""

    def get_cookie_secure(self, app: Any) -> bool:
        """Whether the browser may send it by https alone."""
        return request.is_secure
