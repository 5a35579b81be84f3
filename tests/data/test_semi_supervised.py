"""`load` and the pipeline: what comes out of it, in which order, scaled how."""

import numpy as np
import pytest

from improved_gan_tf import data
from improved_gan_tf.data.arrays import in_memory
from improved_gan_tf.errors import UserError


def made_arrays(n=50, n_test=23, shape=(4, 5, 1), classes=5):
    rng = np.random.RandomState(0)
    return {
        "x_train": rng.randint(0, 256, (n, *shape)).astype(np.uint8),
        "y_train": np.arange(n, dtype=np.int32) % classes,
        "x_test": rng.randint(0, 256, (n_test, *shape)).astype(np.uint8),
        "y_test": np.arange(n_test, dtype=np.int32) % classes,
    }


def made(scaling="unit", seed=1, batch_size=10, maximum=255.0):
    x = made_arrays()
    parts = {split: (x[f"x_{split}"], x[f"y_{split}"]) for split in ("train", "test")}
    source = in_memory("made", parts, "01234", maximum)
    chosen = data.labeled_indices(x["y_train"], 2, 1)
    return data.SemiSupervisedData(
        source,
        chosen,
        data.EpochOrder(len(x["y_train"]), len(chosen), batch_size, seed),
        data.Scaling(scaling, maximum),
        np.arange(7),
        test_batch_size=8,
    )


def batches(dataset):
    return list(dataset.as_numpy_iterator())


def same(a, b):
    import tensorflow as tf

    a, b = tf.nest.flatten(a), tf.nest.flatten(b)
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# the pipeline


@pytest.mark.parametrize("scaling", ["unit", "cifar10", "symmetric"])
@pytest.mark.parametrize("maximum", [255.0, 300.0])
def test_batches_are_the_rows_of_the_order(scaling, maximum):
    d = made(scaling, maximum=maximum)
    order = data.EpochOrder(50, 10, 10, 1)
    for epoch in range(3):
        rows, got = order.epoch(epoch), batches(d.train)
        assert len(got) == 5
        for t, batch in enumerate(got):
            labeled = d.labeled_indices[rows.labeled[t]]
            x, y = batch["labeled"]
            # TensorFlow and NumPy do the same float32 operations: equality.
            np.testing.assert_array_equal(x, d.scaling.scale(d.train_images[labeled]))
            np.testing.assert_array_equal(y, d.train_labels[labeled])
            for name in ("unlabeled", "unlabeled_generator"):
                images = d.train_images[getattr(rows, name)[t]]
                np.testing.assert_array_equal(batch[name], d.scaling.scale(images))


def test_static_shapes_types_and_cardinality():
    import tensorflow as tf

    d = made()
    image = tf.TensorSpec((10, 4, 5, 1), tf.float32)
    assert d.train.element_spec == {
        "labeled": (image, tf.TensorSpec((10,), tf.int32)),
        "unlabeled": image,
        "unlabeled_generator": image,
    }
    assert int(d.train.cardinality()) == d.steps_per_epoch == len(d.train) == 5
    assert d.train is d.train  # one object: `fit` and a callback count the same epochs


def test_test_set_is_whole_and_in_order():
    d = made("cifar10")
    got = batches(d.test)
    assert [len(y) for _, y in got] == [8, 8, 7] and int(d.test.cardinality()) == 3
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in got]), d.scaling.scale(d.test_images)
    )
    labels = np.concatenate([y for _, y in got])
    np.testing.assert_array_equal(labels, d.test_labels)
    assert labels.dtype == np.int32
    assert same(got, batches(d.test))


@pytest.mark.parametrize("stored", ["class by class", "mixed", "one class"])
@pytest.mark.parametrize("streamed", [False, True])
def test_test_batches_have_all_classes(tmp_path, stored, streamed):
    """Images stored class by class are mixed, always in the same way; others keep their order."""
    count = 60
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    labels = {
        "class by class": np.arange(count) // 20,
        "mixed": np.arange(count) % 3,
        "one class": np.zeros(count, int),
    }[stored]
    file = tmp_path / "made.npz"
    np.savez(file, x_train=images, y_train=np.arange(count) % 3, x_test=images, y_test=labels)

    def tested(**seeds):
        if streamed:
            d = data.load_stream(
                f"npz:{file}", image_size=None, batch_size=20, scaling="unit", **seeds
            )
        else:
            d = data.load(f"npz:{file}", 2, batch_size=10, test_batch_size=20, **seeds)
        return batches(d.test)

    rows = np.concatenate([np.rint(255 * x[:, 0, 0, 0]) for x, _ in tested()]).astype(int)
    batch_labels = [y for _, y in tested()]
    np.testing.assert_array_equal(np.concatenate(batch_labels), labels[rows])
    if stored == "class by class":
        assert all(len(np.unique(y)) == 3 for y in batch_labels)
        np.testing.assert_array_equal(np.sort(rows), np.arange(count))
        assert same(tested(seed=2), tested())
    else:
        np.testing.assert_array_equal(rows, np.arange(count))


def test_start_epoch_brings_an_epoch_back():
    d = made()
    epochs = [batches(d.train) for _ in range(4)]
    assert d.start_epoch == 4
    assert not same(epochs[0], epochs[1])
    for epoch in (2, 0, 3):
        d.start_epoch = epoch
        assert same(batches(d.train), epochs[epoch])
        assert d.start_epoch == epoch + 1
    other = made()
    other.start_epoch = 3  # as a resumed process does
    assert same(batches(other.train), epochs[3])
    assert not same(batches(made(seed=2).train), epochs[0])
    with pytest.raises(UserError, match="start epoch -1 given"):
        d.start_epoch = -1


def test_an_iteration_counts_from_its_first_batch():
    d = made()
    iterator = iter(d.train)
    assert d.start_epoch == 0
    next(iterator)
    assert d.start_epoch == 1
    del iterator
    epoch_1 = batches(d.train)
    again = made()
    again.start_epoch = 1
    assert same(batches(again.train), epoch_1)


def test_fit_runs_one_epoch_of_the_order_an_epoch():
    import keras

    seen = []

    class Recorder(keras.Model):
        def train_step(self, batch):
            import tensorflow as tf

            tf.py_function(lambda y: seen.append(y.numpy()), [batch["labeled"][1]], [])
            return {"zero": tf.constant(0.0)}

        def test_step(self, batch):
            return {"zero": batch[0][0, 0, 0, 0] * 0.0}

    d = made()
    model = Recorder()
    model.built = True
    model.compile(optimizer=None)
    model.fit(d.train, epochs=3, validation_data=d.test, verbose=0)
    assert d.start_epoch == 3
    order = data.EpochOrder(50, 10, 10, 1)
    expected = np.concatenate([order.epoch(e).labeled for e in range(3)])
    labels = d.train_labels[d.labeled_indices]
    np.testing.assert_array_equal(np.array(seen), labels[expected])


def test_small_facts():
    d = made()
    assert (d.name, d.image_shape, d.num_classes, d.num_train, d.num_test, d.batch_size) == (
        "made",
        (4, 5, 1),
        5,
        50,
        23,
        10,
    )
    assert d.class_names == ("0", "1", "2", "3", "4")
    np.testing.assert_array_equal(
        d.initialization_images, d.train_images[:7].astype(np.float32) / 255
    )
    x, y = d.labeled
    np.testing.assert_array_equal(x, d.scaling.scale(d.train_images[d.labeled_indices]))
    np.testing.assert_array_equal(y, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])


# load


def saved(tmp_path, n=50, n_test=25, shape=(4, 5, 3)):
    arrays = made_arrays(n, n_test, shape)
    path = tmp_path / "made.npz"
    np.savez(path, **arrays)
    return f"npz:{path}", arrays


def test_load_digits():
    d = data.load("digits")
    assert (d.num_train, d.num_test, d.steps_per_epoch, d.batch_size) == (1297, 500, 12, 100)
    assert d.scaling == data.Scaling("unit", 16.0) and d.image_range == (0.0, 1.0)
    np.testing.assert_array_equal(d.labeled_indices, data.labeled_indices(d.train_labels, 10, 1))
    expected = np.random.RandomState(1).permutation(1297)[:500]
    np.testing.assert_array_equal(
        d.initialization_images, d.train_images[expected] / np.float32(16)
    )
    batch = next(iter(d.train))
    assert batch["unlabeled"].shape == (100, 8, 8, 1)


def test_load_seeds_choose_different_things(tmp_path):
    name, _ = saved(tmp_path)
    options = {"labels_per_class": 2, "batch_size": 10}
    base = data.load(name, **options)
    for seeds, same_labels, same_order in (
        ({"seed": 2}, True, False),
        ({"seed_data": 2}, False, True),
    ):
        other = data.load(name, **options, **seeds)
        assert np.array_equal(base.labeled_indices, other.labeled_indices) == same_labels
        rows = base.order.epoch(0).unlabeled, other.order.epoch(0).unlabeled
        assert np.array_equal(*rows) == same_order


def test_labeled_images_can_be_left_out_of_the_unlabeled_streams():
    x = np.arange(50, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    arrays = (x, np.arange(50) % 5)
    found = data.load((arrays, arrays), 2, batch_size=8, exclude_labeled=True, scaling="unit")
    assert found.steps_per_epoch == 5 and len(batches(found.train)) == 5  # of the 40 others
    labeled = set(found.labeled_indices)
    assert len(labeled) == 10 and found.num_train == 50
    for batch in batches(found.train):
        images, labels = batch["labeled"]
        assert set(np.rint(255 * images[:, 0, 0, 0]).astype(int)) <= labeled
        np.testing.assert_array_equal(np.rint(255 * images[:, 0, 0, 0]).astype(int) % 5, labels)
    for stream in ("unlabeled", "unlabeled_generator"):
        found.start_epoch = 3
        seen = np.concatenate([batch[stream][:, 0, 0, 0] for batch in batches(found.train)])
        assert sorted(np.rint(255 * seen)) == sorted(set(range(50)) - labeled)
    everything = data.load((arrays, arrays), 2, batch_size=8)
    assert everything.steps_per_epoch == 6 and everything.unlabeled_indices is None
    with pytest.raises(UserError, match="without the labeled images 40 are left, fewer than the"):
        data.load((arrays, arrays), 2, batch_size=41, exclude_labeled=True)


def test_load_initialization(tmp_path):
    name, arrays = saved(tmp_path)
    d = data.load(name, 2, batch_size=10, initialization_size=20)
    rows = np.random.RandomState(1).permutation(50)[:20]
    np.testing.assert_array_equal(d.initialization_images, d.scaling.scale(arrays["x_train"][rows]))
    assert len(data.load(name, 2, batch_size=10).initialization_images) == 50  # all there are
    d = data.load(name, 2, batch_size=10, initialization="labeled", initialization_size=20)
    first = np.concatenate([b["labeled"][0] for b in batches(d.train)])[:20]
    np.testing.assert_array_equal(d.initialization_images, first)


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((4, 5, 1), {}, "unit"),
        ((4, 5, 3), {}, "symmetric"),
        ((4, 5, 3), {"scaling": "cifar10"}, "cifar10"),
        ((4, 5, 1), {"scaling": "svhn"}, "symmetric"),
    ],
)
def test_load_scaling(tmp_path, shape, options, expected):
    name, _ = saved(tmp_path, shape=shape)
    assert data.load(name, 1, batch_size=10, **options).scaling.name == expected


def test_load_custom_labels(tmp_path):
    name, arrays = saved(tmp_path, n_test=50)
    labels = np.full(40, -1)
    labels[:20] = (np.arange(20) + 1) % 5  # not the true ones
    np.save(tmp_path / "labels.npy", labels)
    d = data.load(name, 3, batch_size=10, labels_file=tmp_path / "labels.npy", labels_part="test")
    np.testing.assert_array_equal(d.train_images, arrays["x_test"][:40])
    np.testing.assert_array_equal(d.test_images, arrays["x_test"][40:])
    np.testing.assert_array_equal(d.test_labels, arrays["y_test"][40:])
    assert (d.num_train, d.num_test, d.steps_per_epoch) == (40, 10, 4)
    assert len(d.labeled_indices) == 15 and d.labeled_indices.max() < 20
    np.testing.assert_array_equal(labels[d.labeled_indices], np.repeat(np.arange(5), 3))
    for batch in batches(d.train):
        assert batch["labeled"][1].min() >= 0
    custom = {"labels_file": tmp_path / "labels.npy", "labels_part": "test"}
    d = data.load(name, None, batch_size=10, **custom, balance=False)
    np.testing.assert_array_equal(np.sort(d.labeled_indices), np.arange(20))


def test_load_custom_labels_of_mnist(shared_data, tmp_path):
    """8,000 of the test set, as in the original's script; here the file has all 10,000 labels."""
    name = f"npz:{shared_data / 'mnist.npz'}"
    with np.load(shared_data / "mnist.npz") as mnist:
        np.save(tmp_path / "labels.npy", mnist["y_test"])
        truth = mnist["y_test"][:8000]
    permuted = np.random.RandomState(1).permutation(8000)
    expected = {
        True: np.concatenate([[i for i in permuted if truth[i] == j][:10] for j in range(10)]),
        False: permuted[:100],
        "original": np.concatenate([permuted[truth == j][:10] for j in range(10)]),
    }
    for balance, rows in expected.items():
        custom = {"labels_file": tmp_path / "labels.npy", "labels_part": "test"}
        d = data.load(name, 10, **custom, balance=balance)
        np.testing.assert_array_equal(d.labeled_indices, rows)
        assert (d.num_train, d.num_test, d.steps_per_epoch) == (8000, 2000, 80)
        np.testing.assert_array_equal(
            d.initialization_images, d.scaling.scale(d.train_images[permuted[:500]])
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"labels_per_class": 11},
            "11 labels per class asked for, but class 0 has only 10 labeled examples",
        ),
        ({"labels_per_class": 0}, "0 labels per class given"),
        ({"labels_part": "all"}, "unknown labels part 'all'; choose train or test"),
        ({"batch_size": 51}, "batch size 51 is more than the 50 training images"),
        ({"batch_size": 0}, "batch size 0 given"),
        ({"seed": -1}, "seed -1 given"),
        ({"seed_data": -1}, "data seed -1 given"),
        ({"scaling": "tanh"}, "unknown scaling 'tanh'"),
        (
            {"initialization": "none"},
            "unknown initialization 'none'; choose training_set or labeled",
        ),
        ({"initialization_size": 0}, "initialization size 0 given"),
        ({"test_batch_size": 0}, "test batch size 0 given"),
        ({"labels_file": "/no/such/file"}, "does not exist; expected 50 integers"),
    ],
)
def test_load_refuses(tmp_path, options, message):
    name, _ = saved(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        data.load(name, **{"labels_per_class": 2, "batch_size": 10, **options})
    assert "\n" not in str(caught.value)


def test_load_a_class_without_example(tmp_path):
    path = tmp_path / "made.npz"
    arrays = made_arrays()
    arrays["y_train"] += 1
    arrays["y_test"] += 1
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="class 0 of 6 has no labeled example"):
        data.load(f"npz:{path}", 1, batch_size=10)


# sources


def test_own_arrays():
    x = made_arrays()
    source = data.source_from_arrays(x["x_train"], x["y_train"], x["x_test"], x["y_test"], "mine")
    d = data.load(source, 2, batch_size=10)
    assert (d.name, d.num_train, d.num_test, d.image_shape) == ("mine", 50, 23, (4, 5, 1))
    np.testing.assert_array_equal(d.train_images, x["x_train"])
    stream = data.load_stream(source, batch_size=10)
    assert stream.image_shape == (4, 5, 1) and stream.labeled_indices is None
    with pytest.raises(UserError, match="mine: training labels are 49 but the images 50"):
        data.source_from_arrays(x["x_train"], x["y_train"][1:], x["x_test"], x["y_test"], "mine")


def test_a_split_to_train_on(tmp_path):
    name, _ = saved(tmp_path)
    assert data.load(f"{name}@train", 2, batch_size=10).num_train == 50
    for load in (data.load, data.load_stream):
        with pytest.raises(UserError, match="the split test is for testing; choose another"):
            load(f"{name}@test")
        with pytest.raises(UserError, match="has no split 'extra'; choose one of train, test"):
            load(f"{name}@extra")


def test_images_without_labels_are_not_trained_on(tmp_path):
    np.save(tmp_path / "a.npy", made_arrays()["x_train"])
    for load in (data.load, data.load_stream):
        with pytest.raises(UserError, match="has no class labels, which training needs"):
            load(tmp_path / "a.npy")
