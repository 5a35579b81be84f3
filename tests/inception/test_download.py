"""Downloads of the weights, from a server of the test's own."""

import functools
import hashlib
import http.server
import tarfile
import threading

import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception import download, published


@pytest.fixture
def server(tmp_path):
    (tmp_path / "www").mkdir()
    handler = functools.partial(_Quiet, directory=tmp_path / "www")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        yield tmp_path / "www", f"http://127.0.0.1:{service.server_port}/"
        service.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def _published(url, data):
    return published.Published(url + "w.pth", len(data), hashlib.sha256(data).hexdigest())


def test_download_is_checked_before_it_gets_its_name(server, tmp_path, capsys):
    www, url = server
    data = bytes(range(256)) * 4000
    file = _published(url, data)
    into = tmp_path / "cache"
    for wrong, reason in (
        (data[:-5], "only 1023995 of 1024000 bytes"),
        (b"\x01" + data[1:], "SHA-256"),
        (data + b"x", "more than the expected"),
    ):
        (www / "w.pth").write_bytes(wrong)
        with pytest.raises(UserError, match=reason):
            download.download([file], into)
        assert list(into.iterdir()) == []
    (www / "w.pth").write_bytes(data)
    capsys.readouterr()
    path = download.download([file], into)
    assert path.read_bytes() == data and [p.name for p in into.iterdir()] == ["w.pth"]
    assert "w.pth: 1.0 of 1.0 MB" in capsys.readouterr().err


def test_archives_without_the_right_graph_are_removed(server, tmp_path):
    www, url = server
    (tmp_path / published.GRAPH_FILE).write_bytes(b"another graph")
    with tarfile.open(www / "w.pth", "w:gz") as archive:
        archive.add(tmp_path / published.GRAPH_FILE, arcname=published.GRAPH_FILE)
    size = (www / "w.pth").stat().st_size
    file = published.Published(url + "w.pth", size, None)
    with pytest.raises(UserError, match="does not hold the right"):
        download.download([file], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    file = published.Published("http://127.0.0.1:1/w.pth", 10, "00")
    with pytest.raises(UserError) as error:
        download.download([file, file], tmp_path / "cache")
    for word in ("could not be downloaded", "--weights FILE", published.VARIABLE, "--classifier"):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_the_next_file_is_tried(server, tmp_path):
    www, url = server
    (www / "w.pth").write_bytes(b"weights")
    absent = published.Published("http://127.0.0.1:1/w.pth", 7, "00")
    path = download.download([absent, _published(url, b"weights")], tmp_path / "cache", False)
    assert path.read_bytes() == b"weights"


def test_a_disk_that_cannot_be_written_is_no_reason_to_try_the_next(server, tmp_path):
    www, url = server
    (www / "w.pth").write_bytes(b"weights")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write .*w.pth"):
        download.download([_published(url, b"weights")] * 2, tmp_path / "cache")


def test_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert download.cached() is None
    (tmp_path / "improved_gan_tf").mkdir()
    (tmp_path / "improved_gan_tf" / published.GRAPH_FILE).write_bytes(b"")
    assert download.cached().name == published.GRAPH_FILE
