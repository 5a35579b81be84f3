"""Pairs: two processes are given the same command at once, and the result is compared."""

from trials.stage import is_one_line

SUMMARY = "two processes at once with one output"


def trial(stage, case, draw):
    """One trial; returns its record, with "count" 1.

    What is resumed is killed at a random moment beforehand, so that two resume it at once. Each of
    the two succeeds, or says in one line that it is not wanted; what they leave is the whole.
    """
    stage.begin(case)
    stage.go_on()
    killed = case.resumes or draw.random() < 0.5
    if killed:
        stage.watch(seconds=draw.uniform(0, stage.reference["seconds"]))
        stage.commands[0].kill()
    else:
        stage.watch(seconds=draw.uniform(0, stage.reference["seconds"] / 2))
    first = stage.start(1) if killed else stage.commands[0]
    stage.commands = [first]
    stage.watch(seconds=draw.uniform(0, stage.reference["seconds"] / 4) if killed else 0)
    second = stage.start(2)
    stage.commands = [first, second]
    codes = [command.wait() for command in stage.commands]
    refused = [c.code == 2 and is_one_line(c.errors) for c in stage.commands]
    judged = stage.judge([0 if no else code for code, no in zip(codes, refused, strict=True)])
    said = [command.errors.splitlines()[-1:] for command in stage.commands]
    return {"count": 1, **judged, "codes": codes, "said": sum(said, [])}
