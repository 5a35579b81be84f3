"""The command `turing-test`."""

import argparse
import contextlib
import json
import math
from pathlib import Path
from typing import Any

from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli.process import require_tensorflow
from improved_gan_tf.cli.score import open_images
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json

_DESCRIPTION = """The visual Turing test: serves web pages on which people judge which images are
real and which are generated, and a page of results. GENERATED is the folder of a run, an exported
generator, a folder of pictures, an archive, an .npy or .npz file. The same command goes on with a
test that was stopped."""


def _add_turing_test(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    # Not as one that uses Keras: Ctrl-C waits until the results are written.
    parser.set_defaults(command=_turing_test, keras=False)
    add = parser.add_argument
    add("generated", metavar="GENERATED", help="the generated images: see above")
    real = "the real ones: a data set (NAME@SPLIT), a folder, an archive, an .npz or .npy file"
    add("--real", metavar="DATA", required=True, help=real)
    add("--images", type=int, default=200, metavar="N", help="of each kind (default 200)")
    add("--seed", type=kinds.seed, default=0, help="of draws and choice of images (default 0)")
    ways = "paper: pages of nine images (default); hype: one by one, after a qualification"
    add("--protocol", default="paper", help=ways)
    many = "judgements per annotator (default: paper 90, hype 100)"
    add("--judgements", type=int, metavar="N", help=many)
    shown = "whether mistakes are shown: off (default), on, both (one of them for each annotator)"
    add("--feedback", default="off", help=shown)
    add("--best", type=float, metavar="FRACTION", help="e.g. 0.01: the best 1 %% by score alone")
    add("--classifier", metavar="FILE", help="of the score: a .keras file, a SavedModel")
    add("--resize", metavar="HOW", help="bring real images to the size: square, stretch")
    kinds.add_range(parser, "--range", dest="image_range", help="black and white of float images")
    add("--data-dir", help="TFDS' data folder")
    add("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read")
    add("--question", help="what is asked (default: whether the image is real or generated)")
    add("--consent", metavar="FILE", help="a text that annotators agree to, in paragraphs")
    add("--out", metavar="FOLDER", help="the test's folder (default turing-tests/NAME)")
    add("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    add("--port", type=int, default=8000, help="default 8000")
    add("--proxy", metavar="ADDRESS", help="of a reverse proxy whose headers are believed")
    wanted = "half-width of the interval that the results plan for (default 0.02)"
    add("--precision", type=float, default=0.02, metavar="P", help=wanted)
    simulated = parser.add_argument_group("simulated annotators, in place of the server")
    add = simulated.add_argument
    add("--simulate", type=int, metavar="ANNOTATORS", help="how many, through the real pages")
    add("--accuracy", type=float, default=0.7, metavar="P", help="mean accuracy (default 0.7)")
    add("--spread", type=float, default=0.0, metavar="S", help="its standard deviation (default 0)")
    add("--think", type=float, default=1.0, metavar="SECONDS", help="time per page (default 1)")
    add("--kills", type=int, default=0, metavar="N", help="kill the server N times (default 0)")
    over = "simulate N tests without pages: how often the interval covers the truth"
    add("--coverage", type=int, metavar="N", help=over)


COMMANDS: kinds.Commands = {"turing-test": _add_turing_test}


def _turing_test(options: argparse.Namespace) -> None:
    from improved_gan_tf.turing_test import server as serving
    from improved_gan_tf.turing_test.simulate import Load, coverage, simulate
    from improved_gan_tf.turing_test.store import Store

    serving.require()
    if not options.precision > 0:
        raise UserError(f"--precision must be above 0, not {options.precision:g}")
    if options.coverage is not None and options.simulate is None:
        raise UserError("--coverage needs the number of annotators; give --simulate")
    if options.simulate is not None:
        same = ("accuracy", "spread", "think", "kills", "seed")
        values = {name: vars(options)[name] for name in same}
        load = Load(annotators=options.simulate, **values)
        load.check()
        study = _study(options)
        if options.coverage is not None:
            print(json.dumps(coverage(study, load, options.coverage), indent=2))
            return
        found = simulate(study, load)
        print(json.dumps(found, indent=2))
        print(write_json(study.path / "simulation.json", found))
        return
    # The port first: drawing images may take minutes.
    with contextlib.closing(serving.listen(options.host, options.port)) as where:
        study = _study(options)
        store = Store(study.path / "votes.sqlite3")
        study.pools  # noqa: B018 - a damaged file is refused before anything is printed
        server = serving.make_server(study, store, where, options.proxy, options.precision)
        serving.serve(study, store, server)


def _study(options: argparse.Namespace) -> Any:
    """The test that the options describe: as it was prepared, or prepared now."""
    from improved_gan_tf.turing_test.images import KNOWN
    from improved_gan_tf.turing_test.study import Settings, open_study, prepare

    same = (
        "generated", "real", "images", "seed", "protocol", "judgements", "feedback", "best",
        "classifier", "resize", "question",
    )  # fmt: skip
    values = {name: vars(options)[name] for name in same}
    settings = Settings(**values, consent=_consent(options.consent)).checked()
    name = Path(options.generated).expanduser().resolve().name.removesuffix(".npz")
    path = Path(options.out or Path("turing-tests") / name)
    study = open_study(path, settings)
    if study is not None:
        print(f"{path}: the test of {study.about['made']} goes on")
        return study
    chosen, count = None, settings.images + KNOWN
    require_tensorflow()
    fraction = 1.0 if options.best is None else options.best
    if count > fraction * kinds.MOST_IMAGES:
        raise UserError(
            f"more generated images than {kinds.MOST_IMAGES:,} would be needed; ask for fewer by "
            "--images, or for a larger fraction by --best"
        )
    count = math.ceil(count / fraction)
    generated = open_images(options, options.generated, count)
    real = open_images(options, options.real, None)
    if options.best is not None:
        from improved_gan_tf.metrics import best

        chosen = best(generated, options.best, classifier=options.classifier)
    study = prepare(path, settings, generated, real, chosen)
    print(f"{path}: {settings.images} images of each kind are prepared")
    return study


def _consent(path: str | None) -> str:
    if path is None:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--consent {path} cannot be read as text; name a text file") from error
