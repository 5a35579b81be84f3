"""tools/metrics.py: what it refuses."""

import json

import pytest

from tests.helpers.paths import TOOLS


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import metrics

    return metrics


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("expected a whole number from 2", ["monte-carlo", "--sizes", "1", "9"]),
        ("needs two different numbers", ["monte-carlo", "--sizes", "9"]),
        ("expected a whole number from 2", ["monte-carlo", "--repeats", "1"]),
        ("expected a whole number from 1", ["monte-carlo", "--features", "0"]),
        ("expected a whole number from 0", ["monte-carlo", "--seed", "-1"]),
        (". is a folder; name a file", ["monte-carlo", "--picture", "."]),
        (". is a folder; name a file", ["peers", "--json", "."]),
    ],
)
def test_refuses(tool, capsys, message, arguments):
    with pytest.raises(SystemExit) as stopped:
        tool.main(arguments)
    said = capsys.readouterr()
    assert stopped.value.code == 2 and message in said.err and not said.out


def test_monte_carlo(tool, tmp_path):
    file = tmp_path / "found.json"
    tool.main(["monte-carlo", "--sizes", "10", "20", "--repeats", "2", "--json", str(file)])
    assert [row["images"] for row in json.loads(file.read_text())["rows"]] == [10, 20]
