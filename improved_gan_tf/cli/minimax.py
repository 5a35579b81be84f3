"""`improved-gan reproduce minimax`."""

import argparse
import json
from typing import Any

_DESCRIPTION = """The two games of section 3.3, without and with historical averaging: the share of
starts that reach the equilibrium, trajectories and distances (xy.png, nonconvex.png, swarm.gif),
weights and rates for which averaging converges and for which it does not (scan.png), and the
figures (minimax.json, minimax.md)."""


def add_command(tables: Any) -> None:
    """Adds `minimax` to the sub-parsers of `reproduce`."""
    summary = "section 3.3's games: gradient descent orbits, historical averaging spirals in"
    parser = tables.add_parser("minimax", help=summary, description=_DESCRIPTION)
    add = parser.add_argument
    add("--out", metavar="DIR", default="runs/minimax", help="default runs/minimax")
    add("--starts", type=int, default=200, help="places to start from (default 200)")
    add("--steps", type=int, default=5000, help="default 5000")
    add("--rate", type=float, default=0.05, help="of the gradient steps (default 0.05)")
    add("--weight", type=float, default=0.1, help="of historical averaging (default 0.1)")
    add("--seed", type=int, default=1, help="of the starts (default 1)")
    add("--json", action="store_true", help="print the figures as one JSON object")
    parser.set_defaults(command=_minimax, keras=False)


def _minimax(options: argparse.Namespace) -> None:
    from improved_gan_tf.experiments import minimax, minimax_text

    names = ("out", "starts", "steps", "rate", "weight", "seed")
    found = minimax.reproduce(**{name: vars(options)[name] for name in names})
    if options.json:
        print(json.dumps(found))
    else:
        print(*minimax_text.table(found), options.out, sep="\n")
