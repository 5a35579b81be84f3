"""The commands `score` and `classifier`."""

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli import places
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json, write_text

DESCRIPTION = """Inception score of images, and FID, KID, precision, recall and more against others.
PATH is a folder of pictures (with sub-folders), a .zip or tar archive, an .npz (FILE.npz@ARRAY) or
.npy file, a data set (digits, or a TFDS name; NAME@SPLIT), the folder of a run, or an exported
generator. The network is Inception's of 2015-12-05 with its published weights, which are downloaded
once, unless --extractor names another."""


def _add_score(score: argparse.ArgumentParser) -> None:
    score.description = DESCRIPTION
    _add_score_arguments(score)
    score.set_defaults(command=_score)


def _add_classifier(classifier: argparse.ArgumentParser) -> None:
    add = classifier.add_argument
    add("out", metavar="FILE.keras", help="output file; FILE.json describes the classifier")
    add("--data", default="mnist", help="mnist (default), digits, npz:FILE, folder:DIR...")
    add("--data-dir", help="TFDS' data folder")
    add("--network", help="convolutional, or residual (default from 32 x 32 pixels on)")
    add("--mirror", action="store_true", help="mirror images in training: photographs, not digits")
    add("--epochs", type=kinds.count, help="default: about 3,000 steps; of the residual network 20")
    add("--seed", type=kinds.seed, default=1, help="of weights, dropout and order (default 1)")
    add("--quiet", action="store_true", help="no progress")
    classifier.set_defaults(command=_classifier)


COMMANDS: kinds.Commands = {"score": _add_score, "classifier": _add_classifier}


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name Inception's weights; `weights_arguments` reads them."""
    add = parser.add_argument
    add("--weights", metavar="FILE", help="Inception's weights: .pb, .tgz, .pth or our .npz")
    add("--any-weights", action="store_true", help="take weights that are not the published ones")
    add("--fingerprint", metavar="HEX", help="required fingerprint of an .npz file of weights")


def weights_arguments(options: argparse.Namespace) -> tuple[str | None, bool, str | None]:
    """What the options say, as `inception.load_weights` and `metrics.Inception` take it."""
    return options.weights, not options.any_weights, options.fingerprint


def names_weights(options: argparse.Namespace) -> bool:
    """Whether the options say anything of Inception's weights."""
    return weights_arguments(options) != (None, True, None)


def _add_score_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("path", metavar="PATH", help="the images: see above")
    add_weights_options(parser)
    named = "inception (default), a .keras file, a SavedModel (which is a program), "
    named += "keras_applications:NAME, keras_hub:PRESET"
    add("--extractor", "--classifier", metavar="NAME", default="inception", help=named)
    kinds.add_range(
        parser,
        "--extractor-range",
        "--classifier-range",
        default=(0.0, 255.0),
        help="pixel values of black and white for a model file (default 0 255)",
    )
    resize = "legacy: as TensorFlow 1 (Inception's default, comparable with published figures); "
    resize += "clean: bicubic, antialiased, as clean-fid (default: the extractor's own)"
    add("--resize", choices=("legacy", "clean"), help=resize)
    add(
        "--splits",
        type=kinds.count,
        default=10,
        help="parts that are scored one by one (default 10)",
    )
    add(
        "--shuffle", type=kinds.seed, metavar="SEED", help="shuffle before splitting (default: not)"
    )
    number = "images to draw from a generator (default 50000), or to use of others (default all)"
    add("--count", "--samples", type=kinds.images, metavar="N", dest="count", help=number)
    add("--seed", type=kinds.seed, default=0, help="of a generator's draws (default 0)")
    kinds.add_range(
        parser,
        "--range",
        dest="image_range",
        help="black and white of float images (pictures and bytes need none)",
    )
    add("--reference", metavar="PATH", help="FID against these images, or a statistics .npz")
    named = "inception_score, fid, sfid, kid, precision, recall, density, coverage, mind, mifid"
    named = f"figures, of {named}, cmmd, intra_fid, inception_score_per_class; or all"
    add("--metrics", nargs="+", metavar="NAME", help=f"{named} (default the score, and FID)")
    own = "(default: those of a data set by class)"
    add("--labels", metavar="FILE", help=f"class numbers of the images, .npy or text {own}")
    add("--reference-labels", metavar="FILE", help="class numbers of the reference, likewise")
    add("--kid", action="store_true", help="KID as well; needs 1,000 images on either side")
    add("--kid-subsets", type=kinds.images, default=100, help="default 100")
    add("--kid-subset-size", type=kinds.whole(2), default=1000, help="default 1000")
    add("--kid-kernel", default="polynomial", help="polynomial (default) or rbf")
    add("--kid-sigma", type=kinds.number(0), default=10.0, help="of the kernel rbf (default 10)")
    add("--mind-projections", type=kinds.count, default=1000, help="default 1000")
    add("--save-statistics", metavar="FILE.npz", help="keep the images' statistics for later")
    features = "also save the features and logits, from which all metrics can be recomputed"
    add("--save-features", metavar="FILE.npz", help=f"save the statistics; {features}")
    add("--no-score", action="store_true", help="only FID, KID or statistics")
    add("--per-image", metavar="FILE.csv", help="write each image's contribution to the score")
    add(
        "--best",
        type=kinds.number(0, 1),
        metavar="FRACTION",
        help="e.g. 0.01: the best 1 %% by score",
    )
    best = "where to write the best images; may be repeated: one picture, an archive, a folder"
    add("--best-out", action="append", metavar="DIR|FILE.png|FILE.npz", help=best)
    add("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read")
    add("--batch-size", type=kinds.images, default=32, help="images of a batch (default 32)")
    add("--workers", type=kinds.workers, help="threads that decode (default: the processors)")
    add("--data-dir", help="TFDS' data folder")
    add("--out", metavar="FILE.json", help="write figures and protocol here too")
    add("--json", action="store_true", help="print them as one JSON object")
    add("--quiet", action="store_true", help="no progress")


def _score(options: argparse.Namespace) -> None:
    """Prints figures and protocol, then writes the files that were asked for."""
    _check(options)
    statistics = options.save_features or options.save_statistics
    places.check_files(options.out, statistics, options.per_image)
    for path in options.best_out or ():
        (places.check_files if Path(path).suffix else places.check_new_folder)(path)
    with warnings.catch_warnings():
        warnings.showwarning = one_line
        warnings.simplefilter("always", UserWarning)
        images, result = _evaluate(options)
    figures, lines = result.to_json(), result.lines()
    best = None
    if options.best is not None:
        from improved_gan_tf.metrics import best_fraction

        best = best_fraction(result.image_scores, options.best)
        mean, all_mean = result.image_scores[best].mean(), result.image_scores.mean()
        figures["best"] = {
            "fraction": options.best,
            "count": len(best),
            "images": options.best_out,
            "mean_kl_nats": float(mean),
            "all_mean_kl_nats": float(all_mean),
        }
        kl = f"mean KL {mean:.4f} nats (all: {all_mean:.4f})"
        title = f"best {100 * options.best:g} %"
        lines.append(f"{title:17s}{len(best)} images in {', '.join(options.best_out)}, {kl}")
    if statistics:
        figures["statistics"] = statistics
        lines.append(f"{'statistics':17s}{statistics}")
    print(json.dumps(figures) if options.json else "\n".join(lines), flush=True)

    if options.out:
        write_json(options.out, figures)
    if statistics:
        result.statistics.save(statistics)
    if options.per_image:
        rows = "".join(f"{i},{value:.6f}\n" for i, value in enumerate(result.image_scores))
        write_text(options.per_image, "image,kl_nats\n" + rows)
    if best is not None:
        _write_best(options, images, best)


def one_line(message: Any, *ignored: Any, **also: Any) -> None:
    """Shows a warning in one line, in place of `warnings.showwarning`."""
    print(f"warning: {message}", file=sys.stderr)


def _check(options: argparse.Namespace) -> None:
    """Refuses options that do not go together."""
    if (options.best is None) != (options.best_out is None):
        raise UserError("--best FRACTION and --best-out go together")
    for path in options.best_out or ():
        if Path(path).suffix not in ("", ".png", ".npz"):
            raise UserError(
                f"--best-out {path}: unknown suffix {Path(path).suffix}; choose .png, .npz, or a "
                "name without suffix for a folder of PNG files"
            )
    if len(set(options.best_out or ())) < len(options.best_out or ()):
        raise UserError("--best-out names one place twice")
    kept = options.save_features or options.save_statistics
    if options.save_features and options.save_statistics:
        raise UserError("--save-features keeps the statistics too; leave out --save-statistics")
    if options.kid and not (options.reference or kept):
        raise UserError("--kid needs --reference (or --save-statistics)")
    if options.no_score and (options.best or options.per_image):
        raise UserError("--best and --per-image need the score; leave out --no-score")
    if options.no_score and not (options.reference or kept):
        raise UserError("--no-score leaves nothing to do without --reference or --save-statistics")


def open_images(options: argparse.Namespace, path: str, count: int | None) -> Any:
    """`Images` of all that has a name, drawn from a run or an exported generator too; the path
    itself where it is a file of statistics.

    Of the options, `seed`, `image_range`, `data_dir` and `skip_unreadable` count.
    """
    from improved_gan_tf import data, experiments
    from improved_gan_tf.metrics.statistics_file import is_statistics_file
    from improved_gan_tf.runs.folder import RunFolder

    if is_statistics_file(path):
        return path
    folder = Path(path).expanduser()
    if RunFolder(folder).begun or (folder / "saved_model.pb").is_file():
        drawn = count or 50_000, options.seed, options.image_range
        return experiments.open_generator(folder, *drawn)
    settings = {"data_dir": options.data_dir, "skip_unreadable": options.skip_unreadable}
    return data.as_images(path, options.image_range, **settings)


def _names(options: argparse.Namespace, classifies: bool) -> list[str] | str:
    """The figures that the options ask for; without names, the score only where there is one."""
    if options.metrics and (options.kid or options.no_score):
        raise UserError("--metrics names all figures; leave out --kid and --no-score")
    if options.metrics == ["all"]:
        return "all"
    scored = classifies and not options.no_score
    names = list(options.metrics or (["inception_score"] if scored else []))
    if options.reference and not options.metrics:
        names += ["fid", "kid"] if options.kid else ["fid"]
    if not (names or options.save_features or options.save_statistics):
        raise UserError(
            f"{options.extractor} gives no class probabilities, so there is no Inception score of "
            "it; name a --reference, or --save-features"
        )
    return names


def _evaluate(options: argparse.Namespace) -> tuple[Any, Any]:
    """(the images, their `Result`)."""
    from improved_gan_tf import metrics

    images = open_images(options, options.path, options.count)
    if options.best is not None and isinstance(images, str):
        raise UserError(
            f"--best picks images, but {images} holds their statistics; give the images"
        )
    reference = options.reference and open_images(options, options.reference, None)
    weights, check, fingerprint = weights_arguments(options)
    classifier = metrics.load_extractor(
        options.extractor,
        resize=options.resize,
        weights=weights,
        check=check,
        fingerprint=fingerprint,
        image_range=options.extractor_range,
    )
    names = _names(options, classifier.classifies)
    same = "splits kid_subsets kid_subset_size kid_kernel kid_sigma mind_projections".split()
    same += "labels reference_labels image_range count batch_size workers".split()
    result = metrics.evaluate(
        images,
        classifier,
        reference=reference,
        metrics=names,
        shuffle_seed=options.shuffle,
        per_image=bool(options.per_image or options.best),
        keep_statistics=bool(options.save_statistics or options.save_features),
        keep_features=metrics.ALL_FEATURES if options.save_features else options.kid,
        progress=not options.quiet,
        **{name: vars(options)[name] for name in same},
    )
    return images, result


def _write_best(options: argparse.Namespace, source: Any, chosen: Any) -> None:
    """Picks the images in a second pass over the source."""
    import numpy as np

    from improved_gan_tf import images
    from improved_gan_tf.data.source import pick

    found = pick(source, chosen, workers=options.workers or 2)
    same_size = len({image.shape for image in found}) == 1
    # An existing folder is an error, so folders are written last: a killed command can then be run
    # again. With images of several sizes the folder is written first, since .png and .npz fail.
    for out in sorted(map(Path, options.best_out), key=lambda out: out.suffix, reverse=same_size):
        if not same_size and out.suffix:
            raise UserError("the best images have several sizes; name a folder with --best-out")
        if out.suffix == ".npz":
            images.save_npz(out, np.stack(found), index=np.asarray(chosen))
        elif out.suffix == ".png":
            images.save_png(out, images.grid(np.stack(found)))
        elif same_size:
            images.save_folder(out, np.stack(found))
        else:
            for rank, image in enumerate(found):
                images.save_png(out / f"{rank:05d}.png", image)


def _classifier(options: argparse.Namespace) -> None:
    places.check_files(options.out, Path(options.out).with_suffix(".json"))
    from improved_gan_tf.metrics import train_classifier

    same = {
        name: vars(options)[name] for name in ("epochs", "seed", "data_dir", "network", "mirror")
    }
    with warnings.catch_warnings():
        warnings.showwarning = one_line
        about = train_classifier(options.data, options.out, verbose=not options.quiet, **same)
    print(
        f"{options.out}: error {100 * about['test_error']:.2f} % on {about['test_images']} test "
        f"images of {about['data']}"
    )
