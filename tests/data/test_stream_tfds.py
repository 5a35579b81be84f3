"""Streams of data sets that TFDS has prepared, and the real CIFAR-10 and ImageNet."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.data import arrays, tfds_source
from improved_gan_tf.data.order import mixed_order
from improved_gan_tf.data.records import source as stream_records
from tests.helpers.stream_data import epochs, fails, smooth, square


def prepare(root, name, splits, shape, shards=1):
    """A TFDS data set on disk; splits {name: [(pixels, label)]}."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=shape, encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["n1", "n2", "n3"]),
        }
    )
    builder = tfds.dataset_builders.AdhocBuilder(
        name=name,
        version="1.0.0",
        features=features,
        data_dir=str(root),
        split_datasets={
            split: [(i, {"image": x, "label": y}) for i, (x, y) in enumerate(examples)]
            for split, examples in splits.items()
        },
    )
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))
    return builder


def test_tfds_with_pictures_of_many_sizes(tmp_path):
    pictures = [(smooth(i, 10 + i, 12), i % 3) for i in range(9)]
    unlabeled = [(smooth(0, 10, 10), -1)] * 2
    builder = prepare(
        tmp_path,
        "made",
        {"train": pictures, "validation": pictures[:4], "test": unlabeled},
        (None, None, 3),
        2,
    )
    options = {"data_dir": tmp_path, "batch_size": 3}
    stream = data.load_stream("made", image_size=8, **options)
    assert (stream.num_train, stream.num_test) == (9, 4) and stream.class_names[2] == "n3"
    expected = np.array([square(x, 8) for x, _ in pictures], float)
    (batch,) = stream.test.as_numpy_iterator()
    seen = set()
    for x, y in [*epochs(stream, 0, 1)[0], batch]:
        for image, label in zip((x + 1) * 127.5, y, strict=True):
            differences = np.abs(expected - image).max((1, 2, 3))
            assert differences.min() <= 1.01 and pictures[differences.argmin()][1] == label
            seen.add(int(differences.argmin()))
    assert seen == set(range(9))
    fails(
        "made: its images have many sizes; choose an image size", "made", image_size=None, **options
    )
    path = sorted(builder.data_path.glob("*train*"))[1]
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    fails(f"made: {path} is truncated or damaged, expected [0-9] whole records", "made", **options)
    with pytest.warns(UserWarning, match=f"made: {path} is damaged or truncated after"):
        stream = data.load_stream("made", skip_unreadable=True, **options)
    assert stream.num_train == 8
    path.unlink()
    fails(f"made: {path.name} is missing in .*; remove that folder", "made", **options)


def test_tfds_of_one_size_from_memory_and_from_its_files(tmp_path, monkeypatch):
    pictures = [(smooth(i, 6, 6)[..., :1], i % 3) for i in range(9)]
    prepare(tmp_path, "made", {"train": pictures, "test": pictures[:3]}, (6, 6, 1))
    options = {"data_dir": tmp_path, "batch_size": 3, "image_size": None}
    for limit, kind in ((2**30, arrays.ArraySource), (323, stream_records.RecordSource)):
        monkeypatch.setattr(tfds_source, "IN_MEMORY", limit)
        stream = data.load_stream("made", **options)
        assert isinstance(stream.source, kind) and stream.image_shape == (6, 6, 1)
        x, y = next(iter(stream.test))
        for image, label in zip(x.numpy(), y.numpy(), strict=True):
            pixels = np.rint((image + 1) * 127.5).astype(np.uint8)
            assert any(label == b and (pixels == a).all() for a, b in pictures)
        assert len({x.tobytes() for batch, _ in epochs(stream, 0, 1)[0] for x in batch}) == 9


def test_real_imagenet_from_tfds_and_from_its_folders(shared_data):
    """Both give the same 1,000 images; labels are places in the sorted synsets."""
    pictures = data.load_stream(
        f"folder:{shared_data / 'imagenet_folder'}", image_size=16, batch_size=1000
    )
    tfds = data.load_stream(
        "imagenet2012", image_size=16, batch_size=1000, data_dir=shared_data / "tfds"
    )
    synsets = sorted(p.name for p in (shared_data / "imagenet_folder").iterdir())
    assert list(pictures.class_names) == list(tfds.class_names) == synsets
    sides = []
    for stream in (pictures, tfds):
        x, y = next(stream.train().as_numpy_iterator())
        np.testing.assert_array_equal(np.sort(y), np.arange(1000))
        sides.append(x[np.argsort(y)])
    assert np.abs(sides[0] - sides[1]).mean() < 0.01


def test_real_cifar10(shared_data):
    stream = data.load_stream("cifar10", image_size=None, data_dir=shared_data / "tfds")
    assert (stream.num_train, stream.num_test, stream.image_shape) == (50000, 10000, (32, 32, 3))
    x, y = next(stream.test.as_numpy_iterator())
    images, labels = data.open("cifar10", data_dir=shared_data / "tfds").arrays("test")
    tested = mixed_order(labels)[:16]  # the prepared files are class by class
    np.testing.assert_allclose(x, images[tested] / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(y, labels[tested])
