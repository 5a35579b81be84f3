"""Inception features: images per second vs torch-fidelity and the arithmetic floor; memory."""

import importlib
import importlib.util
import resource
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

from benchmarks.timing import medians, products, rates, repeated, spread

SUMMARY = "Inception features: images per second vs torch-fidelity, memory over many images"
OPERATIONS = 11.4e9  # floating-point operations per image


def add_arguments(parser):
    parser.add_argument("--images", type=int, default=64, help="images per repeat (default 64)")
    parser.add_argument("--size", type=int, default=32, help="their side (default 32)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--memory",
        type=int,
        nargs=2,
        metavar=("FEW", "MANY"),
        help="instead: growth of peak memory from FEW to MANY images, e.g. 1000 10000",
    )


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    if options.memory:
        result = _memory(*options.memory, options.size, options.batch_size)
    else:
        result = _speed(options)
    for name, value in result.items():
        print(f"{name:36s}{value if isinstance(value, list) else f'{value:.4g}'}")
    return result


def _speed(options):
    """Images per second of each, in turns, and how far apart the features are."""
    import keras
    import tensorflow as tf

    from improved_gan_tf import inception, metrics

    weights = inception.random_weights(0)
    ours = metrics.Inception(weights)
    shape = (options.images, options.size, options.size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    plain = keras.applications.InceptionV3(weights=None)
    step = tf.function(lambda x: plain(x, training=False), autograph=False)
    resized = tf.constant(np.random.rand(options.batch_size, 299, 299, 3).astype("f"))

    def in_batches(function):
        starts = range(0, options.images, options.batch_size)
        return lambda: [function(images[i : i + options.batch_size]) for i in starts]

    functions = {
        "ours": in_batches(ours),
        "keras.applications": in_batches(lambda batch: step(resized[: len(batch)]).numpy()),
    }
    large, operations = products()
    functions |= large
    peer = _peer(weights)
    if peer is not None:
        functions["torch-fidelity"] = in_batches(peer)
    measured = repeated(functions, options.repeats)
    seconds = medians(measured)
    floors = {dtype: rate / OPERATIONS for dtype, rate in rates(seconds, operations).items()}
    result = {f"{name}, images/s": options.images / s for name, s in seconds.items()}
    result["sgemm floor, images/s"] = floors["float32"]
    result["bfloat16 floor, images/s"] = floors["bfloat16"]
    result["ours / floor"] = result["ours, images/s"] / floors["float32"]
    result["ours / keras.applications"] = seconds["keras.applications"] / seconds["ours"]
    times = reversed(spread(measured["ours"]))
    result["ours, images/s, spread"] = [options.images / s for s in times]
    if peer is not None:
        result["ours / torch-fidelity"] = seconds["torch-fidelity"] / seconds["ours"]
        few = images[: options.batch_size]
        features, expected = ours(few)[0], peer(few)
        result["largest relative difference"] = float(
            np.abs(features - expected).max() / np.abs(expected).max()
        )
    return result


def _peer(weights):
    """torch-fidelity's network as a function of uint8 NHWC -> pool_3, or None without it."""
    found = importlib.util.find_spec("torch_fidelity")
    if found is None or importlib.util.find_spec("torch") is None:
        print("torch-fidelity is not installed: pip install torch, then --no-deps torch-fidelity")
        return None
    import torch

    from improved_gan_tf.inception import names

    # Only the network's module: the package itself imports torchvision.
    package = types.ModuleType("torch_fidelity")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    state = {}
    for name, other in names.pytorch_names().items():
        array = weights[name]
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        state[other] = torch.from_numpy(np.ascontiguousarray(array))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(state, path)
        network = module.FeatureExtractorInceptionV3(
            "peer", ["2048"], feature_extractor_weights_path=str(path)
        )

    def extract(images):
        with torch.no_grad():
            return network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))[0].numpy()

    return extract


def _memory(few, many, size, batch_size):
    """Peak memory of scoring FEW and MANY images in a folder, each in a process of its own."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        from improved_gan_tf import images

        rng = np.random.default_rng(0)
        for start in range(0, many, 1000):
            n = min(1000, many - start)
            pixels = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
            images.save_folder(Path(folder) / f"{start:08d}", pixels)
        for count in (few, many):
            code = (
                "import sys; sys.path[:0] = sys.argv[1].split('|');"
                "from benchmarks import inception as b; b.peak(*sys.argv[2:])"
            )
            arguments = ["|".join(sys.path), folder, str(count), str(batch_size)]
            shown = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            peaks[count] = float(shown.stdout.split()[-1])
    return {
        **{f"peak at {count} images, MiB": peak for count, peak in peaks.items()},
        "growth, MiB": peaks[many] - peaks[few],
    }


def peak(folder, count, batch_size):
    """Prints the peak memory, in MiB, of score and statistics of a folder's first images."""
    from improved_gan_tf import inception, metrics

    network = metrics.Inception(inception.random_weights(0))
    options = {"count": int(count), "batch_size": int(batch_size), "progress": True}
    metrics.evaluate(folder, network, keep_statistics=True, **options)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
