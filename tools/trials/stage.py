"""The place where trials happen: WORK/now, beside WORK/inputs and WORK/reference."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from improved_gan_tf.files import write_json
from trials.cases import CASES
from trials.commands import Command, clusters, import_all, in_child
from trials.contents import look, names

_PAUSE = 0.01  # seconds from one look at a process to the next
_PATIENCE = 60.0  # seconds that workers have once the first of them has finished
_LONGEST = 900.0  # seconds until a command counts as hanging
# What TensorFlow and Keras leave in TMPDIR at a kill: code of AutoGraph's, and empty folders.
_LIBRARIES = re.compile(r"__autograph_generated_file.*|tmp[a-z0-9_]{8}(/assets)?")


class Stage:
    """Prepares, runs and judges trials.

    Args:
        work: A folder; what an earlier call has made there of the same version is used again.

    Attributes:
        out: The folder that the commands write.
        tmp: Their TMPDIR.
        disk: The folder of `out`, which can be a file system of its own.
        case: The case of the trial.
        commands: Its processes, one for each worker.
        reference: What the case makes unharmed: a dictionary with "contents" and "names" of its
            files, the "seconds" and the "changes" (files that appear) that it takes, and "bytes".
    """

    def __init__(self, work):
        self.work = Path(work).resolve()
        self._now = self.work / "now"
        self.disk, self.tmp = self._now / "disk", self._now / "tmp"
        self.out = self.disk / "out"

    def prepare(self, case):
        """Makes the inputs of a case and its reference, unless they are there."""
        import_all()
        if not (self.work / "inputs").exists():
            in_child(_pictures, self.work / "new-inputs" / "pictures")
            os.rename(self.work / "new-inputs", self.work / "inputs")
        for name in case.needs:
            self.prepare(CASES[name])
        kept = self.work / "reference" / case.name
        about = kept.with_suffix(".json")
        if not about.exists():
            self._make_reference(case, kept, about)
        self.reference = json.loads(about.read_text())

    def _make_reference(self, case, kept, about):
        shutil.rmtree(kept, ignore_errors=True)
        self.begin(case)
        start = time.monotonic()
        self.go_on()
        changes = self.watch(changes=float("inf"))
        seconds = time.monotonic() - start
        codes = self.to_the_end()
        contents, unreadable, temporary = in_child(look, self.out)
        if any(codes) or unreadable or temporary:
            said = [command.errors[-2000:] for command in self.commands]
            raise SystemExit(f"faults: {case.name} fails unharmed: {codes} {unreadable} {said}")
        sizes = [path.stat().st_size for path in self.out.rglob("*")]
        reference = {"contents": contents, "names": sorted(names(self.out)), "seconds": seconds}
        reference |= {
            "changes": max(1, changes),
            "bytes": sum(-(-size // 4096) * 4096 for size in sizes),
        }
        shutil.copytree(self.out, kept)
        write_json(about, reference | {"largest": max(sizes)})
        print(f"{case.name}: {seconds:.1f} s unharmed, {changes} files appear", flush=True)

    def begin(self, case):
        """Clears the stage for a trial of a case."""
        self.case, self.commands, self._environments = case, [], clusters(case.workers)
        self.unmount(self.disk)
        self.unmount(self.tmp)
        shutil.rmtree(self._now, ignore_errors=True)
        for folder in (self.disk, self.tmp):
            folder.mkdir(parents=True)

    def fill(self):
        """Puts what the case begins with into `out`."""
        self.out.mkdir()
        if self.case.begins:
            source, name = self.case.begins
            shutil.copytree(self._now / source, self.out / name)

    def start(self, number=0, **options):
        """Starts the command, as it is to be given now; returns it."""
        resume = self.case.resumes and (self.out / "config.json").exists()
        words = self.case.arguments + (" --resume" if resume else "")
        return Command(words, self._now, number=number, **options)

    def go_on(self, **options):
        """Starts each worker that does not run."""
        if not self.out.exists():
            self.fill()
        running = {i: c for i, c in enumerate(self.commands) if c.code is None}
        self.commands = [
            running.get(i) or self.start(i, environment=environment, **options)
            for i, environment in enumerate(self._environments)
        ]

    def watch(self, seconds=float("inf"), changes=None):
        """Waits until a command ends, so many seconds have passed or files have appeared.

        Returns:
            The number of different files that were seen.
        """
        end, seen = time.monotonic() + min(seconds, _LONGEST), set()
        while all(command.code is None for command in self.commands) and time.monotonic() < end:
            if changes is not None:
                seen |= names(self.out)
                if len(seen) >= changes:
                    break
            time.sleep(_PAUSE)
        return len(seen)

    def to_the_end(self):
        """Waits for the commands; a worker that fails is started again. Returns the exit codes."""
        tries, finished = 4 if self.case.workers > 1 else 0, None
        deadline = time.monotonic() + _LONGEST
        while time.monotonic() < deadline:
            codes = [command.code for command in self.commands]
            if None not in codes and not (any(codes) and tries):
                return codes
            if 0 in codes and finished is None:
                finished = time.monotonic()
            if codes[0] == 0 and time.monotonic() > finished + _PATIENCE:
                break  # the chief is done: a worker that was started too late waits for it
            # A worker that has ended in time is needed again where the chief was killed after it.
            early = finished is not None and time.monotonic() > finished + _PATIENCE
            if tries and codes[0] != 0 and (any(codes) or early):
                tries, finished = tries - 1, None
                time.sleep(1)
                self.go_on()
            time.sleep(5 * _PAUSE)
        for command in self.commands:
            if command.code is None:
                command.kill()
        return ["hangs" if self.commands[0].code else 0]

    def judge(self, codes, contents=None):
        """What is to be said of a trial whose last commands ended with `codes`.

        Returns:
            Dictionary: "codes", "differing", "unreadable" and "left_over" (lists), "said" (the last
            line on stderr, where there is anything odd), and "good".
        """
        contents, unreadable, temporary = in_child(look, self.out)
        wanted = self.reference["contents"]
        differing = sorted(n for n in wanted if contents.get(n, "") != wanted[n])
        differing = [name for name in differing if name not in unreadable]
        left = temporary + sorted(set(contents) - set(wanted))
        left += [f"TMPDIR/{n}" for n in sorted(names(self.tmp)) if not _LIBRARIES.fullmatch(n)]
        left += ["a process" for command in self.commands if command.end()]
        said = [command.errors for command in self.commands]
        # What is complete may be refused: sample does not write into a folder with images.
        complete = codes == [2] and not differing and is_one_line(said[0])
        wrong = differing or unreadable or left or any("Traceback" in text for text in said)
        good = not wrong and (not any(codes) or complete)
        last = [line for text in said for line in text.splitlines()[-1:]]
        judged = {"codes": codes, "differing": differing, "unreadable": unreadable}
        judged |= {"left_over": left, "good": good}
        return judged if good and not any(codes) else {**judged, "said": last}

    def state(self):
        """What is in `out` now: (everything that can be compared, what cannot be read)."""
        contents, unreadable, temporary = in_child(look, self.out)
        return [contents, sorted(temporary)], unreadable

    def mount(self, folder, size):
        """Makes a folder a file system of its own of so many bytes; False where that is denied."""
        options = ["-t", "tmpfs", "-o", f"size={max(size, 4096)}", "faults", str(folder)]
        return _quiet("mount", *options)

    def remount(self, folder, options):
        """Changes what `mount` has made."""
        return _quiet("mount", "-o", f"remount,{options}", str(folder))

    def unmount(self, folder):
        """Undoes `mount`, also that of an earlier call that was killed."""
        while os.path.ismount(folder):
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _quiet(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def is_one_line(errors):
    """Whether stderr has one error, in one line."""
    lines = errors.splitlines()
    found = [line for line in lines if line.startswith("improved-gan: error: ")]
    return len(found) == 1 and found[0] == lines[-1] and "Traceback" not in errors


def _pictures(folder):
    """Class folders of PNG files, of the embedded digits."""
    from improved_gan_tf import data, images

    arrays, labels = data.open("digits").arrays("train")
    pictures = images.to_uint8(arrays, 0, 16)
    for label in range(10):
        images.save_folder(folder / f"class-{label}", pictures[labels == label][:24])
