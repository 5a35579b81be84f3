"""Exported generators: served without this package, by TensorFlow alone, ONNX or LiteRT."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import export, models, networks
from improved_gan_tf.errors import UserError
from improved_gan_tf.layers import walk
from tests.helpers.full_disk import file_size_limit


@pytest.fixture(scope="module")
def gan():
    keras.utils.set_random_seed(3)
    generator = networks.dense.generator((8, 8, 1), 20, (16, 16))
    z = np.random.RandomState(0).uniform(size=(64, 20)).astype("float32")
    for _ in range(30):  # running averages away from their start
        generator(z, training=True)
    discriminator = networks.dense.discriminator((8, 8, 1), 10, (8,))
    return models.SemiSupervisedGAN(generator, discriminator, image_range=(-0.5, 2.0))


@pytest.fixture(scope="module")
def generator(gan):
    return gan.generator


@pytest.fixture(scope="module")
def imagenet():
    """(a model whose generator has a latent vector for each level, latents by name, its images)."""
    keras.utils.set_random_seed(3)
    generator = networks.imagenet.generator((16, 16, 3), width=0.1)
    discriminator = networks.imagenet.discriminator((16, 16, 3), 3, width=0.1)
    gan, rng = models.ImageNetGAN(generator, discriminator, seed=1), np.random.RandomState(0)
    latents = {x.name: rng.uniform(-1, 1, (3, *x.shape[1:])).astype("f4") for x in generator.inputs}
    return gan, latents, np.asarray(gan.serving_generator()(list(latents.values())))


def _z(n):
    return np.random.RandomState(n).uniform(size=(n, 20)).astype("float32")


_SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
inputs = np.load(sys.argv[2])
out = {name: model.serve(z).numpy() for name, z in inputs.items()}
out["named"] = list(model.signatures["serve"](z=tf.constant(inputs["z3"])).values())[0].numpy()
out["drawn"] = model.sample(5, 7).numpy()
out["again"] = model.sample(5, 7).numpy()
out["other"] = model.sample(5, 8).numpy()
out["range"] = model.image_range().numpy()
np.savez(sys.argv[3], **out)
print(json.dumps(sorted(m for m in sys.modules if m.split(".")[0] in ("keras", "improved_gan_tf"))))
"""


def test_saved_model_by_tensorflow_alone(gan, generator, tmp_path):
    assert export.export(gan, tmp_path / "generator") == tmp_path / "generator"
    inputs = {f"z{n}": _z(n) for n in (1, 3, 500)}
    np.savez(tmp_path / "in.npz", **inputs)
    paths = [str(tmp_path / name) for name in ("generator", "in.npz", "out.npz")]
    served = subprocess.run(
        [sys.executable, "-c", _SERVE, *paths], capture_output=True, text=True, cwd=tmp_path
    )
    assert served.returncode == 0, served.stderr
    # TensorFlow itself may load Keras lazily; this package is never needed.
    assert not [m for m in json.loads(served.stdout) if m.startswith("improved_gan_tf")]
    with np.load(tmp_path / "out.npz") as out:
        for name, z in inputs.items():
            np.testing.assert_allclose(out[name], generator(z), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(out["named"], out["z3"])
        assert out["drawn"].shape == (5, 8, 8, 1)
        np.testing.assert_array_equal(out["drawn"], out["again"])
        assert np.abs(out["drawn"] - out["other"]).max() > 1e-3
        np.testing.assert_array_equal(out["range"], gan.image_range)


def test_open_generator(gan, tmp_path):
    generator = export.open_generator(export.export(gan, tmp_path / "generator"))
    assert generator.image_range == (-0.5, 2.0)
    drawn = generator.draw(3, 7)
    assert drawn.shape == (3, 8, 8, 1) and drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, generator.draw(3, 7))
    assert np.abs(drawn - generator.draw(3, 8)).max() > 1e-3


def test_open_generator_of_version_0_1(gan, tmp_path):
    """Its SavedModels have no image_range."""
    archive = keras.export.ExportArchive()
    archive.track(gan.generator)
    scalar = tf.TensorSpec((), tf.int32)
    archive.add_endpoint("sample", lambda n, seed: tf.zeros((n, 8, 8, 1)), [scalar, scalar])
    archive.write_out(str(tmp_path / "old"), verbose=False)
    generator = export.open_generator(tmp_path / "old")
    assert generator.image_range is None and generator.draw(2, 1).shape == (2, 8, 8, 1)


def test_open_generator_refuses_other_models(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"has no sample\(n, seed\); expected"):
        export.open_generator(tmp_path / "empty")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no model")
    for path in (tmp_path / "damaged", tmp_path / "absent"):
        with pytest.raises(UserError, match="cannot be loaded as a SavedModel"):
            export.open_generator(path)


def test_saved_model_is_replaced_but_nothing_else(gan, tmp_path):
    path = tmp_path / "generator"
    export.export(gan, path)
    export.export(gan, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["generator"]
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    export.saved_model(gan.generator, tmp_path / "notes", (0, 1), (0, 1))
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no model")
    for name in ("other", "notes", "damaged"):
        before = sorted((tmp_path / name).rglob("*"))
        with pytest.raises(UserError, match="something else than a generator that export wrote"):
            export.export(gan, tmp_path / name)
        assert sorted((tmp_path / name).rglob("*")) == before
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file; name another place"):
        export.export(gan, tmp_path / "file")


def test_generators_of_earlier_versions_are_replaced(gan, tmp_path):
    """A run that was exported by one must be able to end."""
    archive = keras.export.ExportArchive()
    archive.track(gan.generator)
    scalar = tf.TensorSpec((), tf.int32)
    archive.add_endpoint("serve", lambda z: z, [tf.TensorSpec((None, 20))])
    archive.add_endpoint("sample", lambda n, seed: tf.zeros((n, 8, 8, 1)), [scalar, scalar])
    archive.write_out(str(tmp_path / "old"), verbose=False)
    export.check_place(tmp_path / "old")


def test_a_full_disk_is_one_line(gan, tmp_path):
    """A model that is there stays."""
    path = tmp_path / "generator"
    export.export(gan, path)
    before = (path / "saved_model.pb").read_bytes()
    with file_size_limit(20_000), pytest.raises(UserError, match="cannot write .*generator: File"):
        export.export(gan, path)
    assert (path / "saved_model.pb").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["generator"]


def test_unknown_format(gan, tmp_path):
    with pytest.raises(UserError, match="unknown format 'pickle'; choose one of savedmodel, onnx"):
        export.export(gan, tmp_path / "x", "pickle")


def test_litert_needs_keras_3_13(gan, tmp_path, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.12.4")
    with pytest.raises(UserError, match="LiteRT export needs Keras 3.13 or later, not 3.12.4"):
        export.export(gan, tmp_path / "generator.tflite", "litert")


@pytest.fixture
def litert():
    """The interpreter of LiteRT models, where it is installed and Keras can write them."""
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
        pytest.skip("Keras before 3.13 writes no LiteRT models")
    return pytest.importorskip("ai_edge_litert.interpreter")


def test_onnx(gan, generator, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = export.export(gan, tmp_path / "generator.onnx", "onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 7):
        (images,) = session.run(None, {session.get_inputs()[0].name: _z(n)})
        np.testing.assert_allclose(images, generator(_z(n)), rtol=0, atol=1e-6)
    with pytest.raises(UserError, match="exists already"):
        export.export(gan, path, "onnx")


def test_onnx_of_several_inputs(imagenet, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    gan, latents, expected = imagenet
    path = export.export(gan, tmp_path / "generator.onnx", "onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 3):
        (images,) = session.run(None, {name: z[:n] for name, z in latents.items()})
        np.testing.assert_allclose(images, expected[:n], rtol=0, atol=1e-5)


def test_litert(gan, generator, litert, tmp_path):
    path = export.export(gan, tmp_path / "generator.tflite", "litert")
    run = litert.Interpreter(str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    for n in (1, 7):
        (images,) = run(**{name: _z(n)}).values()
        np.testing.assert_allclose(images, generator(_z(n)), rtol=0, atol=1e-6)
    interpreter = litert.Interpreter(str(path))  # the runner holds on to the other one's memory
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], (5, 20))
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], _z(5))
    interpreter.invoke()
    images = interpreter.get_tensor(made["index"])
    np.testing.assert_allclose(images, generator(_z(5)), rtol=0, atol=1e-6)
    with pytest.raises(UserError, match="must end with .tflite, not generator.lite"):
        export.export(gan, tmp_path / "generator.lite", "litert")


def test_litert_of_several_inputs(imagenet, litert, tmp_path):
    gan, latents, expected = imagenet
    path = export.export(gan, tmp_path / "generator.tflite", "litert")
    run = litert.Interpreter(str(path)).get_signature_runner()
    for n in (1, 3):
        (images,) = run(**{name: z[:n] for name, z in latents.items()}).values()
        np.testing.assert_allclose(images, expected[:n], rtol=0, atol=1e-5)


@pytest.mark.parametrize("network", [networks.dense, networks.imagenet])
def test_mixed_precision_is_exported_in_float32(tmp_path, network):
    """onnxruntime cannot load products in bfloat16, and images are float32 in every format."""
    ort = pytest.importorskip("onnxruntime")
    shape = (16, 16, 3)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        pair = network.generator(shape, width=0.1), network.discriminator(shape, 3, width=0.1)
        kind = models.SemiSupervisedGAN if network is networks.dense else models.ImageNetGAN
        gan = kind(*pair, seed=1)
        session = ort.InferenceSession(export.export(gan, tmp_path / "g.onnx", "onnx"))
        assert {layer.compute_dtype for layer in walk(gan.generator)} == {"bfloat16"}
        served = tf.saved_model.load(str(export.export(gan, tmp_path / "g")))
    finally:
        keras.config.set_dtype_policy("float32")
    rng = np.random.RandomState(0)
    z = {x.name: rng.uniform(size=(3, *x.shape[1:])).astype("f4") for x in gan.generator.inputs}
    found = session.run(None, {x.name: z[x.name] for x in session.get_inputs()})[0]
    images = served.serve(*z.values())
    assert found.dtype == np.float32 and images.dtype == tf.float32
    np.testing.assert_allclose(found, images, atol=0.05)  # computed in bfloat16 there
    assert served.sample(2, 1).dtype == tf.float32


def test_mixed_precision_of_a_generator_of_one_s_own(tmp_path):
    """Its classes need not be registered with Keras, and it may be subclassed."""
    ort = pytest.importorskip("onnxruntime")

    class Own(keras.Model):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.inner = keras.layers.Dense(64, "sigmoid", dtype="mixed_bfloat16")

        def call(self, z):
            return keras.ops.reshape(self.inner(z), (-1, 8, 8, 1))

    generator = Own()
    generator(np.zeros((1, 20), "f4"))
    discriminator = networks.dense.discriminator((8, 8, 1), 3, width=0.1)
    gan = models.SemiSupervisedGAN(generator, discriminator, seed=1)
    session = ort.InferenceSession(export.export(gan, tmp_path / "g.onnx", "onnx"))
    z = np.random.RandomState(0).uniform(size=(3, 20)).astype("f4")
    (found,) = session.run(None, {session.get_inputs()[0].name: z})
    kernel, bias = (np.asarray(v) for v in generator.inner.weights)
    exact = 1 / (1 + np.exp(-(z @ kernel + bias)))
    np.testing.assert_allclose(found, exact.reshape(3, 8, 8, 1), atol=1e-6)
