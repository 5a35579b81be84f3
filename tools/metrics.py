"""What the figures of `improved_gan_tf.metrics` are worth: beside their references, and by chance.

    python tools/metrics.py peers --json reference/results/metrics/peers.json
    python tools/metrics.py monte-carlo --json reference/results/metrics/monte-carlo.json \
        --picture reference/results/metrics/monte-carlo.png

`peers` computes every figure and its reference implementation's on the same features: those of
torch-fidelity and prdc, which must be installed, what was recorded of programs that cannot be, or
else the plain definition in `reference/`. `monte-carlo` draws both sides from one distribution,
many times: KID's mean is 0, and what FID is too large by falls as 1 / N.
"""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from improved_gan_tf import metrics
from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli import places
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_json
from improved_gan_tf.runs import recorded
from reference import feature_distances as oracle
from reference import inception_score as score_oracle
from tests.helpers.features import random_features
from tests.helpers.torch_fidelity_peer import peer

ROOT = Path(__file__).resolve().parents[1]
RECORDED = json.loads((ROOT / "reference/golden/metrics/recorded.json").read_text())


def peers(options):
    """Rows of (figure, ours, the reference's, the reference's name) on the same features."""
    import prdc
    import torch

    case = {"n": 300, "m": 250, "f": 16}
    generated, real = random_features(1, 300), random_features(2, 250)
    x, y = torch.from_numpy(generated), torch.from_numpy(real)
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(300, 12))
    maps = [rng.gamma(1.0, size=(n, 4, 4, 9)) + i / 9 for i, n in enumerate((300, 250))]
    labels = np.arange(300) % 3, np.arange(250) % 3

    def known(name):
        """What was recorded of a program for these features."""
        return next(c for c in RECORDED[name]["cases"] if c.items() >= case.items())[name]

    def kid(**kernel):
        options = {"kid_subsets": 20, "kid_subset_size": 100, "verbose": False}
        found = peer("metric_kid").kid_features_to_metric(x, y, **options, **kernel)
        return found["kernel_inception_distance_mean"]

    fid = peer("metric_fid")
    moments = [fid.fid_features_to_statistics(side) for side in (x, y)]
    ours = [(m["mu"], m["sigma"]) for m in moments]
    found = peer("metric_isc").isc_features_to_metric(
        torch.from_numpy(logits), splits=10, shuffle=True, rng_seed=2020
    )
    prc = peer("metric_prc").prc_features_to_metric(
        x, y, prc_neighborhood=3, prc_batch_size=100, save_cpu_ram=False, verbose=False
    )
    counted = prdc.compute_prdc(real, generated, 5)
    precision, recall = metrics.precision_recall(generated, real)
    density, coverage = metrics.density_coverage(generated, real)
    flat = [side[..., :7].reshape(len(side), -1) for side in maps]
    of_classes = metrics.intra_class_distances(generated, labels[0], real, labels[1])
    expected = [
        oracle.frechet_distance(generated[labels[0] == k], real[labels[1] == k]) for k in range(3)
    ]
    scores = metrics.class_scores_from_logits(logits, labels[0])
    softmax = score_oracle.softmax(logits)
    fidelity, definition = "torch-fidelity 0.4.0", "its definition, in reference/"
    kernels = metrics.kernel_distance(generated, real, 20, 100)[0]
    rbf = metrics.kernel_distance(generated, real, 20, 100, kernel="rbf")[0]
    return [
        (
            "Inception score",
            metrics.score_from_logits(logits, 10, 2020)[0],
            found["inception_score_mean"],
            fidelity,
        ),
        (
            "FID",
            metrics.frechet_distance(*ours[0], *ours[1]),
            fid.fid_statistics_to_metric(*moments, False)["frechet_inception_distance"],
            fidelity,
        ),
        (
            "sFID",
            metrics.frechet_distance_of_features(*flat),
            oracle.spatial_frechet_distance(*maps),
            f"{definition}, by scipy's sqrtm",
        ),
        ("KID", kernels, kid(), fidelity),
        ("KID, kernel rbf", rbf, kid(kid_kernel="rbf"), fidelity),
        ("precision", precision, prc["precision"], fidelity),
        ("recall", recall, prc["recall"], fidelity),
        ("density", density, counted["density"], "prdc 0.2"),
        ("coverage", coverage, counted["coverage"], "prdc 0.2"),
        (
            "MIND",
            metrics.monge_distance(generated, real),
            known("mind"),
            "torch-fidelity 0.5, recorded",
        ),
        (
            "MiFID",
            metrics.memorization_informed_distance(generated, real),
            known("mifid"),
            "the competition's program, recorded",
        ),
        (
            "CMMD",
            metrics.clip_discrepancy(generated, real),
            known("cmmd"),
            "google-research/cmmd, recorded",
        ),
        (
            "intra-class FID",
            np.mean(list(of_classes.values())),
            np.mean(expected),
            f"{definition}, by scipy's sqrtm",
        ),
        (
            "score per class",
            np.mean(list(scores.values())),
            np.mean(
                [score_oracle.inception_score(softmax[labels[0] == k], 1)[0] for k in range(3)]
            ),
            definition,
        ),
    ]


def table(options):
    """Prints the rows, as the chapter has them, and returns them."""
    found = []
    print("| figure | ours | the reference's | relative difference | reference |")
    print("|---|---|---|---|---|")
    for figure, ours, theirs, by in peers(options):
        apart = abs(ours - theirs) / abs(theirs)
        print(f"| {figure} | {ours:.9g} | {theirs:.9g} | {apart:.0e} | {by} |")
        row = {"figure": figure, "ours": float(ours), "reference": float(theirs), "by": by}
        found.append({**row, "relative_difference": float(apart)})
    return {"features": RECORDED["features"], "figures": found}


def monte_carlo(options):
    """Mean and standard error of FID and KID between two samples of one distribution."""
    if len(set(options.sizes)) < 2:
        raise UserError("--sizes: the exponent needs two different numbers of images")
    rng = np.random.default_rng(options.seed)
    scales = 1 / np.sqrt(np.arange(1, options.features + 1))  # standard deviations
    rows = []
    for size in options.sizes:
        found = {"fid": [], "kid": []}
        for _ in range(options.repeats):
            x, y = rng.normal(size=(2, size, options.features)) * scales
            found["fid"].append(metrics.frechet_distance_of_features(x, y))
            found["kid"].append(metrics.kernel_distance(x, y, 1, size)[0])
        row = {"images": size}
        for name, values in found.items():
            row[name] = float(np.mean(values))
            row[f"{name}_error"] = float(np.std(values, ddof=1) / np.sqrt(options.repeats))
        rows.append(row)
        print(
            f"{size:6d} images: FID {row['fid']:.5f} +- {row['fid_error']:.5f}, "
            f"KID {row['kid']:.2e} +- {row['kid_error']:.1e}",
            flush=True,
        )
    images, fid = (np.array([row[key] for row in rows]) for key in ("images", "fid"))
    slope = float(np.polyfit(np.log(images), np.log(fid), 1)[0])
    print(f"FID falls as N^{slope:.3f}")
    result = {
        "distribution": "normal, standard deviations 1 / sqrt(1), 1 / sqrt(2), ...",
        "features": options.features,
        "repeats": options.repeats,
        "seed": options.seed,
        "rows": rows,
        "fid_exponent": slope,
    }
    if options.picture:
        _draw(result, options.picture)
    return result


def _draw(result, path):
    """FID and its 1 / N, and KID with twice its error, by the number of images."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = result["rows"]
    images = np.array([row["images"] for row in rows])
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    fid, kid = ([row[name] for row in rows] for name in ("fid", "kid"))
    errors = {name: [2 * row[f"{name}_error"] for row in rows] for name in ("fid", "kid")}
    left.errorbar(images, fid, errors["fid"], fmt="o", color="#0a66b0", label="mean FID")
    left.plot(images, fid[-1] * images[-1] / images, color="#d9692a", label="as 1 / N")
    left.set(xscale="log", yscale="log", xlabel="images on either side", ylabel="FID")
    left.legend(frameon=False)
    right.axhline(0, color="#d9692a")
    right.errorbar(images, kid, errors["kid"], fmt="o", color="#0a66b0")
    right.set(xscale="log", xlabel="images on either side", ylabel="mean KID")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    with temporary(path) as name:
        figure.savefig(name, dpi=80, format="png", metadata={"Software": None})
    plt.close(figure)


def main(arguments=None):
    """Runs one subject."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    subjects = parser.add_subparsers(required=True, metavar="SUBJECT")
    subject = subjects.add_parser("peers", help="every figure and its reference's")
    subject.set_defaults(run=table)
    subject.add_argument("--json", metavar="FILE", help="write the figures here too")
    subject = subjects.add_parser("monte-carlo", help="FID and KID of one distribution")
    subject.set_defaults(run=monte_carlo)
    add = subject.add_argument
    sizes = [100, 200, 400, 800, 1600, 3200]
    add("--sizes", type=kinds.whole(2), nargs="+", default=sizes, help="images on either side")
    add("--repeats", type=kinds.whole(2), default=100)
    add("--features", type=kinds.whole(1), default=16)
    add("--seed", type=kinds.seed, default=1)
    add("--json", metavar="FILE", help="write the figures here too")
    add("--picture", metavar="FILE.png", help="draw them")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    result = {"command": f"python tools/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}"}
    try:
        places.check_files(options.json, vars(options).get("picture"))
        result |= options.run(options)
        if options.json:
            write_json(options.json, recorded(result))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
