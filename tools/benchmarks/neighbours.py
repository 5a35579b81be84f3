"""Precision, recall, density and coverage: time, memory, the matrix products' floor, and prdc."""

import resource
import time

import numpy as np

from benchmarks.timing import interleaved

SUMMARY = (
    "precision, recall, density, coverage: time and memory, against the matrix products and prdc"
)


def add_arguments(parser):
    parser.add_argument("--images", type=int, default=50_000, help="of either kind")
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--peer-images", type=int, default=10_000, help="for prdc; 0: without")
    parser.add_argument("--repeats", type=int, default=3, help="of the comparison with prdc")


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    from improved_gan_tf.metrics.density_coverage import DensityCoverage
    from improved_gan_tf.metrics.neighbours import count_memberships
    from improved_gan_tf.metrics.precision_recall import PrecisionRecall

    def ours(generated, real, k=3):
        return count_memberships(generated, real, [PrecisionRecall(k), DensityCoverage(5)])

    def features(images):
        rng = np.random.default_rng(0)
        return rng.standard_normal((2, images, options.features), np.float32)

    generated, real = features(options.images)
    block = min(options.images, 2048)
    out = np.empty((block, options.images), np.float32)
    start = time.perf_counter()
    np.matmul(generated[:block], real.T, out=out)
    floor = 3 * (time.perf_counter() - start) * options.images / block  # three visits of all pairs
    del out
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    ours(generated, real)
    seconds = time.perf_counter() - start
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    result = {
        "images": options.images,
        "features": options.features,
        "seconds": seconds,
        "matrix_products_seconds": floor,
        "share_of_floor": floor / seconds,
        "peak_growth_mib": growth,
    }
    if options.peer_images:
        import prdc

        generated, real = features(options.peer_images)
        times = interleaved(
            {
                "ours": lambda: ours(generated, real, 5),
                "prdc": lambda: prdc.compute_prdc(real, generated, 5),
            },
            options.repeats,
        )
        result |= {"peer_images": options.peer_images}
        result |= {f"{name}_seconds": seconds for name, seconds in times.items()}
        result["prdc_over_ours"] = result["prdc_seconds"] / result["ours_seconds"]
    for name, value in result.items():
        print(f"{name:28s}{value:.4g}")
    return result
