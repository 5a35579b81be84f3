"""`improved-gan score` and `improved-gan classifier`; also behind tools/inception_score.py."""

import json
import sys
import warnings
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json, write_text

DESCRIPTION = """Inception score of images, and FID and KID against others. PATH is a folder of
pictures (with sub-folders), a .zip or tar archive, an .npz (FILE.npz@ARRAY) or .npy file, a data
set (digits, or a TFDS name; NAME@SPLIT), the folder of a run, or an exported generator. The network
is Inception's of 2015-12-05 with its published weights, which are downloaded once."""


def add_command(commands):
    """Adds `score` and `classifier` to the sub-parsers of the command line.

    Each sets `command`, the function of the parsed options that does it.
    """
    score = commands.add_parser(
        "score", help="Inception score, FID and KID of images", description=DESCRIPTION
    )
    add_score_arguments(score)
    score.set_defaults(command=score_command)

    summary = "train a small classifier that can take Inception's place (score --classifier)"
    classifier = commands.add_parser("classifier", help=summary, description=summary)
    add = classifier.add_argument
    add("out", metavar="FILE.keras", help="where it goes; FILE.json beside it says what it is")
    add("--data", default="mnist", help="mnist (default), digits, npz:FILE, folder:DIR...")
    add("--data-dir", help="TFDS' data folder")
    add("--epochs", type=int, help="default: about 3,000 steps")
    add("--seed", type=int, default=1)
    add("--quiet", action="store_true", help="no progress")
    classifier.set_defaults(command=_classifier_command)


def add_score_arguments(parser):
    """The options of `score`."""
    add = parser.add_argument
    add("path", metavar="PATH", help="the images: see above")
    add("--weights", metavar="FILE", help="Inception's weights: .pb, .tgz, .pth or our .npz")
    add("--any-weights", action="store_true", help="take weights that are not the published ones")
    add("--classifier", metavar="FILE", help=".keras file or SavedModel in Inception's place")
    add(
        "--classifier-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=(0.0, 255.0),
        help="what the classifier takes for black and white (default 0 255)",
    )
    add("--splits", type=int, default=10, help="parts that are scored one by one (default 10)")
    add("--shuffle", type=int, metavar="SEED", help="shuffle before splitting (default: in order)")
    add(
        "--count",
        "--samples",
        type=int,
        metavar="N",
        dest="count",
        help="images to draw from a generator (default 50000), or to use of others (default all)",
    )
    add("--seed", type=int, default=0, help="of a generator's draws")
    add(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        dest="value_range",
        help="black and white of float images (pictures and bytes need none)",
    )
    add("--reference", metavar="PATH", help="FID against these images, or a statistics .npz")
    add("--kid", action="store_true", help="KID as well; needs 1,000 images on either side")
    add("--kid-subsets", type=int, default=100)
    add("--kid-subset-size", type=int, default=1000)
    add("--save-statistics", metavar="FILE.npz", help="keep the images' statistics for later")
    add("--no-score", action="store_true", help="only FID, KID or statistics")
    add("--per-image", metavar="FILE.csv", help="write each image's contribution to the score")
    add("--best", type=float, metavar="FRACTION", help="e.g. 0.01: select the best 1 %% by score")
    add("--best-out", metavar="DIR|FILE.npz", help="where the selected images go, best first")
    add("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read")
    add("--batch-size", type=int, default=32)
    add("--workers", type=int, help="threads that decode pictures (default: the processors)")
    add("--data-dir", help="TFDS' data folder")
    add("--out", metavar="FILE.json", help="write figures and protocol here too")
    add("--json", action="store_true", help="print them as one JSON object")
    add("--quiet", action="store_true", help="no progress")


def score_command(options):
    """Runs `score`: prints the figures and the protocol."""
    _check(options)
    with warnings.catch_warnings():
        warnings.showwarning = _one_line
        warnings.simplefilter("always", UserWarning)
        result = _measure(options)
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result) if options.json else _report(result))


def _one_line(message, *ignored, **also):
    print(f"warning: {message}", file=sys.stderr)


def _check(options):
    """What can be refused before anything is loaded."""
    if options.splits < 1:
        raise UserError(f"--splits must be at least 1, not {options.splits}")
    if (options.best is None) != (options.best_out is None):
        raise UserError("--best FRACTION and --best-out go together")
    if options.best is not None and not 0 < options.best <= 1:
        raise UserError(f"--best is a fraction in (0, 1], not {options.best}")
    if options.kid and not (options.reference or options.save_statistics):
        raise UserError("--kid needs --reference (or --save-statistics)")
    if options.no_score and (options.best or options.per_image):
        raise UserError("--best and --per-image need the score; leave out --no-score")
    if options.no_score and not (options.reference or options.save_statistics):
        raise UserError("--no-score leaves nothing to do without --reference or --save-statistics")
    if options.classifier and (options.weights or options.any_weights):
        raise UserError("--classifier takes Inception's place; leave out --weights")
    if (
        options.best_out
        and (p := Path(options.best_out)).exists()
        and not (p.suffix == ".npz" or (p.is_dir() and not any(p.iterdir())))
    ):
        raise UserError(f"{p} is not an empty folder; name a new one with --best-out")


def _measure(options):
    from improved_gan_tf.metrics import evaluate, inception_score

    source = _open(options, options.path)
    if not options.no_score and source.count < options.splits:
        raise UserError(
            f"{source.name}: {source.count} images cannot be split into {options.splits} parts; "
            "give more images or fewer --splits"
        )
    reference = _reference(options)
    classifier = _classifier(options)
    statistics = None
    if options.reference or options.save_statistics:
        statistics = evaluate.new_statistics(classifier, source.name, options.kid)
    result = {}
    with evaluate.LogitFile() as logits:
        n = _extract(options, source, classifier, None if options.no_score else logits, statistics)
        result["protocol"] = evaluate.protocol(
            source, classifier, n, options.splits, options.shuffle
        )
        result["protocol"]["skipped_pictures"] = list(source.skipped)[:20]
        if not options.no_score:
            inception_score.warn_if_few(n)
            mean, std = inception_score.score_from_logits(logits, options.splits, options.shuffle)
            result["inception_score"] = {"mean": mean, "std": std}
            if options.per_image or options.best:
                _single_images(options, source, logits, result)
    if options.save_statistics:
        statistics.save(options.save_statistics)
        result["statistics"] = options.save_statistics
    if options.reference:
        _distances(options, statistics, reference, classifier, result)
    return result


def _open(options, path, reference=False):
    from improved_gan_tf.metrics.sources import open_images

    return open_images(
        path,
        options.value_range,
        None if reference else options.count,
        options.seed,
        options.skip_unreadable,
        options.data_dir,
    )


def _reference(options):
    """`Statistics` where --reference is such a file, else a source; opened before the long work."""
    if not options.reference:
        return None
    from improved_gan_tf.metrics.statistics import Statistics

    if options.reference.endswith(".npz") and _has_mu(options.reference):
        return Statistics.load(options.reference)
    return _open(options, options.reference, reference=True)


def _has_mu(path):
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return "mu.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _classifier(options):
    from improved_gan_tf.inception import weights
    from improved_gan_tf.metrics import classifiers

    if options.classifier:
        return classifiers.load_classifier(options.classifier, options.classifier_range)
    return classifiers.Inception(
        weights.load_weights(options.weights, check=not options.any_weights)
    )


def _extract(options, source, classifier, logits, statistics):
    from improved_gan_tf.metrics import evaluate

    return evaluate.extract(
        source,
        classifier,
        logits,
        statistics,
        options.batch_size,
        options.workers,
        None if options.quiet else source.name,
    )


def _distances(options, statistics, reference, classifier, result):
    from improved_gan_tf.metrics import evaluate
    from improved_gan_tf.metrics.statistics import Statistics

    if not isinstance(reference, Statistics):
        source = reference
        reference = evaluate.new_statistics(classifier, source.name, options.kid)
        _extract(options, source, classifier, None, reference)
    result["reference"] = {"images": options.reference, "count": reference.total}
    result["fid"] = statistics.fid(reference)
    if options.kid:
        mean, std = statistics.kid(reference, options.kid_subsets, options.kid_subset_size)
        result["kid"] = {
            "mean": mean,
            "std": std,
            "subsets": options.kid_subsets,
            "subset_size": options.kid_subset_size,
            "seed": 2020,
        }


def _single_images(options, source, logits, result):
    from improved_gan_tf.metrics import inception_score

    scores = inception_score.image_scores_from_logits(logits)
    if options.per_image:
        rows = "".join(f"{i},{value:.6f}\n" for i, value in enumerate(scores))
        write_text(options.per_image, "image,kl_nats\n" + rows)
    if options.best:
        chosen = inception_score.best_fraction(scores, options.best)
        _write_best(options, source, chosen)
        result["best"] = {
            "fraction": options.best,
            "count": len(chosen),
            "images": options.best_out,
            "mean_kl_nats": float(scores[chosen].mean()),
            "all_mean_kl_nats": float(scores.mean()),
        }


def _write_best(options, source, chosen):
    """A second pass over the source picks the images."""
    import numpy as np

    from improved_gan_tf import images

    place = {int(index): rank for rank, index in enumerate(chosen)}
    found = [None] * len(chosen)
    for i, image in enumerate(source.images(lambda image: image, options.workers or 2)):
        if i in place:
            found[place[i]] = np.rint(image).astype(np.uint8)
            if all(x is not None for x in found):
                break
    if options.best_out.endswith(".npz"):
        if len({x.shape for x in found}) > 1:
            raise UserError("the best images have several sizes; name a folder with --best-out")
        images.save_npz(options.best_out, np.stack(found), index=np.asarray(chosen))
    elif len({x.shape for x in found}) == 1:
        images.save_folder(options.best_out, np.stack(found))
    else:
        for rank, image in enumerate(found):
            images.save_png(Path(options.best_out) / f"{rank:05d}.png", image)


def _report(result):
    protocol = result["protocol"]
    lines = []
    if "inception_score" in result:
        score = result["inception_score"]
        lines.append(f"Inception score  {score['mean']:.4f} +- {score['std']:.4f}")
    if "fid" in result:
        lines.append(
            f"FID              {result['fid']:.4f}   (reference: "
            f"{result['reference']['images']}, {result['reference']['count']} images)"
        )
    if "kid" in result:
        kid = result["kid"]
        lines.append(
            f"KID              {kid['mean']:.6f} +- {kid['std']:.6f}   "
            f"({kid['subsets']} subsets of {kid['subset_size']})"
        )
    if "best" in result:
        best = result["best"]
        lines.append(
            f"best {100 * best['fraction']:g} %         {best['count']} images in "
            f"{best['images']}, mean KL {best['mean_kl_nats']:.4f} nats (all: "
            f"{best['all_mean_kl_nats']:.4f})"
        )
    if "statistics" in result:
        lines.append(f"statistics       {result['statistics']}")
    skipped = f", {protocol['skipped']} skipped" if protocol["skipped"] else ""
    lines.append(f"images           {protocol['images']}: {protocol['count']}{skipped}")
    digest = protocol["classifier_digest"][:23]
    lines.append(f"classifier       {protocol['classifier']} ({digest})")
    version = f"improved_gan_tf {protocol['version']}"
    if "inception_score" in result:
        shuffled = protocol["shuffle_seed"]
        order = "in order" if shuffled is None else f"shuffled by seed {shuffled}"
        version = f"{protocol['splits']} splits, {order}, population standard deviation, {version}"
    lines.append(f"protocol         {version}")
    return "\n".join(lines)


def _classifier_command(options):
    from improved_gan_tf.metrics import small_classifier

    about = small_classifier.train(
        options.data,
        options.out,
        options.epochs,
        seed=options.seed,
        data_dir=options.data_dir,
        verbose=not options.quiet,
    )
    print(
        f"{options.out}: error {100 * about['test_error']:.2f} % on {about['test_images']} test "
        f"images of {about['data']}"
    )
