"""`improved-gan reproduce minimax` and `minimax.reproduce`: files, figures, errors."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import games, minimax, minimax_text
from tests.helpers.one_line import refused_command, refused_usage

FILES = ["minimax.json", "minimax.md", "nonconvex.png", "scan.png", "swarm.gif", "xy.png"]
SMALL = {"starts": 8, "steps": 40, "rate": 0.1, "weight": 0.2, "seed": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(the folder, what was returned) of a small call."""
    out = tmp_path_factory.mktemp("minimax") / "new" / "out"
    return out, minimax.reproduce(out, **SMALL)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_files(small):
    out, found = small
    assert sorted(contents(out)) == FILES and [p.name for p in out.parent.iterdir()] == ["out"]
    assert json.loads((out / "minimax.json").read_text()) == found
    assert {name: found[name] for name in SMALL} == SMALL and found["within"] == 0.05
    for name in ("xy.png", "nonconvex.png", "scan.png"):
        with Image.open(out / name) as image:
            assert image.width == 1320 and image.height > 800
    with Image.open(out / "swarm.gif") as image:
        assert image.n_frames == 41 and image.size == (560, 312)  # a frame a step


def test_figures_are_those_of_the_games(small):
    _, found = small
    for entry, game in zip(found["games"], games.GAMES.values(), strict=True):
        starts = game.starts(8, 3)
        kinds = [(row["method"], row["historical_averaging"]) for row in entry["rows"]]
        assert kinds == [(m, averaging) for m in games.METHODS for averaging in (False, True)]
        for row, (method, averaging) in zip(entry["rows"], kinds, strict=True):
            outcome = games.play(game, starts, 40, method, 0.1, 0.2 * averaging)
            assert row["share_within"] == outcome.share
            assert row["change"] == pytest.approx(outcome.change, rel=1e-3)
            last = np.median(outcome.last)
            assert row["distance_last_tenth"] == pytest.approx(last, rel=1e-3)
        scan = entry["scan"]
        i, j = scan["weights"].index(0.2), scan["rates"].index(0.1)
        for method in games.METHODS:
            outcome = games.play(game, starts, 40, method, 0.1, 0.2)
            assert scan["share_within"][method][i][j] == outcome.share
            assert scan["change"][method][i][j] == pytest.approx(outcome.change, rel=1e-3)
            assert scan["limit"][method][i] == pytest.approx(game.limit(method, 0.2), rel=1e-3)


def test_the_command_writes_the_same_files_again(small, tmp_path, capsys):
    """In the place of an earlier call's; the same seed, bytes and figures."""
    out, found = small
    again = tmp_path / "again"
    shutil.copytree(out, again)
    (again / "minimax.md").write_text("old")
    options = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    assert cli.main(["reproduce", "minimax", "--out", str(again), "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert contents(again) == contents(out)
    other = minimax_text.page({**found, "seed": 4})
    assert "--seed 4`" in other


def test_table_and_page(small):
    out, found = small
    lines = minimax_text.table(found)
    assert len(lines) == 9 and lines[0].split()[:2] == ["game", "method"]
    row = found["games"][1]["rows"][3]
    assert lines[8].startswith("(f(x) - 1)(y - 1)  alternating   historical averaging")
    assert f"{100 * row['share_within']:.1f} %" in lines[8]
    page = (out / "minimax.md").read_text()
    assert "--starts 8 --steps 40 --rate 0.1 --weight 0.2 --seed 3`" in page
    assert page.count("\n### ") == 4 and page.count("| 0.05 | ") == 4
    widths = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {9, 11}


@pytest.mark.parametrize(
    ("change", "word"), [(0.5, "falls"), (1.0, "stays"), (1.2, "grows"), (None, "grows")]
)
def test_words_for_a_change(small, change, word):
    _, found = small
    entry = found["games"][0]
    rows = [{**entry["rows"][0], "change": change, "distance_last_tenth": change}]
    line = minimax_text.table({"games": [{**entry, "rows": rows}]})[1]
    assert line.endswith(word) and ("overflow" in line) == (change is None)


def test_scan_cells(small):
    """A share where there is one, 0 where the distance falls, a dash where it does not."""
    _, found = small
    scan = {
        "weights": [0.1],
        "rates": [0.1, 0.2, 0.5],
        "share_within": {"alternating": [[0.5, 0.0, 0.0]]},
        "change": {"alternating": [[None, 0.2, 1.0]]},
        "limit": {"alternating": [1.5]},
    }
    games_ = [{**entry, "scan": {**entry["scan"], **scan}} for entry in found["games"]]
    for entry in games_:
        for key in ("share_within", "change", "limit"):
            entry["scan"][key] = dict.fromkeys(games.METHODS, scan[key]["alternating"])
    page = minimax_text.page({**found, "games": games_})
    assert page.count("| 0.1 | 50 | 0 | - | 1.5 |") == 4


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--starts", "0"], "starts must be a whole number from 1 to 10000, not 0"),
        (["--steps", "0"], "steps must be a whole number from 10 to 100000, not 0"),
        (["--steps", "100001"], "steps must be a whole number from 10 to 100000, not 100001"),
        (["--seed", "-1"], "seed must be a whole number from 0 to "),
        (["--rate", "nan"], "rate must be a finite number above 0, not nan"),
        (["--rate", "0"], "rate must be a finite number above 0, not 0.0"),
        (["--weight", "-0.5"], "weight must be a finite number above 0, not -0.5"),
        (["--weight", "inf"], "weight must be a finite number above 0, not inf"),
        (["--out", "a-file"], "a-file is a file; name a folder with --out"),
        (["--out", "a-file/out"], "cannot write"),
        (["--out", "mine"], "mine holds other files (notes.txt); name another folder with --out"),
    ],
)
def test_bad_values(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("kept")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("kept")
    (tmp_path / "mine/xy.png").write_text("kept")
    # Nothing is played before all of this has been checked.
    monkeypatch.setattr(minimax, "play", None)
    assert message in refused_command(capsys, "reproduce", "minimax", *options)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a-file",
        "mine",
        "notes.txt",
        "xy.png",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["minimax", "--starts", "many"], "argument --starts: invalid int value: 'many'"),
        (["minimax", "--step", "40", "--rats", "1"], "unrecognized arguments: --rats 1"),
        (["minimaxx"], "no table 'minimaxx' (did you mean 'minimax'?)"),
        ([], "the following arguments are required: TABLE"),
    ],
)
def test_bad_command_lines(arguments, message, capsys):
    assert message in refused_usage(capsys, "reproduce", *arguments)


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="needs matplotlib; install it: pip install matplotlib"):
        minimax.reproduce(tmp_path / "out", **SMALL)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_earlier_files(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(small[0], out)
    before = contents(out)

    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(minimax.pictures, "orbits", stopped)
    with pytest.raises(KeyboardInterrupt):
        minimax.reproduce(out, **{**SMALL, "seed": 9})
    assert contents(out) == before and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_absurd_values_are_drawn(tmp_path):
    """Places beyond all numbers, and fewer starts than the pictures have room for."""
    found = minimax.reproduce(tmp_path / "out", starts=1, steps=10, rate=1e308, weight=1e308)
    assert found["games"][0]["rows"][0]["distance_last_tenth"] is None
    assert re.search("overflow", (tmp_path / "out/minimax.md").read_text())
