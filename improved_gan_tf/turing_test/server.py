"""Serving a test: waitress, the printed addresses, the end."""

from __future__ import annotations

import logging
import os
import signal
import socket
from types import FrameType
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_text
from improved_gan_tf.turing_test.store import Store
from improved_gan_tf.turing_test.study import Study

_THREADS = 8
_HERE = ("127.0.0.1", "::1")


def require() -> None:
    """Raises a `UserError` where Flask or waitress is not installed."""
    try:
        import flask  # noqa: F401
        import waitress  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the Turing test needs {error.name}; install the extra [turing-test]: python -m pip "
            "install flask waitress"
        ) from error


def listen(host: str = "127.0.0.1", port: int = 8000) -> socket.socket:
    """Takes the address and port.

    Args:
        host: The address. Defaults to this machine only.
        port: Integer; 0 for any that is free. Defaults to 8000.

    Raises:
        UserError: They cannot be had.
    """
    if not 0 <= port <= 65_535:
        raise UserError(f"--port lies in 0..65535, not {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1000)
    except (OSError, TypeError, ValueError) as error:  # the latter two of what is no name at all
        # A name that cannot be resolved has a negative number, which is none of the system's.
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else "no such address"
        raise UserError(
            f"cannot listen at {host}, port {port}: {reason}; choose another --port or --host"
        ) from error


def make_server(
    study: Study,
    store: Store,
    where: socket.socket,
    proxy: str | None = None,
    precision: float = 0.02,
) -> Any:
    """A waitress server, not yet running.

    Args:
        study: The test.
        store: Its votes.
        where: Of `listen`.
        proxy: The address of the reverse proxy whose X-Forwarded-* headers are believed. None
            (default): nobody's are.
        precision: As in `create_app`.

    Returns:
        The server, with `run()` and `close()`.
    """
    import waitress

    from improved_gan_tf.turing_test.app import create_app
    from improved_gan_tf.turing_test.security import MOST_BYTES

    trust: dict[str, Any] = {}
    if proxy is not None:
        trust = {
            "trusted_proxy": proxy,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"},
        }
    # A board's nine images come at once; that they wait for a thread is nothing to report.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return waitress.create_server(
        create_app(study, store, precision),
        sockets=[where],
        threads=_THREADS,
        ident=None,
        backlog=1000,
        connection_limit=1000,
        channel_timeout=60,
        max_request_header_size=MOST_BYTES,
        max_request_body_size=MOST_BYTES,
        clear_untrusted_proxy_headers=True,
        **trust,
    )


def serve(study: Study, store: Store, server: Any) -> None:
    """Prints the addresses and serves until SIGINT or SIGTERM, then writes the results.

    Every confirmed vote is on the disk at any moment; the end needs no care.
    """
    host, port = server.socket.getsockname()[:2]
    here = host in _HERE
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"annotators: {address}/")
    print(f"results:    {address}/results?token={study.token}")
    if here:
        print("reachable from this machine only; --host 0.0.0.0 opens it to the network")
    else:
        print(f"reachable from other machines, at every address that {host} stands for")
    print("Ctrl-C ends it; the same command goes on", flush=True)

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit

    before = signal.signal(signal.SIGTERM, end)
    try:
        server.run()  # returns after KeyboardInterrupt and SystemExit
    finally:
        signal.signal(signal.SIGTERM, before)
        server.close()
        write_results(study, store)
        print(f"results in {study.path / 'results.json'} and votes.csv")


def write_results(study: Study, store: Store) -> None:
    """Writes results.json and votes.csv into the test's folder."""
    from improved_gan_tf.turing_test.results import results, votes_csv

    write_text(study.path / "results.json", results(study, store).to_json())
    write_text(study.path / "votes.csv", votes_csv(study, store))
