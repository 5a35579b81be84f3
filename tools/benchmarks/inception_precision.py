"""Inception in bfloat16: speed, errors of features, score and FID against float32; other runtimes.

bfloat16 is accepted for a mode of its own if, with the published weights and on 5,000 real images,
the score differs by at most 0.02 from float32's, and FID between the images' halves by at most
0.05. ONNX Runtime and OpenVINO run the same network where they are installed.
"""

import importlib.util
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.inception import OPERATIONS
from benchmarks.timing import medians, products, rates, repeated

SUMMARY = "Inception in bfloat16 vs float32: speed, errors, score, FID; ONNX Runtime, OpenVINO"
IMAGES, SCORE, FID = 5000, 0.02, 0.05  # the rule: so many images, differences of at most so much
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def add_arguments(parser):
    parser.add_argument("--weights", metavar="FILE", help="published ones (default: random)")
    parser.add_argument("--data", default="cifar10@test", help="real images: a data set, a folder")
    parser.add_argument("--data-dir", help="TFDS' data folder")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default {IMAGES}")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-runtimes", action="store_true", help="without ONNX Runtime, OpenVINO")


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    from improved_gan_tf import data, inception

    source = data.as_images(data.open(options.data, data_dir=options.data_dir))
    images = np.stack([*itertools.islice(source.images(lambda x: x, 1), options.images)])
    random = options.weights is None
    weights = inception.random_weights(0) if random else inception.load_weights(options.weights)
    networks = {"float32": inception.build_network(weights), "bfloat16": in_bfloat16(weights)}
    functions = {name: _function(network) for name, network in networks.items()}
    with tempfile.TemporaryDirectory() as folder:
        notes = {}
        if not options.no_runtimes:
            notes = _add_runtimes(functions, networks["float32"], images, folder)
        result = {
            "weights": "random" if random else weights.digest,
            "data": options.data,
            "images": len(images),
            "batch_size": options.batch_size,
            **_speeds(functions, images[: options.batch_size], options.repeats),
            "runtimes": notes,
        }
    found = {name: _outputs(functions[name], images, options.batch_size) for name in networks}
    result |= differences(found["float32"], found["bfloat16"])
    result["rule"] = verdict(result, published=not random and weights.published)
    for name, value in result.items():
        print(f"{name:34s}{f'{value:.5g}' if isinstance(value, int | float) else value}")
    return result


def in_bfloat16(weights):
    """The network with its convolutions in bfloat16, the mean and the logits in float32.

    Batch normalization is folded into the kernels before they are rounded, which costs no accuracy;
    the images are resized and scaled in float32.
    """
    import keras

    from improved_gan_tf.inception import network

    folded = {}
    for name, array in weights.items():
        node, _, part = name.rpartition("/")
        if part == "conv2d_params":
            norm = {p: weights[f"{node}/batchnorm/{p}"] for p in network.BATCH_NORM}
            scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + network.EPSILON)
            # What is left of the normalization is x + beta.
            one, zero = np.ones_like(scale), np.zeros_like(scale)
            beta = norm["beta"] - norm["moving_mean"] * scale
            parts = (beta, one, zero, one - network.EPSILON)
            folded[name] = array * scale
            for p, value in zip(network.BATCH_NORM, parts, strict=True):
                folded[f"{node}/batchnorm/{p}"] = value
        elif "/batchnorm/" not in name:
            folded[name] = array
    kept = ("InputLayer", "ResizeBilinear", "Rescaling", "GlobalAveragePooling2D", "Logits")

    def clone(layer):
        config = layer.get_config()
        if type(layer).__name__ not in kept:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    model = keras.models.clone_model(network.build_network(), clone_function=clone)
    network.set_weights(model, folded)
    return model


def _function(model):
    """A function of a batch that returns features and logits as float32 arrays."""
    import tensorflow as tf

    called = tf.function(lambda x: model(x, training=False), autograph=False)

    def function(images):
        found = called(tf.constant(images, tf.float32))
        return found["pool_3"].numpy(), found["logits"].numpy(), found["biased_logits"].numpy()

    return function


def _add_runtimes(functions, model, images, folder):
    """Adds those that are installed and run the network; returns what is said of the others."""
    notes = {}
    missing = [name for name in RUNTIMES if importlib.util.find_spec(name) is None]
    notes |= {RUNTIMES[name]: "not installed" for name in missing}
    if len(missing) == len(RUNTIMES):
        return notes
    path = Path(folder) / "inception.onnx"
    try:
        model(images[:1])  # Keras exports what was called
        model.export(str(path), format="onnx", verbose=False)
    except Exception as error:  # of tf2onnx, which raises many kinds
        reason = f"the network does not export to ONNX: {' '.join(str(error).split())[:200]}"
        return dict.fromkeys(RUNTIMES.values(), reason) | notes
    for name, add in (("onnxruntime", _add_onnxruntime), ("openvino", _add_openvino)):
        if name not in missing:
            try:
                add(functions, path, images[:2])
            except Exception as error:
                notes[RUNTIMES[name]] = f"does not run it: {' '.join(str(error).split())[:200]}"
    return notes


def _add_onnxruntime(functions, path, few):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    (name,) = (x.name for x in session.get_inputs())

    def function(images):
        return session.run(None, {name: images.astype(np.float32)})

    function(few)
    functions["ONNX Runtime"] = function


def _add_openvino(functions, path, few):
    import openvino

    core = openvino.Core()
    for precision, title in (("f32", "OpenVINO"), ("bf16", "OpenVINO, bfloat16")):
        values = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
        }
        compiled = core.compile_model(core.read_model(path), "CPU", values)

        def function(images, compiled=compiled):
            return [*compiled([images.astype(np.float32)]).values()]

        function(few)
        functions[title] = function


def _speeds(functions, batch, repeats):
    """Images per second of each, in turns, and as shares of the floors."""
    large, operations = products()
    work = {name: lambda f=function: f(batch) for name, function in functions.items()}
    seconds = medians(repeated(work | large, repeats))
    floors = {dtype: rate / OPERATIONS for dtype, rate in rates(seconds, operations).items()}
    speed = {name: len(batch) / s for name, s in seconds.items()}
    return {
        **{f"{name}, images/s": value for name, value in speed.items()},
        **{f"{dtype} floor, images/s": value for dtype, value in floors.items()},
        **{f"{dtype} / its floor": speed[dtype] / floors[dtype] for dtype in floors},
        "bfloat16 / float32": speed["bfloat16"] / speed["float32"],
    }


def _outputs(function, images, batch_size):
    """Features, logits without bias and with it, of all images."""
    parts = [function(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def differences(expected, found):
    """What bfloat16 changes.

    Args:
        expected, found: Features (N, F), logits without bias and with it (N, K), of both.
    """
    from improved_gan_tf import metrics

    def score(logits):
        return metrics.score_from_logits(logits)[0]

    def fid(features):
        half = len(features) // 2
        return metrics.frechet_distance_of_features(features[:half], features[half:])

    def probabilities(logits):
        exponents = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
        return exponents / exponents.sum(1, keepdims=True)

    features = expected[0].astype(np.float64)
    error = found[0] - features
    p, q = probabilities(expected[2]), probabilities(found[2])
    scores = [score(outputs[1]) for outputs in (expected, found)]
    distances = [fid(outputs[0]) for outputs in (expected, found)]
    return {
        "features, relative error (rms)": float(np.linalg.norm(error) / np.linalg.norm(features)),
        "features, largest / largest": float(np.abs(error).max() / np.abs(features).max()),
        "probabilities, largest error": float(np.abs(q - p).max()),
        "same class": float(np.mean(p.argmax(1) == q.argmax(1))),
        "score, float32": scores[0],
        "score, difference": scores[1] - scores[0],
        "FID of halves, float32": distances[0],
        "FID of halves, difference": distances[1] - distances[0],
    }


def verdict(result, published):
    """Whether the rule for accepting bfloat16 holds, in words."""
    rule = f"|score| <= {SCORE}, |FID| <= {FID} on {IMAGES:,} real images by published weights"
    if not published or result["images"] < IMAGES:
        by = f"{'published' if published else 'other'} weights, {result['images']:,} images"
        return f"not decided: {by}; needs {rule}"
    holds = (
        abs(result["score, difference"]) <= SCORE
        and abs(result["FID of halves, difference"]) <= FID
    )
    return f"{'accepted' if holds else 'rejected'}: {rule}"
