"""The commands that are tried, each with tiny but real data, and all they write in one folder.

They run in WORK/now, so that what they write never depends on the trial: outputs go to disk/out
(disk is a file system of its own where one is to be full), inputs are in ../inputs, and what other
cases have made, unharmed, in ../reference/CASE.
"""

from dataclasses import dataclass

_SMALL = (
    "--set generator.units=[16,16] --set discriminator.units=[32,16] --set checkpoint_seconds=0"
)
_DIGITS = f"--epochs 3 --batch-size 50 --quiet {_SMALL}"
_TINY = (
    "train imagenet --out disk/out --epochs 3 --set steps_per_epoch=3 --set image_size=8 --quiet "
    "--width 0.125 --batch-size 8 --set generator.reference_size=4 "
    "--set discriminator.minibatch_dims=3"
)
_RUN = "../reference/train-digits"
_CLASSIFIER = "--classifier ../reference/classifier/digits.keras"


@dataclass(frozen=True)
class Case:
    """One command.

    Attributes:
        name: The command, with a word behind a hyphen where there are several cases of it.
        arguments: Its words.
        needs: The cases whose results it reads.
        begins: (from, to) of a folder that is copied to disk/out beforehand.
        resumes: Whether it goes on by --resume once there is a run in disk/out; others go on when
            they are given again.
        workers: Processes that are started together, as a cluster by TF_CONFIG.
    """

    name: str
    arguments: str
    needs: tuple[str, ...] = ()
    begins: tuple[str, str] | None = None
    resumes: bool = False
    workers: int = 1


_CASES = (
    Case(
        "train-digits", f"train digits --out disk/out --no-jit --baseline {_DIGITS}", resumes=True
    ),
    Case("train-xla", f"train digits --out disk/out --jit --no-baseline {_DIGITS}", resumes=True),
    Case("train-imagenet", f"{_TINY} --data folder:../inputs/pictures", resumes=True),
    Case("train-devices", f"{_TINY} --data digits --devices 2", resumes=True),
    Case("train-workers", f"{_TINY} --data digits", resumes=True, workers=2),
    Case(
        "export",
        f"export {_RUN} --out disk/out/generator",
        needs=("train-digits",),
        begins=(f"{_RUN}/generator", "generator"),
    ),
    Case("sample-png", f"sample {_RUN} --out disk/out/grid.png", needs=("train-digits",)),
    Case(
        "sample-npz",
        f"sample {_RUN} --count 500 --out disk/out/images.npz",
        needs=("train-digits",),
    ),
    Case("sample-gif", f"sample {_RUN} --count 9 --out disk/out/path.gif", needs=("train-digits",)),
    Case(
        "sample-folder", f"sample {_RUN} --count 300 --out disk/out/images", needs=("train-digits",)
    ),
    Case(
        "evaluate", f"evaluate {_RUN} --confusion disk/out/confusion.png", needs=("train-digits",)
    ),
    Case(
        "predict", f"predict {_RUN} digits@test --out disk/out/classes.csv", needs=("train-digits",)
    ),
    Case("report-run", f"report {_RUN} --out disk/out", needs=("train-digits",)),
    Case(
        "report-several", f"report {_RUN} {_RUN}/baseline --out disk/out", needs=("train-digits",)
    ),
    Case("classifier", "classifier disk/out/digits.keras --data digits --epochs 2 --quiet"),
    Case(
        "score",
        f"score digits@test {_CLASSIFIER} --splits 2 --out disk/out/scores.json "
        "--per-image disk/out/images.csv --save-statistics disk/out/statistics.npz "
        "--best 0.1 --best-out disk/out/best --best-out disk/out/best.png --quiet",
        needs=("classifier",),
    ),
    Case("convert", "convert ../inputs/pictures disk/out --size 16 --shards 12 --workers 2"),
    Case(
        "reproduce-table",
        "reproduce table-1 --recipe digits --labels-per-class 10 --seeds 1 2 --epochs 2 "
        f"--out disk/out --set batch_size=50 --set jit_compile=false {_SMALL}",
    ),
    Case("reproduce-minimax", "reproduce minimax --out disk/out --starts 5 --steps 40"),
    Case("recipes", "recipes --new disk/out/my_recipe.py"),
)
CASES = {case.name: case for case in _CASES}


def chosen(names: list[str]) -> list[Case]:
    """The cases of these commands, `sample` being all of sample's; all where none is named."""
    known = {case.name.partition("-")[0] for case in _CASES} | set(CASES)
    if unknown := sorted(set(names) - known):
        raise SystemExit(f"faults: no command {unknown[0]}; choose from {', '.join(sorted(known))}")
    return [
        case
        for case in _CASES
        if not names or case.name in names or case.name.partition("-")[0] in names
    ]
