"""Extractors by their names: files, keras.applications, KerasHub's presets; and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import inception, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import applications, resize

SIZE = 40  # of MobileNet in these tests


@pytest.fixture
def pictures():
    """Seven images of a size that no network here takes."""
    return np.random.default_rng(0).integers(0, 256, (7, 24, 30, 3), dtype=np.uint8)


def _refused(match, name, **options):
    with pytest.raises(UserError, match=match) as error:
        metrics.load_extractor(name, **options)
    assert "\n" not in str(error.value)


def test_names():
    plain = metrics.load_extractor(weights=inception.random_weights(1))
    assert isinstance(plain, metrics.Inception) and plain.resized == "legacy to 299 x 299"
    _refused("no such classifier or other extractor; choose inception, a .keras file", "clip")
    _refused("absent.keras takes Inception's place .* leave out --weights", "absent.keras",
             weights="x")  # fmt: skip
    _refused("keras.applications has no 'VGG'; choose from .*VGG16", "keras_applications:VGG")
    _refused("there is no such file of weights for keras_applications:VGG16",
             "keras_applications:VGG16", weights="absent.h5")  # fmt: skip
    for checked in ({"fingerprint": "abc"}, {"check": False}):
        _refused("only Inception's weights are checked", "keras_applications:VGG16", **checked)


def _encoder(*last):
    return keras.Sequential([keras.Input((24, 30, 3)), keras.layers.Rescaling(1 / 255), *last])


def test_a_file_that_gives_features_alone(pictures, tmp_path):
    """An output named "features" is not taken for logits, in both kinds of files."""
    pool = keras.layers.GlobalAveragePooling2D
    _encoder(pool(name="features")).save(tmp_path / "a.keras")
    _encoder(pool()).save(tmp_path / "b.keras")  # may be both
    archive, model = keras.export.ExportArchive(), _encoder(pool())
    archive.track(model)
    spec = tf.TensorSpec((None, 24, 30, 3), tf.float32)
    archive.add_endpoint("serve", lambda x: {"features": model(x)}, [spec])
    archive.write_out(str(tmp_path / "c"), verbose=False)
    for name in ("a.keras", "b.keras", "c"):
        extractor = metrics.load_extractor(tmp_path / name)
        features, logits = extractor(pictures)
        np.testing.assert_allclose(features, pictures.mean(axis=(1, 2)) / 255, rtol=1e-5)
        assert extractor.num_features == 3
        assert (logits is None) == (not extractor.classifies) == (name != "b.keras")
    options = {"classifier": tmp_path / "a.keras", "reference": pictures[1:], "metrics": ("fid",)}
    assert metrics.evaluate(pictures, **options).figures["fid"] > 0
    with pytest.raises(UserError, match="a.keras gives no class probabilities"):
        metrics.inception_score(pictures, classifier=tmp_path / "a.keras", splits=1)


def test_an_extractor_that_gives_no_vector(tmp_path):
    _encoder(keras.layers.MaxPooling2D()).save(tmp_path / "map.keras")
    _refused(r"map.keras gives no vector but an output of shape \(None, 12, 15, 3\)",
             tmp_path / "map.keras")  # fmt: skip
    with pytest.raises(UserError, match="gives no vector but"):
        metrics.FeatureExtractor(_encoder(keras.layers.MaxPooling2D()), "map")
    flat = keras.Sequential([keras.Input((9,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match="takes input of shape"):
        metrics.FeatureExtractor(flat, "flat")
    archive, model = keras.export.ExportArchive(), _encoder(keras.layers.MaxPooling2D())
    archive.track(model)
    spec = tf.TensorSpec((None, 24, 30, 3), tf.float32)
    archive.add_endpoint("serve", lambda x: {"features": model(x)}, [spec])
    archive.write_out(str(tmp_path / "map"), verbose=False)
    _refused("gives no vector but features of shape", tmp_path / "map")


def test_features_that_are_not_finite_are_refused(pictures):
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Lambda(lambda x: x / 0.0)]
    broken = metrics.FeatureExtractor(_encoder(*layers), "broken")
    with pytest.raises(UserError, match="output for image 0 .* is not finite"):
        metrics.statistics_of(pictures, classifier=broken)


def test_keras_applications(pictures, tmp_path, monkeypatch):
    """By a file of weights: their own normalization, and the hash of the weights."""
    monkeypatch.setitem(applications._SIZES, "MobileNet", SIZE)
    keras.utils.set_random_seed(5)
    settings = {"include_top": False, "pooling": "avg", "input_shape": (SIZE, SIZE, 3)}
    network = keras.applications.MobileNet(weights=None, **settings)
    network.save_weights(tmp_path / "own.weights.h5")
    extractor = metrics.load_extractor(
        "keras_applications:MobileNet", weights=tmp_path / "own.weights.h5"
    )
    resized = np.stack([resize.clean(image, (SIZE, SIZE)) for image in pictures])
    expected = network.predict(resized / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(extractor(pictures)[0], expected, rtol=1e-4, atol=1e-6)
    assert extractor.num_features == 1024 and extractor.resized == f"clean to {SIZE} x {SIZE}"

    result = metrics.evaluate(pictures, extractor, metrics=(), keep_statistics=True)
    line = f"extractor        keras_applications:MobileNet ({extractor.digest[:23]}), resize clean"
    assert any(each.startswith(line) for each in result.lines())
    network.weights[0].assign(network.weights[0] + 1)
    other = metrics.FeatureExtractor(network, "keras_applications:MobileNet")
    assert other.digest != extractor.digest and extractor.digest.startswith("arrays:")
    by = "keras_applications:MobileNet arrays:.{16} .1024 features. cannot be compared with those"
    with pytest.raises(UserError, match=f"statistics by {by} by {by[:44]}"):
        metrics.fid(pictures, result.statistics, classifier=other)

    (tmp_path / "bad.weights.h5").write_bytes(b"no HDF5")
    _refused("bad.weights.h5 cannot be loaded as weights of MobileNet without its top",
             "keras_applications:MobileNet", weights=tmp_path / "bad.weights.h5")  # fmt: skip


def test_keras_applications_without_a_network(monkeypatch):
    def offline(*arguments, **options):
        raise Exception("URL fetch failure on https://storage:\n None")

    monkeypatch.setattr(keras.applications, "MobileNet", offline)
    _refused("could not be downloaded .URL fetch failure on https://storage: None.; on a machine "
             "with internet access, run keras.applications.MobileNet.include_top=False. and copy "
             "the file that it writes to ~/.keras/models .* or pass it with --weights FILE",
             "keras_applications:MobileNet")  # fmt: skip


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """The folders of small random presets: a CLIP, a DINOv2, a ResNet, and one of texts."""
    hub = pytest.importorskip("keras_hub", reason="the comparison needs KerasHub")
    from keras_hub import layers, models

    keras.utils.set_random_seed(6)
    inner = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "intermediate_dim": 32}
    texts = models.CLIPTextEncoder(vocabulary_size=20, embedding_dim=16, **inner)
    images = models.CLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), **inner)
    shape = {"image_shape": (14, 14, 3), "position_embedding_shape": (14, 14, 3)}
    residual = {"input_conv_filters": [64], "input_conv_kernel_sizes": [3], "use_pre_activation": 0}
    stacks = {
        "stackwise_num_filters": [64],
        "stackwise_num_blocks": [1],
        "stackwise_num_strides": [1],
    }
    by_channel = {"scale": [0.015, 0.016, 0.014], "offset": [-1.8, -1.7, -1.5]}
    made = {
        "clip": (
            models.CLIPBackbone(images, texts, projection_dim=12),
            layers.CLIPImageConverter(
                (16, 16), interpolation="bicubic", antialias=True, **by_channel
            ),
        ),
        "dino": (
            models.DINOV2Backbone(patch_size=7, **inner, **shape),
            layers.DINOV2ImageConverter((14, 14), crop_to_aspect_ratio=False, **by_channel),
        ),
        "resnet": (
            models.ResNetBackbone(block_type="basic_block", **residual, **stacks),
            layers.ResNetImageConverter((18, 18), scale=1 / 255),
        ),
        "texts": (texts, None),
    }
    folder = tmp_path_factory.mktemp("presets")
    for name, parts in made.items():
        for part in filter(None, parts):
            part.save_to_preset(str(folder / name))
    return folder, made, hub


def _vectors(name, backbone, converter, images):
    """What KerasHub's own parts give, for images of equal sizes."""
    given = converter(images.astype("float32"))
    if name == "clip":
        return np.asarray(backbone.get_vision_embeddings(given))
    output = np.asarray(backbone({"images": given} if name == "dino" else given))
    return output[:, 0] if name == "dino" else output.mean(axis=(1, 2))


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    "name, resized, features",
    [
        ("clip", "bicubic, antialiased, of the middle to 16 x 16", 12),
        ("dino", "bilinear to 14 x 14", 16),
        ("resnet", "bilinear, of the middle to 18 x 18", 64),
    ],
)
def test_keras_hub(presets, pictures, name, resized, features):
    folder, made, _ = presets
    extractor = metrics.load_extractor(f"keras_hub:{folder / name}")
    assert (extractor.num_features, extractor.resized) == (features, resized)
    assert extractor.clip == (name == "clip")
    expected = _vectors(name, *made[name], pictures)
    prepared = extractor.stack([extractor.prepare(image) for image in pictures])
    np.testing.assert_allclose(extractor(prepared)[0], expected, rtol=1e-4, atol=1e-5)

    clean = metrics.load_extractor(f"keras_hub:{folder / name}", resize="clean")
    assert clean.resized == f"clean to {extractor.size[0]} x {extractor.size[1]}"
    sized = np.stack([resize.clean(image, clean.size) for image in pictures])
    expected = _vectors(name, *made[name], sized)
    np.testing.assert_allclose(clean(pictures)[0], expected, rtol=1e-4, atol=1e-5)
    assert clean.digest == extractor.digest
    with pytest.raises(UserError, match="images resized by"):
        metrics.fid(pictures, metrics.statistics_of(pictures, classifier=clean),
                    classifier=extractor)  # fmt: skip


def test_what_keras_hub_refuses(presets, tmp_path):
    folder, _, _ = presets
    _refused("could not be loaded .*expected a preset with an image converter. Without an internet",
             "keras_hub:no_such_preset")  # fmt: skip
    _refused("could not be loaded", f"keras_hub:{folder / 'texts'}")


def test_without_keras_hub(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    _refused("dinov2_base needs the package keras-hub; pip install", "keras_hub:dinov2_base")
