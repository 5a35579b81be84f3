"""The network compared with torch-fidelity's through every reader, and the GraphDef it writes."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf.inception import graph_def, names, network, weights
from improved_gan_tf.inception.random_weights import random_weights
from improved_gan_tf.inception.resize import resize_bilinear
from improved_gan_tf.metrics import Inception
from tests.helpers import pth_writer
from tests.helpers.torch_fidelity_peer import extractor, peer

SIZES = ((32, 32), (75, 120), (299, 299), (341, 500))  # height, width


@pytest.fixture(scope="module")
def arrays():
    return random_weights(5)


@pytest.fixture(scope="module")
def model(arrays):
    return network.build_network(arrays)


@pytest.fixture(scope="module")
def predict(model):
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    return lambda x: {k: v.numpy() for k, v in function(tf.constant(x, tf.float32)).items()}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two photographs of scikit-learn, cropped, the second one grey, in several sizes."""
    from sklearn.datasets import load_sample_images

    found = [Image.fromarray(a).crop((100, 20, 560, 420)) for a in load_sample_images().images]
    found[1] = found[1].convert("L").convert("RGB")
    return {
        (h, w): np.stack([np.asarray(image.resize((w, h))) for image in found]) for h, w in SIZES
    }


def close(actual, expected, tolerance):
    """Differences relative to the largest value: small features are sums of large terms."""
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error < tolerance, f"relative difference {error:.1e}"


def test_resize_is_tensorflow_1_s():
    """By its definition: output i looks at i H / size, without half pixels or alignment."""
    x = np.random.default_rng(0).uniform(0, 255, (1, 5, 7, 2)).astype(np.float32)
    found = resize_bilinear(x, (9, 3)).numpy()[0]
    rows, columns = np.arange(9) * 5 / 9, np.arange(3) * 7 / 3
    expected = np.empty((9, 3, 2))
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            r0, c0 = int(r), int(c)
            r1, c1 = min(r0 + 1, 4), min(c0 + 1, 6)
            top = x[0, r0, c0] * (1 - c + c0) + x[0, r0, c1] * (c - c0)
            bottom = x[0, r1, c0] * (1 - c + c0) + x[0, r1, c1] * (c - c0)
            expected[i, j] = top * (1 - r + r0) + bottom * (r - r0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # float32 coordinates
    same = resize_bilinear(x, (5, 7)).numpy()
    np.testing.assert_array_equal(same, x)


def test_resize_equals_torch_fidelity(pictures):
    torch = pytest.importorskip("torch", reason="the comparison needs PyTorch")
    module = peer("interpolate_compat_tensorflow")
    for x in pictures.values():
        other = module.interpolate_bilinear_2d_like_tensorflow1x(
            torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32)),
            (299, 299),
            align_corners=False,
        )
        ours = resize_bilinear(x, (299, 299)).numpy()
        # 255 * 6e-8: the weights of the four neighbours are rounded in another order.
        assert np.abs(ours - other.numpy().transpose(0, 2, 3, 1)).max() < 1e-5 * 255


@pytest.fixture(scope="module")
def peer_features(arrays, pictures, tmp_path_factory):
    """Files of the weights in each format, and torch-fidelity's features and logits of all
    pictures, for which it read the weights itself."""
    folder = tmp_path_factory.mktemp("peer")
    state = {
        other: pth_writer.to_pytorch(arrays[name]) for name, other in names.pytorch_names().items()
    }
    paths = {
        "legacy.pth": pth_writer.write(folder / "legacy.pth", state, legacy=True),
        "zip.pth": pth_writer.write(folder / "zip.pth", state),
        "graph.pb": graph_def.write_graph(folder / "graph.pb", arrays),
    }
    extract = extractor(paths["legacy.pth"])
    return paths, {size: extract(x) for size, x in pictures.items()}


@pytest.mark.parametrize("kind", ("zip.pth", "legacy.pth", "graph.pb"))
def test_features_and_logits_equal_torch_fidelity(kind, arrays, model, predict, pictures, request):
    """48 layers in float32: the tolerance is 1e-4 of the largest value, the errors are 1e-6."""
    paths, expected = request.getfixturevalue("peer_features")
    network.set_weights(model, {name: np.full_like(a, 0.01) for name, a in arrays.items()})
    network.set_weights(model, weights.load_weights(paths[kind], check=False))
    # All sizes by one reader; for the others one size shows that they read the same.
    for size in SIZES if kind == "zip.pth" else SIZES[:1]:
        found = predict(pictures[size])
        for ours, theirs in (
            ("pool_3", "2048"),
            ("logits", "logits_unbiased"),
            ("biased_logits", "logits"),
        ):
            close(found[ours], expected[size][theirs], 1e-4)
        # The comparison can only fail if the two images have different features.
        assert np.ptp(expected[size]["2048"], axis=0).max() > 1e-2


def test_spatial_features_equal_those_of_torch_fidelity_s_network(arrays, pictures, peer_features):
    """The first 7 channels of mixed_6/conv, after the relu: what sFID is computed from."""
    classifier = Inception(weights.Weights(arrays, "random", "random"))
    size = SIZES[0]
    features, logits, found = classifier.with_spatial(pictures[size])
    expected = peer_features[1][size]
    close(found, expected["spatial"][..., :7].reshape(2, -1), 1e-4)
    close(features, expected["2048"], 1e-4)
    close(logits, expected["logits_unbiased"], 1e-4)
    assert found.shape == (2, classifier.num_spatial) and found.min() == 0 < found.max()


def test_one_image_or_many(predict, pictures):
    """The outputs of an image do not depend on the batch."""
    x = pictures[(32, 32)]
    x = np.concatenate([x, 255 - x, x[:, ::-1], x[:, :, ::-1], np.zeros_like(x[:1])])
    x = np.resize(x, (50, *x.shape[1:]))
    together = predict(x)
    for i in (0, 3, 8, 49):
        one = predict(x[i : i + 1])
        for name in one:
            close(one[name][0], together[name][i], 1e-5)


def test_parameters_are_the_original_s():
    """94 convolutions of 5 arrays and the last layer: 95,541,568 bytes of the .pb's 95,673,916."""
    shapes = network.parameters()
    assert len(shapes) == 94 * 5 + 2
    assert sum(4 * int(np.prod(s)) for s in shapes.values()) == 95_541_568
    assert shapes["mixed_10/tower_1/mixed/conv_1/conv2d_params"] == (3, 1, 384, 384)
    others = list(names.pytorch_names().values())
    assert len(set(others)) == len(others) and "Mixed_7c.branch3x3dbl_3b.bn.running_var" in others


def test_model_round_trip(model, predict, pictures, tmp_path):
    model.save(tmp_path / "inception.keras")
    again = tf.keras.models.load_model(tmp_path / "inception.keras")
    x = pictures[(32, 32)][:1].astype(np.float32)
    expected = predict(x)
    found = again(x, training=False)
    for name in expected:
        close(found[name].numpy(), expected[name], 1e-5)


# --- the GraphDef ---


@pytest.fixture(scope="module")
def graph_file(arrays, tmp_path_factory):
    return graph_def.write_graph(
        tmp_path_factory.mktemp("graph") / "classify_image_graph_def.pb", arrays
    )


def _old_program(path, feed, fetches):
    """Runs the file as programs of 2016 do, through tf.compat.v1."""
    tf1 = tf.compat.v1
    with tf1.Graph().as_default():
        with tf1.gfile.FastGFile(str(path), "rb") as stream:
            definition = tf1.GraphDef()
            definition.ParseFromString(stream.read())
        tf1.import_graph_def(definition, name="")
        with tf1.Session() as session:
            tensors = [session.graph.get_tensor_by_name(name) for name in fetches]
            return session.run(tensors, feed)


def test_an_old_program_runs_on_the_written_graph(graph_file, predict, pictures):
    fetches = ["pool_3:0", "softmax/logits/MatMul:0", "softmax:0", "pool_3/_reshape:0"]
    x = pictures[(32, 32)]
    for images in (x[:1], x.astype(np.float64)):
        pool_3, logits, softmax, flat = _old_program(graph_file, {"ExpandDims:0": images}, fetches)
        expected = predict(images)
        n = len(images)
        assert pool_3.shape == (n, 1, 1, 2048) and softmax.shape == (n, 1008)
        np.testing.assert_array_equal(pool_3[:, 0, 0], flat)
        # FusedBatchNorm here, folded into the kernels there.
        close(flat, expected["pool_3"], 1e-5)
        close(logits, expected["logits"], 1e-5)
        close(softmax, tf.nn.softmax(expected["biased_logits"]).numpy(), 1e-4)


def test_the_original_score_program(graph_file, predict, pictures):
    """The paper's own program rewrites the shapes of all tensors so that the batch size is free,
    and builds its softmax on the weights that enter softmax/logits/MatMul."""
    tf1 = tf.compat.v1
    x = pictures[(32, 32)].astype(np.float32)
    with tf1.Graph().as_default(), tf1.Session() as session:
        definition = tf1.GraphDef.FromString(graph_file.read_bytes())
        tf1.import_graph_def(definition, name="")
        pool_3 = session.graph.get_tensor_by_name("pool_3:0")
        for operation in pool_3.graph.get_operations():
            for output in operation.outputs:
                shape = output.get_shape().as_list()  # fails where the rank is unknown
                free = [None if s == 1 and j == 0 else s for j, s in enumerate(shape)]
                output.set_shape(tf.TensorShape(free))
        w = session.graph.get_operation_by_name("softmax/logits/MatMul").inputs[1]
        softmax = tf1.nn.softmax(tf1.matmul(tf1.squeeze(pool_3, [1, 2]), w))
        found = session.run(softmax, {"ExpandDims:0": x})
    close(found, tf.nn.softmax(predict(x)["logits"]).numpy(), 1e-4)


def test_a_jpeg_and_a_prefix(graph_file, predict, pictures, tmp_path):
    """classify_image.py feeds the bytes of a JPEG; FID programs import with a prefix and replace
    the input."""
    Image.fromarray(pictures[(75, 120)][0]).save(tmp_path / "a.jpg", quality=90)
    data = (tmp_path / "a.jpg").read_bytes()
    decoded = tf.io.decode_jpeg(data, 3).numpy()
    feed = {"DecodeJpeg/contents:0": data}
    (softmax,) = _old_program(graph_file, feed, ["softmax:0"])
    expected = tf.nn.softmax(predict(decoded[None])["biased_logits"]).numpy()
    close(softmax, expected, 1e-4)

    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        definition = tf1.GraphDef.FromString(graph_file.read_bytes())
        images = tf1.placeholder(tf.float32, (None, None, None, 3))
        (pool_3,) = tf1.import_graph_def(
            definition, {"ExpandDims:0": images}, ["pool_3:0"], name="FID_Inception_Net"
        )
        assert pool_3.shape.as_list() == [None, 1, 1, 2048]
        found = session.run(pool_3, {images: decoded[None]})
        assert "FID_Inception_Net/mixed_10/join" in {
            operation.name for operation in session.graph.get_operations()
        }
    close(found[:, 0, 0], predict(decoded[None])["pool_3"], 1e-5)


def test_node_names(graph_file):
    """The documented names of the original file, in its order."""
    definition = tf.compat.v1.GraphDef.FromString(graph_file.read_bytes())
    found = [node.name for node in definition.node]
    assert len(set(found)) == len(found)
    beginning = (
        "DecodeJpeg/contents DecodeJpeg Cast ExpandDims/dim ExpandDims "
        "ResizeBilinear/size ResizeBilinear Sub/y Sub Mul/y Mul conv/conv2d_params "
        "conv/Conv2D conv/batchnorm/beta conv/batchnorm/gamma conv/batchnorm/moving_mean "
        "conv/batchnorm/moving_variance conv/batchnorm conv/CheckNumerics "
        "conv/control_dependency conv conv_1/conv2d_params"
    ).split()
    found.remove("ExpandDims/one_image")  # ours
    assert found[: len(beginning)] == beginning
    for name in (
        "pool/CheckNumerics",
        "pool",
        "mixed/tower_2/pool",
        "mixed_3/pool",
        "mixed_9/join",
        "mixed_10/join/concat_dim",
        "mixed_10/tower_1/mixed/conv_1",
        "pool_3/_reshape/shape",
        "softmax/weights",
        "softmax/biases",
        "softmax/logits",
        "softmax",
    ):
        assert name in found
    convolutions = [node.name for node in definition.node if node.op == "Conv2D"]
    assert len(convolutions) == 94 and convolutions[-1] == "mixed_10/tower_2/conv/Conv2D"


def test_the_original_s_own_operations(arrays, predict, pictures, tmp_path):
    """A graph with BatchNormWithGlobalNormalization, which the published file uses."""
    definition = graph_def.graph_def(arrays)
    definition.versions.producer = 8  # the last version that had it
    for node in definition.node:
        if node.op == "FusedBatchNorm":
            node.op = "BatchNormWithGlobalNormalization"
            x, gamma, beta, mean, variance = node.input
            del node.input[:]
            node.input.extend([x, mean, variance, beta, gamma])
            del node.attr["epsilon"], node.attr["is_training"]
            node.attr["variance_epsilon"].f = 0.001
            node.attr["scale_after_normalization"].b = True
    (tmp_path / "old.pb").write_bytes(definition.SerializeToString())
    x = pictures[(32, 32)]
    (logits,) = _old_program(tmp_path / "old.pb", {"ExpandDims:0": x}, ["softmax/logits/MatMul:0"])
    found = network.build_network(weights.load_weights(tmp_path / "old.pb", check=False))
    close(found(x.astype(np.float32))["logits"].numpy(), logits, 1e-5)
