"""Kills: a command is killed at random moments, given again to its end, and compared."""

SUMMARY = "SIGKILL at random moments, then the same command to its end"
_KILLS = 3  # of one trial, at most


def trial(stage, case, draw):
    """One trial; returns its record, with "count", the number of kills.

    Half of the moments are drawn over the time that the command takes, and half over the files that
    appear: the kill comes as soon as that many are there.
    """
    stage.begin(case)
    stage.fill()
    before, _ = stage.state()
    kills, unreadable, ended = [], {}, False
    for _ in range(draw.randint(1, _KILLS)):
        stage.go_on()
        victim = stage.commands[draw.randrange(case.workers)]
        if draw.random() < 0.5:
            seconds = draw.uniform(0, stage.reference["seconds"])
            moment = f"after {seconds:.3f} of {stage.reference['seconds']:.3f} s"
            stage.watch(seconds=seconds)
        else:
            changes = draw.randint(1, stage.reference["changes"])
            moment = f"when file {changes} of {stage.reference['changes']} appears"
            stage.watch(changes=changes)
        ended = victim.code is not None
        victim.kill()
        after, broken = stage.state()
        unreadable |= broken
        phase = "after the end" if ended else "within" if after != before else "before the start"
        before = after
        kills.append({"moment": moment, "phase": phase})
        if ended:
            break
    if not ended or victim.code != 0:
        stage.go_on()
    judged = stage.judge(stage.to_the_end())
    judged["unreadable"] |= unreadable
    judged["good"] &= not unreadable
    return {"count": len(kills), "kills": kills, **judged}
