"""`improved-gan reproduce minimax`: the games of section 3.3 measured, drawn and written."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.experiments import minimax_pictures as pictures
from improved_gan_tf.experiments import minimax_text as text
from improved_gan_tf.experiments.games import GAMES, METHODS, WITHIN, Game, Outcome, play, scan
from improved_gan_tf.files import temporary_folder, write_bytes, write_json, write_text
from improved_gan_tf.version import VERSION

WEIGHTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of the scan
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SCANNED = 50  # starts of the scan
_FILES = {"minimax.json", "minimax.md", "swarm.gif", "scan.png", *(f"{name}.png" for name in GAMES)}


def reproduce(
    out: str | os.PathLike,
    starts: int = 200,
    steps: int = 5000,
    rate: float = 0.05,
    weight: float = 0.1,
    seed: int = 1,
) -> dict[str, Any]:
    """Plays both games by both methods, without and with historical averaging (section 3.3).

    The folder `out` appears whole or not at all. It holds minimax.json (what is returned),
    minimax.md, a picture of each game (xy.png, nonconvex.png), one of weights and rates (scan.png)
    and an animation (swarm.gif). The same arguments write the same files.

    Args:
        out: The folder. It may hold the files of an earlier call and nothing else.
        starts: How many places to start from, 1 to 10,000. Default 200.
        steps: How many steps, 10 to 100,000. Default 5000.
        rate: The rate of the gradient steps, above 0. Default 0.05.
        weight: The weight of historical averaging, above 0. Default 0.1.
        seed: The seed of the starts, an integer from 0. Default 1.

    Returns:
        The arguments, and in "games" for each game its "rows" (method, averaging, the share of
        starts that converge, distances) and the "scan" of weights and rates. A number that
        overflowed is None.

    Raises:
        UserError: An argument is out of its range; `out` cannot be written or holds other files;
            matplotlib is not installed.

    Example:

    >>> found = reproduce("runs/minimax", starts=5, steps=20)
    >>> [game["game"] for game in found["games"]]
    ['xy', 'nonconvex']
    """
    check_whole("starts", starts, 1, 10_000)
    check_whole("steps", steps, 10, 100_000)
    check_whole("seed", seed, 0, 2**63 - 1)
    for name, value in (("rate", rate), ("weight", weight)):
        if not 0 < value < math.inf:
            raise UserError(f"{name} must be a finite number above 0, not {value!r}")
    _check_place(Path(out))
    pictures.require_matplotlib()
    with temporary_folder(out) as folder:
        found: dict[str, Any] = {
            "version": VERSION,
            "starts": starts,
            "steps": steps,
            "rate": rate,
            "weight": weight,
            "seed": seed,
            "within": WITHIN,
            "games": [],
        }
        for game in GAMES.values():
            places = game.starts(starts, seed)
            outcomes = {
                (method, averaging): play(game, places, steps, method, rate, averaging * weight)
                for method in METHODS
                for averaging in (False, True)
            }
            orbits = pictures.orbits(game, outcomes, rate, weight)
            write_bytes(folder / f"{game.name}.png", orbits)
            rows = [_row(*key, outcome) for key, outcome in outcomes.items()]
            found["games"].append(
                {
                    "game": game.name,
                    "value": game.value,
                    "equilibrium": list(game.equilibrium),
                    "power_expected": _digits(game.power(weight)),
                    "rows": rows,
                    "scan": _scan(game, places[:_SCANNED], steps),
                }
            )
        write_bytes(folder / "scan.png", pictures.scan(found))
        pictures.swarm(folder / "swarm.gif", starts, steps, rate, weight, seed)
        write_json(folder / "minimax.json", found)
        write_text(folder / "minimax.md", text.page(found))
    return found


def _check_place(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder with --out")
    if out.is_dir() and (others := {entry.name for entry in out.iterdir()} - _FILES):
        raise UserError(f"{out} holds other files ({min(others)}); name another folder with --out")


def _row(method: str, averaging: bool, outcome: Outcome) -> dict[str, Any]:
    return {
        "method": method,
        "historical_averaging": averaging,
        "share_within": float(outcome.share),
        "distance_first_tenth": _digits(np.median(outcome.first)),
        "distance_last_tenth": _digits(np.median(outcome.last)),
        "change": _digits(outcome.change),
        "power": _digits(outcome.power),
    }


def _scan(game: Game, places: np.ndarray, steps: int) -> dict[str, Any]:
    """The share of starts that converge by weight (lines) and rate (columns), by each method."""
    found = {method: scan(game, places, steps, method, RATES, WEIGHTS) for method in METHODS}
    return {
        "starts": len(places),
        "weights": list(WEIGHTS),
        "rates": list(RATES),
        "share_within": {method: outcome.share.tolist() for method, outcome in found.items()},
        "change": {
            method: [[_digits(change) for change in line] for line in outcome.change]
            for method, outcome in found.items()
        },
        "limit": {
            method: [_digits(game.limit(method, weight)) for weight in WEIGHTS]
            for method in METHODS
        },
    }


def _digits(value: Any) -> float | None:
    """Four digits of a number; None where it is infinite or there is none."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
