"""TFDS data sets: the order of their original files, and errors where they are not available.

SVHN is not available here: synthetic data with its features are prepared by TFDS' own writer, as a
download would be, so that reading, shuffling, sharding and label conversion are the real ones.
"""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.data import tfds_builder, tfds_source
from tests.helpers.one_line import refusal_of
from tests.helpers.tfds_writer import prepare

tfds = pytest.importorskip("tensorflow_datasets")


def read(name, **options):
    """((images, labels) for training, the same for testing)."""
    source = data.open(name, **options)
    return source.arrays("train"), source.arrays("test")


fails = refusal_of(read)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The tests do not depend on this machine's network."""
    monkeypatch.setattr(tfds_builder, "reachable", lambda url: False)


def svhn_like(n, seed):
    rng = np.random.RandomState(seed)
    images = rng.randint(0, 256, (n, 32, 32, 3)).astype(np.uint8)
    return images, rng.permutation(n) % 10


def svhn_parts():
    def examples(split, n, seed):
        images, labels = svhn_like(n, seed)
        for i in range(n):
            yield i, {"image": images[i], "label": int(labels[i]), "id": f"{split}_{i}"}

    return {
        "train": examples("train", 130, 0),
        "test": examples("test", 40, 1),
        "extra": examples("extra", 5, 2),
    }


def plain_parts(images):
    """{split: [N, H, W, C]} as examples without ids, labels 0 to 9 in turn."""

    def examples(x):
        for i in range(len(x)):
            yield i, {"image": x[i], "label": i % 10}

    return {split: examples(x) for split, x in images.items()}


@pytest.mark.parametrize("num_shards", [None, 3])
def test_svhn_comes_back_in_the_order_of_its_files(tmp_path, num_shards):
    prepare("svhn_cropped", tmp_path, svhn_parts(), num_shards)
    source = data.open("svhn_cropped", data_dir=tmp_path)
    assert source.splits == {"train": 130, "test": 40, "extra": 5}
    for seed, (split, n) in enumerate(source.splits.items()):
        images, labels = source.arrays(split)
        expected = svhn_like(n, seed)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])
        assert images.dtype == np.uint8 and labels.dtype == np.int32
    assert source.num_classes == 10 and source.class_names == tuple("0123456789")
    loaded = data.load("svhn_cropped", 2, data_dir=tmp_path, batch_size=20)
    assert loaded.scaling.name == "symmetric" and loaded.image_range == (-1.0, 1.0)
    assert loaded.steps_per_epoch == 6


def test_cifar10_comes_back_in_the_order_of_its_batches(tmp_path):
    """By its ids train_00000 ..., which TFDS numbers in the order of the files."""
    rng = np.random.RandomState(0)
    images = {
        s: rng.randint(0, 256, (n, 32, 32, 3)).astype(np.uint8)
        for s, n in (("train", 1200), ("test", 20))
    }
    labels = {s: rng.permutation(len(x)) % 10 for s, x in images.items()}

    def examples(split):
        for i in rng.permutation(len(images[split])):
            name = f"{split}_{i:05d}"
            yield name, {"id": name, "image": images[split][i], "label": int(labels[split][i])}

    prepare("cifar10", tmp_path, {split: examples(split) for split in images}, 2)
    for split, found in zip(("train", "test"), read("cifar10", data_dir=tmp_path), strict=True):
        np.testing.assert_array_equal(found[0], images[split])
        np.testing.assert_array_equal(found[1], labels[split])


def test_svhns_own_label_ten_is_digit_zero(tmp_path):
    """TFDS' builder maps the files' 1..10 to 1..9, 0: nothing is left for us to do."""
    scipy_io = pytest.importorskip("scipy.io")
    builder = tfds.builder("svhn_cropped", data_dir=str(tmp_path))
    path = str(tmp_path / "train_32x32.mat")
    scipy_io.savemat(
        path, {"X": np.zeros((32, 32, 3, 3), np.uint8), "y": np.array([[10], [1], [9]], np.uint8)}
    )
    examples = list(builder._generate_examples("train_", path))
    assert [int(example["label"]) for _, example in examples] == [0, 1, 9]


def test_without_ids_the_shuffle_is_recomputed(tmp_path):
    """fashion_mnist has no ids; its keys were 0, 1, 2 ..."""
    rng = np.random.RandomState(0)
    images = {
        s: rng.randint(0, 256, (n, 28, 28, 1)).astype(np.uint8)
        for s, n in (("train", 1500), ("test", 30))
    }
    prepare("fashion_mnist", tmp_path, plain_parts(images))
    train, test = read("fashion_mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(train[0], images["train"])
    np.testing.assert_array_equal(test[0], images["test"])
    np.testing.assert_array_equal(train[1], np.arange(1500) % 10)


def test_other_orders_of_ids():
    ids = [b"train_2", b"train_10", b"train_1", "test_3", "train_0010b"]
    assert sorted(ids, key=tfds_source._natural) == [
        "test_3",
        b"train_1",
        b"train_2",
        b"train_10",
        "train_0010b",
    ]


def test_file_order_is_a_permutation_that_depends_on_the_split():
    train, test = tfds_source.file_order(100, "train"), tfds_source.file_order(100, "test")
    np.testing.assert_array_equal(np.sort(train), np.arange(100))
    assert (train != test).any()
    assert len(tfds_source.file_order(0, "train")) == 0


def test_random_access_files(tmp_path):
    pytest.importorskip("array_record")
    prepare("svhn_cropped", tmp_path, svhn_parts(), file_format="array_record")
    (images, labels), _ = read("svhn_cropped", data_dir=tmp_path)
    np.testing.assert_array_equal(images, svhn_like(130, 0)[0])
    np.testing.assert_array_equal(labels, svhn_like(130, 0)[1])


def test_newest_prepared_version(tmp_path):
    for version in ("9.0.0", "10.0.0", "not.a.version"):
        (tmp_path / "mnist" / version).mkdir(parents=True)
        (tmp_path / "mnist" / version / "features.json").write_text("{}")
    (tmp_path / "mnist" / "11.0.0").mkdir()  # not finished
    find = tfds_builder.prepared_folder
    assert find(tmp_path, "mnist").name == "10.0.0"
    assert find(tmp_path, "mnist:9.0.0").name == "9.0.0"
    assert find(tmp_path, "mnist:8.0.0") is None
    assert find(tmp_path, "cifar10") is None


def test_real_mnist_is_in_the_order_of_its_files(shared_data, golden):
    loaded = data.load("mnist", data_dir=shared_data / "tfds")
    with np.load(shared_data / "mnist.npz") as mnist:
        np.testing.assert_array_equal(loaded.train_images[..., 0], mnist["x_train"])
        np.testing.assert_array_equal(loaded.train_labels, mnist["y_train"])
        np.testing.assert_array_equal(loaded.test_images[..., 0], mnist["x_test"])
        np.testing.assert_array_equal(loaded.test_labels, mnist["y_test"])
    recorded = golden("theano/mnist_labelled_subsets")
    np.testing.assert_array_equal(loaded.labeled_indices, recorded["seed1_count10"])
    images = loaded.train_images[recorded["init500_seed1"]]
    np.testing.assert_array_equal(
        loaded.initialization_images, images.astype(np.float32) / np.float32(255)
    )


def test_absent_and_no_network_touches_nothing(tmp_path):
    root = tmp_path / "some" / "where"
    for options, reason in (
        ({}, "there is no network"),
        ({"download": False}, "downloading is switched off"),
    ):
        fails(
            f"fashion_mnist: not found in {root} and {reason}; with a network run: tfds build "
            f"fashion_mnist --data_dir={root}; or choose .*digits, npz:FILE, folder:DIR",
            "fashion_mnist",
            data_dir=root,
            **options,
        )
    assert list(tmp_path.iterdir()) == []


def test_data_dir_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPROVED_GAN_TF_DATA", str(tmp_path))
    fails(f"not found in {tmp_path / 'tfds'} and", "fashion_mnist")
    monkeypatch.delenv("IMPROVED_GAN_TF_DATA")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "own"))
    fails(f"not found in {tmp_path / 'own'} and", "fashion_mnist")


@pytest.mark.parametrize("existing", ["", "some", "some/where/downloads"])
def test_a_download_that_breaks_off_leaves_nothing(tmp_path, monkeypatch, existing):
    root = tmp_path / "some" / "where"
    (tmp_path / existing).mkdir(parents=True, exist_ok=True)
    before = sorted(tmp_path.rglob("*"))

    def broken(builder, **_):
        for folder in ("downloads", "fashion_mnist/incomplete"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        raise ConnectionError("connection\nreset")

    monkeypatch.setattr(tfds_builder, "reachable", lambda url: True)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", broken)
    fails("TFDS could not prepare it .connection reset.", "fashion_mnist", data_dir=root)
    assert sorted(tmp_path.rglob("*")) == before


def test_data_that_must_be_downloaded_by_hand(tmp_path):
    fails("must be downloaded by hand", "imagenet2012", data_dir=tmp_path)


def test_reachable():
    """The real function, which the fixture above replaces, without leaving this machine."""
    import importlib

    fresh = importlib.util.module_from_spec(tfds_builder.__spec__)
    tfds_builder.__spec__.loader.exec_module(fresh)
    assert not fresh.reachable("http://127.0.0.1:9/nothing-listens-here")
    assert not fresh.reachable("http://name.invalid/")
    assert fresh.reachable("gs://not-for-us-to-ask")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnistt", "unknown data set 'mnistt'"),
        ("mnist:9.9.9", "mnist:9.9.9: TFDS refuses it: .*only: 3.0.1"),
        ("mnist/config", "TFDS refuses it"),
    ],
)
def test_names_that_tfds_does_not_know(tmp_path, name, message):
    fails(message, name, data_dir=tmp_path)


def test_damaged_and_missing_records(tmp_path):
    builder = prepare("svhn_cropped", tmp_path, svhn_parts())
    (record,) = builder.data_path.glob("*train.tfrecord*")
    content = record.read_bytes()
    record.write_bytes(content[:-100])
    damaged = f"{record} is truncated or damaged, expected 130 whole records; remove that folder"
    fails(damaged, "svhn_cropped", data_dir=tmp_path)
    record.write_bytes(b"")
    fails(damaged, "svhn_cropped", data_dir=tmp_path)
    record.write_bytes(content[:1000] + bytes(1000) + content[2000:])
    fails(f"{record} is damaged or truncated after", "svhn_cropped", data_dir=tmp_path)
    record.unlink()
    fails(f"{record.name} is missing in .*svhn_cropped", "svhn_cropped", data_dir=tmp_path)


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_damaged_description(tmp_path, file):
    builder = prepare("svhn_cropped", tmp_path, svhn_parts())
    (builder.data_path / file).write_text('{"name": ')
    fails(
        "the description in .*svhn_cropped.* cannot be read; remove that folder",
        "svhn_cropped",
        data_dir=tmp_path,
    )


def test_fewer_records_than_promised(tmp_path):
    builder = prepare("svhn_cropped", tmp_path, svhn_parts(), num_shards=2)
    records = sorted(builder.data_path.glob("*train.tfrecord*"))
    records[1].write_bytes(b"")
    fails(
        f"{records[1]} is truncated or damaged, expected [0-9]+ whole records; remove that folder",
        "svhn_cropped",
        data_dir=tmp_path,
    )


def test_data_of_another_kind(tmp_path):
    """No test split, images of many sizes, no labels: each has its error."""

    def write(folder, features, splits, example):
        builder = tfds.dataset_builders.AdhocBuilder(
            name="made",
            version="1.0.0",
            features=features,
            data_dir=str(tmp_path / folder),
            split_datasets={s: [(0, example)] for s in splits},
        )
        builder.download_and_prepare()
        return tmp_path / folder

    f = tfds.features
    image, label = f.Image(shape=(4, 4, 3)), f.ClassLabel(num_classes=2)
    pixels = np.zeros((4, 4, 3), np.uint8)
    fails = refusal_of(data.load)
    options = {"labels_per_class": 1, "batch_size": 1}
    for folder, features, splits, example, message in (
        (
            "a",
            {"image": image, "label": label},
            ["train"],
            {"image": pixels, "label": 0},
            "made: has no test set .found: train.",
        ),
        (
            "b",
            {"image": f.Image(shape=(None, None, 3)), "label": label},
            ["train", "test"],
            {"image": pixels, "label": 0},
            "made: its images have many sizes; choose an image size",
        ),
        (
            "c",
            {"text": f.Text(), "label": label},
            ["train", "test"],
            {"text": "x", "label": 0},
            "made: has no feature named image",
        ),
        (
            "d",
            {"image": image, "label": f.Scalar(np.int64)},
            ["train", "test"],
            {"image": pixels, "label": 0},
            "made has no class labels",
        ),
        (
            "e",
            {"image": image, "text": f.Text()},
            ["train", "test"],
            {"image": pixels, "text": "x"},
            "made has no class labels",
        ),
        (
            "f",
            {"image": f.Image(shape=(4, 4, 1), dtype=np.uint16), "label": label},
            ["train", "test"],
            {"image": np.zeros((4, 4, 1), np.uint16), "label": 0},
            "made: its images are uint16; expected uint8",
        ),
    ):
        root = write(folder, f.FeaturesDict(features), splits, example)
        fails(message, "made", data_dir=root, **options)
    # Without class labels, images can still be scored.
    for folder in ("d", "e"):
        images = data.as_images("made@test", data_dir=tmp_path / folder)
        assert [x.shape for x in images.images(lambda image: image, 1)] == [(4, 4, 3)]


def test_validation_images_test_where_there_is_no_test_set(tmp_path):
    f = tfds.features
    builder = tfds.dataset_builders.AdhocBuilder(
        name="made",
        version="1.0.0",
        features=f.FeaturesDict(
            {"image": f.Image(shape=(4, 4, 3)), "label": f.ClassLabel(num_classes=2)}
        ),
        data_dir=str(tmp_path),
        split_datasets={
            split: [(i, {"image": np.full((4, 4, 3), i + start, np.uint8), "label": i % 2})]
            for start, split in enumerate(("train", "validation"))
            for i in range(1)
        },
    )
    builder.download_and_prepare()
    source = data.open("made", data_dir=tmp_path)
    assert source.test_split == "validation" and source.arrays("validation")[0].max() == 1


def test_mnist_in_an_unknown_order_is_warned_of(tmp_path):
    images = np.zeros((30, 28, 28, 1), np.uint8)
    prepare("mnist", tmp_path, plain_parts({"train": images, "test": images}))
    with pytest.warns(UserWarning, match="not in the order of the original files"):
        read("mnist", data_dir=tmp_path)


def test_the_readable_part_of_damaged_records(tmp_path):
    """With `skip_unreadable`; where images are lost, the order of the files is not known."""
    rng = np.random.RandomState(0)
    images = {
        split: rng.randint(0, 256, (n, 28, 28, 1)).astype(np.uint8)
        for split, n in (("train", 40), ("test", 10))
    }
    builder = prepare("fashion_mnist", tmp_path, plain_parts(images))
    (record,) = builder.data_path.glob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=f"{record} is damaged or truncated after 39 whole"):
        source = data.open("fashion_mnist", data_dir=tmp_path, skip_unreadable=True)
    assert source.splits == {"train": 39, "test": 10}
    found, labels = source.arrays("train")
    assert len(labels) == 39
    stored = {image.tobytes() for image in images["train"]}
    assert {image.tobytes() for image in found} < stored
    np.testing.assert_array_equal(source.arrays("test")[0], images["test"])
    assert data.load_stream(source, batch_size=13).steps_per_epoch == 3
