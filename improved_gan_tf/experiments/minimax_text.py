"""What `minimax.reproduce` found, as text: a table for the terminal, and the page minimax.md."""

from collections.abc import Mapping
from typing import Any

from improved_gan_tf.experiments.games import FALLS, METHODS, WITHIN

_HEAD = """# The games of section 3.3

`improved-gan reproduce minimax {options}`

{starts:,} starts within 2 of the equilibrium in x and in y; {steps:,} steps.

- within {within:g}: the share of starts that are never farther from the equilibrium than that in
  the last tenth of the steps;
- distance from the equilibrium: mean over the first and over the last tenth of the steps, median of
  the starts; it "falls" where the median of last / first is below {falls:g};
- power: the median distance falls like 1 / step^power; over the second half of the steps, and as
  expected near the equilibrium.

"""
_SCAN = """
## Weights and rates

Share of {count} starts within {within:g} after {steps:,} steps, in per cent. A dash: the distance
does not fall. 0: it does, but too slowly. limit: the rate from which the steps do not settle near
the equilibrium.
"""


def table(found: Mapping[str, Any]) -> list[str]:
    """What became of the starts, the lines of a table for the terminal."""
    lines = [("game", "method", "", f"within {WITHIN:g}", "distance, first and last tenth", "")]
    for game in found["games"]:
        lines += [(game["value"], *_cells(row)) for row in game["rows"]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def page(found: Mapping[str, Any]) -> str:
    """The content of minimax.md."""
    names = ("starts", "steps", "rate", "weight", "seed")
    options = " ".join(f"--{name} {found[name]}" for name in names)
    text = _HEAD.format(**found, options=options, falls=FALLS)
    columns = (f"within {WITHIN:g}", "distance, first and last tenth", "", "power", "expected")
    text += _line("game", "method", "", *columns) + _line(*["---"] * 8)
    for game in found["games"]:
        for row in game["rows"]:
            powers = map(_number, (row["power"], game["power_expected"]))
            own = powers if row["historical_averaging"] else ("", "")
            text += _line(game["value"], *_cells(row), *own)
    text += _SCAN.format(**found, count=found["games"][0]["scan"]["starts"])
    for game in found["games"]:
        for method in METHODS:
            text += f"\n### {game['value']}, {method}\n\n{_scan_table(game['scan'], method)}"
    return text


def falls(change: float | None) -> bool:
    """Whether an `Outcome.change`, None where it overflowed, is called falling."""
    return change is not None and change < FALLS


def _scan_table(scan: Mapping[str, Any], method: str) -> str:
    rates = scan["rates"]
    text = _line("weight", *(f"rate {rate:g}" for rate in rates), "limit")
    text += _line(*["---"] * (len(rates) + 2))
    parts = (scan["weights"], *(scan[key][method] for key in ("share_within", "change", "limit")))
    for weight, shares, changes, limit in zip(*parts, strict=True):
        cells = [
            f"{100 * share:.0f}" if share or falls(change) else "-"
            for share, change in zip(shares, changes, strict=True)
        ]
        text += _line(f"{weight:g}", *cells, _number(limit))
    return text


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    first, last = (_number(row[f"distance_{part}_tenth"]) for part in ("first", "last"))
    change = row["change"]
    grows = change is None or change > 1 / FALLS
    return (
        row["method"],
        "historical averaging" if row["historical_averaging"] else "gradient descent",
        f"{100 * row['share_within']:.1f} %",
        f"{first} to {last}",
        "falls" if falls(change) else "grows" if grows else "stays",
    )


def _number(value: float | None) -> str:
    if value is None:
        return "overflow"
    return f"{value:,.0f}" if 10 <= value < 1e5 else f"{value:.2g}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"
