"""The ways to an extractor's size: their numbers, their protocol, and what refuses to be mixed."""

import numpy as np
import pytest

from improved_gan_tf import inception, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import resize
from reference.clean_resize import clean_resize
from tests.helpers.small_model import small_model

SHAPES = [(32, 32, 3), (40, 31, 3), (299, 299, 3), (420, 310, 3), (1, 3, 1)]


@pytest.fixture(params=SHAPES, ids=str)
def picture(request):
    return np.random.default_rng(1).integers(0, 256, request.param, dtype=np.uint8)


def test_clean_equals_its_definition(picture):
    found = resize.clean(picture, (299, 299))
    assert found.dtype == np.float32 and found.shape == (299, 299, picture.shape[2])
    np.testing.assert_allclose(found, clean_resize(picture, 299, 299), rtol=1e-6, atol=2e-4)
    np.testing.assert_array_equal(found, resize.clean(picture.astype(np.float32), (299, 299)))


def test_clean_equals_clean_fid(picture):
    """To the last bit, for bytes and for floats that are beyond 0..255."""
    peer = pytest.importorskip("cleanfid.resize", reason="the comparison needs clean-fid")
    picture = np.repeat(picture, 3 // picture.shape[2], axis=2)
    for given in (picture, picture.astype(np.float32) * 1.2 - 20):
        expected = peer.build_resizer("clean")(given)
        np.testing.assert_array_equal(resize.clean(given, (299, 299)), expected)


def test_sizes_are_height_and_width(picture):
    for function in resize.RESIZES.values():
        assert function(picture, (7, 5)).shape == (7, 5, picture.shape[2])


def test_inception_sees_what_was_resized_clean():
    """One by one where they are decoded, or as a batch; its own resize then changes nothing."""
    weights = inception.random_weights(2)
    legacy, network = metrics.Inception(weights), metrics.Inception(weights, resize="clean")
    vars(network)["_loaded"] = legacy._loaded  # built once
    images = np.random.default_rng(0).integers(0, 256, (1, 24, 20, 3), dtype=np.uint8)
    resized = np.stack([resize.clean(image, (299, 299)) for image in images])
    expected = legacy(resized)
    prepared = network.stack([network.prepare(image) for image in images])
    np.testing.assert_array_equal(prepared, resized)
    for given in (prepared, images):
        for found, wanted in zip(network(given), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert np.abs(legacy(images)[0] - expected[0]).max() > 1e-4
    assert (legacy.resized, network.resized) == ("legacy to 299 x 299", "clean to 299 x 299")
    with pytest.raises(UserError, match="no network for a graph"):
        metrics.InceptionScore(network)  # whose graph resizes as TensorFlow 1 did
    with pytest.raises(UserError, match="no resize 'best'; choose from legacy, clean, antialiased"):
        metrics.Inception(weights, resize="best")


def test_a_reference_of_another_resize_is_refused(pixels, tmp_path):
    path, small = tmp_path / "real.npz", small_model(size=4)
    default = metrics.OtherClassifier(small, "small")
    clean = metrics.OtherClassifier(small, "small", resize="clean")
    with pytest.warns(UserWarning, match="are resized"):
        metrics.statistics_of(pixels, classifier=default).save(path)
    message = "antialiased to 4 x 4 cannot be compared with those by clean to 4 x 4; make both by"
    with pytest.raises(UserError, match=message) as error:
        metrics.fid(pixels, path, classifier=clean)
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="are resized"):
        found = metrics.evaluate(pixels, clean, reference=pixels, metrics=("fid",))
    assert found.protocol["resize"] == found.reference["resize"] == "clean to 4 x 4"
    assert "extractor        small (small), resize clean to 4 x 4" in found.lines()


@pytest.mark.parametrize(
    "name, stated",
    [
        ("cifar10_clean_train_32", "clean to 299 x 299"),
        ("ffhq_legacy_tensorflow_trainfull70k_1024", "legacy to 299 x 299"),
        ("mine_legacy_pytorch_custom_na", "legacy_pytorch to 299 x 299"),
        ("mine_clean_clip_vit_b_32_custom_na", ""),  # not Inception's
        ("fid_stats_cifar10_train", ""),
    ],
)
def test_clean_fid_says_its_resize_in_the_name_of_a_file(tmp_path, name, stated):
    path = tmp_path / f"{name}.npz"
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3))
    reference = metrics.Statistics.load(path)
    assert reference.resized == stated
    ours = metrics.Statistics(3, "sha256:1", about={"resize": "legacy to 299 x 299"})
    if stated in ("", "legacy to 299 x 299"):
        ours.check_comparable(reference)
    else:
        with pytest.raises(UserError, match="cannot be compared"):
            ours.check_comparable(reference)


def test_older_files_of_inception_are_of_the_legacy_resize(tmp_path):
    """They were written before there was a choice."""
    old = metrics.Statistics(3, "x", about={"classifier_name": "inception-2015-12-05"})
    old.update(np.eye(3))
    assert metrics.Statistics.load(old.save(tmp_path / "a.npz")).resized == "legacy to 299 x 299"
    other = metrics.Statistics(3, "x", about={"classifier_name": "digits.keras"})
    other.update(np.eye(3))
    assert metrics.Statistics.load(other.save(tmp_path / "b.npz")).resized == ""
