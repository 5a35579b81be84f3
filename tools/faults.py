"""Tries that nothing is lost: commands are killed, run out of disk, and run twice at once.

    python tools/faults.py all --count 3
    python tools/faults.py kill train sample --count 20 --seed 2 --json kills.json

After each fault the same command is given again (--resume where there is a run), and what it made
is compared, bit for bit, with what it makes unharmed. The results are kept in --json FILE; the same
command, stopped and given again, goes on where it was.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # a fork of a process must not share a GPU

from trials import cases, commands, disk, kill, pair
from trials.stage import Stage

from improved_gan_tf.files import write_json
from improved_gan_tf.runs import recorded

_PHASES = ("before the start", "within", "after the end")


def main():
    """Carries out the trials that are left, and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    modes = {"kill": kill, "disk": disk, "pair": pair}
    about = "; ".join(f"{name}: {mode.SUMMARY}" for name, mode in modes.items())
    parser.add_argument("mode", choices=[*modes, "all"], help=about)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="default: all of them")
    each = "kills, pairs, or disk faults of each kind, per case (default 3)"
    parser.add_argument(
        "--faults",
        nargs="+",
        choices=disk.FAULTS,
        default=disk.FAULTS,
        metavar="F",
        help=f"of disk: {', '.join(disk.FAULTS)} (default: all)",
    )
    parser.add_argument("--count", type=int, default=3, metavar="N", help=each)
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    parser.add_argument(
        "--json", metavar="FILE", help="where results go (default WORK/faults.json)"
    )
    work = "folder of what is made meanwhile (default faults)"
    parser.add_argument("--work", default="faults", metavar="DIR", help=work)
    options = parser.parse_args()
    chosen = cases.chosen(options.commands)
    file = Path(options.json or Path(options.work) / "faults.json")
    found = json.loads(file.read_text()) if file.exists() else {"trials": []}
    stage = Stage(options.work)
    for case in chosen:
        for mode in modes if options.mode == "all" else [options.mode]:
            for fault in options.faults if mode == "disk" else [None]:
                _trials(stage, case, mode, modes[mode], fault, options, found, file)
    print(*lines(found["trials"]), sep="\n")
    return 0 if all(trial["good"] for trial in found["trials"]) else 1


def _trials(stage, case, mode, module, fault, options, found, file):
    """Those of one case and mode that are left."""
    if mode == "pair" and case.workers > 1:
        return  # they are two already
    same = {"mode": mode, "case": case.name, "seed": options.seed}
    same |= {"fault": fault} if fault else {}
    while True:
        before = [t for t in found["trials"] if {**t, **same} == t]
        if sum(trial["count"] for trial in before) >= options.count:
            return
        stage.prepare(case)
        number = len(before)
        draw = random.Random(f"{options.seed} {mode} {case.name} {fault} {number}")
        start = time.monotonic()
        made = module.trial(stage, case, draw, *([fault] if fault else []))
        made |= {"took": round(time.monotonic() - start, 1), "commit": _commit()}
        found["trials"].append({**same, "number": number, **made})
        write_json(file, recorded(found))
        kills = ", ".join(f"{k['phase']} ({k['moment']})" for k in made.get("kills", ()))
        verdict = "as unharmed" if made["good"] else f"NOT GOOD: {json.dumps(made)}"
        what = kills or fault or "two at once"
        print(f"{mode} {case.name} {number + 1}: {what}: {verdict}, {made['took']} s", flush=True)


def _commit():
    command = ["git", "-C", str(commands.ROOT), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return "unknown"


def lines(trials):
    """The table: one line for each mode and case."""
    head = ("", "faults", "before", "within", "after", "good", "differing", "unreadable", "left")
    rows = [head]
    for mode, name in dict.fromkeys((t["mode"], t["case"]) for t in trials):
        own = [t for t in trials if (t["mode"], t["case"]) == (mode, name)]
        phases = [kill["phase"] for t in own for kill in t.get("kills", ())]
        rows.append(
            (
                f"{mode} {name}",
                sum(t["count"] for t in own),
                *(phases.count(phase) if phases else "" for phase in _PHASES),
                f"{sum(t['good'] for t in own)} of {len(own)}",
                *(sum(bool(t[k]) for t in own) for k in ("differing", "unreadable", "left_over")),
            )
        )
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(head))]
    return [
        "  ".join(str(x).ljust(w) for x, w in zip(r, widths, strict=True)).rstrip() for r in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
