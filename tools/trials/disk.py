"""Disks: full, read-only, without room for temporary files; standard streams that cannot be used.

The command must say so in one line and leave what it found; given again, it succeeds.
"""

import contextlib
import os
import subprocess
import sys

from trials.commands import ROOT, in_child
from trials.contents import look
from trials.stage import is_one_line

SUMMARY = "full and read-only disks, a full TMPDIR, unusable standard streams"
STREAMS = {
    "stdout full": ">/dev/full",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "stdout to a program that has ended": "| true",
}
FAULTS = ("full", "read-only", "TMPDIR", *STREAMS)


def trial(stage, case, draw, fault):
    """One trial of a fault of `FAULTS`; returns its record, with "count" 1."""
    stage.begin(case)
    if fault in STREAMS:
        made = _stream(stage, case, STREAMS[fault])
    else:
        made = _disk(stage, fault, draw)
    for folder in (stage.disk, stage.tmp):
        if os.path.ismount(folder):
            stage.remount(folder, "rw,size=1g")
        folder.chmod(0o700)
    for path in stage.tmp.glob("filler"):
        path.unlink()
    if not made.pop("complete"):
        stage.go_on()
    judged = stage.judge(stage.to_the_end() if stage.commands else [0])
    judged["good"] &= made["harmed_well"]
    return {"count": 1, "fault": fault, **made, **judged}


def _disk(stage, fault, draw):
    limit, about = None, ""
    if fault == "full":
        share = draw.uniform(0, 0.95)
        about = f"{share:.2f} of the bytes that it writes"
        if stage.mount(stage.disk, int(share * stage.reference["bytes"]) + _begins(stage)):
            stage.fill()
        else:
            stage.fill()
            about = f"files of {share:.2f} of the largest one"
            limit = int(share * stage.reference["largest"])
    elif fault == "read-only":
        if stage.mount(stage.disk, 2**30):
            stage.fill()
            stage.remount(stage.disk, "ro")
            about = "a file system"
        else:
            stage.disk.chmod(0o500)  # which does not keep root from writing
            about = "permissions"
    elif fault == "TMPDIR":
        stage.fill()
        if stage.mount(stage.tmp, 4096):
            with contextlib.suppress(OSError), open(stage.tmp / "filler", "wb", 0) as filler:
                while True:
                    filler.write(bytes(4096))
        else:
            stage.tmp.chmod(0o500)
    stage.go_on(limit=limit)
    codes = stage.to_the_end()
    said = [command.errors for command in stage.commands]
    _, unreadable, temporary = in_child(look, stage.out)
    if not any(codes):
        return {"about": about, "first": codes, "harmed_well": True, "complete": True}
    well = set(codes) <= {0, 2} and all(
        is_one_line(text) for text, code in zip(said, codes, strict=True) if code
    )
    found = {"unreadable_then": unreadable, "left_then": temporary}
    found = {key: value for key, value in found.items() if value}
    lines = [line for text in said for line in text.splitlines()[-1:]]
    harmed = {"about": about, "first": codes, "said_first": lines, **found}
    return {**harmed, "harmed_well": well and not found, "complete": False}


def _begins(stage):
    """The bytes of what is there beforehand."""
    if not stage.case.begins:
        return 0
    source, _ = stage.case.begins
    folder = stage.out.parents[1] / source
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*"))


def _stream(stage, case, redirection):
    """As a shell does it, in a Python of its own: what counts is also what it does at its end."""
    stage.fill()
    shell = f"{sys.executable} -m improved_gan_tf {case.arguments} {redirection}"
    if redirection.startswith("|"):
        shell = f"set -o pipefail; {shell}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(stage.tmp)}
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=stage.disk.parent,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    code, lines = done.returncode, done.stderr.splitlines()
    odd = "Traceback" in done.stderr or "Exception ignored" in done.stderr
    # Warnings and a progress bar may stand before the error.
    errors = [line for line in lines if line.startswith("improved-gan: ")]
    well = not odd and (code, len(errors)) in ((0, 0), (2, 1), (141, 0))
    return {
        "about": redirection,
        "first": [code],
        "said_first": lines[-2:],
        "harmed_well": well,
        "complete": code == 0,
    }
