"""`from_datasets`: the user's own pipelines become the streams of training."""

import numpy as np
import pytest

from improved_gan_tf import data
from tests.helpers.one_line import refusal_of

fails = refusal_of(data.from_datasets)


def images(count, first=0, channels=1):
    return np.broadcast_to(
        np.arange(first, first + count, dtype=np.uint8)[:, None, None, None],
        (count, 4, 4, channels),
    )


def slices(*arrays):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])


def py_dataset(size, *arrays):
    import keras

    class Batches(keras.utils.PyDataset):
        epochs = 0

        def __len__(self):
            return -(-len(arrays[0]) // size)

        def __getitem__(self, i):
            found = tuple(array[size * i : size * (i + 1)] for array in arrays)
            return found if len(found) > 1 else found[0]

        def on_epoch_end(self):
            self.epochs += 1

    return Batches()


def numbers(x):
    return np.rint(255 * np.asarray(x)[:, 0, 0, 0]).astype(int).tolist()


LABELS = np.arange(6) % 3


@pytest.mark.parametrize("form", ["single", "batches", "PyDataset"])
def test_streams(form):
    x, more = images(6, 100), images(23)
    labeled, unlabeled = slices(x, LABELS), slices(more)
    if form == "batches":
        labeled, unlabeled = labeled.batch(4), unlabeled.batch(3)
    if form == "PyDataset":
        labeled, unlabeled = py_dataset(4, x, LABELS[:, None]), py_dataset(3, more)
    streams = data.from_datasets(labeled, unlabeled, batch_size=5)
    assert streams.image_shape == (4, 4, 1) and streams.scaling == data.Scaling("unit", 255.0)
    if form == "single":  # so that Keras knows the length of an epoch
        assert int(streams.train.cardinality()) == 4
    epochs = [list(streams.train.as_numpy_iterator()) for _ in range(2)]
    for epoch in epochs:
        assert len(epoch) == 4
        seen = {"labeled": [], "unlabeled": [], "unlabeled_generator": []}
        for batch in epoch:
            x, y = batch["labeled"]
            assert x.dtype == np.float32 and y.dtype == np.int32 and x.shape == (5, 4, 4, 1)
            np.testing.assert_array_equal(y, LABELS[np.array(numbers(x)) - 100])
            seen["labeled"] += numbers(x)
            for name in ("unlabeled", "unlabeled_generator"):
                seen[name] += numbers(batch[name])
        assert sorted(seen["labeled"][:18]) == sorted(3 * list(range(100, 106)))
        for name in ("unlabeled", "unlabeled_generator"):
            assert len(set(seen[name])) == 20 and set(seen[name]) <= set(range(23))
        assert seen["unlabeled"] != seen["unlabeled_generator"]  # mixed each on its own
    assert numbers(epochs[0][0]["unlabeled"]) != numbers(epochs[1][0]["unlabeled"])
    if form == "PyDataset":
        assert labeled.epochs > 0 and unlabeled.epochs > 0


def test_unlabeled_elements_are_passed_over_and_the_order_kept():
    y = np.array([0, -1, 2, -1, 1, 0])
    streams = data.from_datasets(
        slices(images(6), y), slices(images(8), np.zeros(8)), batch_size=4, shuffle=0
    )
    first, second = streams.train.as_numpy_iterator()
    assert numbers(first["labeled"][0]) == [0, 2, 4, 5] and first["labeled"][1].tolist() == [
        0, 2, 1, 0,
    ]  # fmt: skip
    assert numbers(first["unlabeled"]) == numbers(first["unlabeled_generator"]) == [0, 1, 2, 3]
    assert numbers(second["unlabeled"]) == [4, 5, 6, 7]


def test_validation_and_scaling():
    colour = images(6, 100, 3)
    streams = data.from_datasets(
        slices(colour, LABELS), slices(colour), slices(colour, LABELS).batch(5), batch_size=4
    )
    assert streams.scaling == data.Scaling("symmetric", 255.0)
    assert int(streams.train.cardinality()) == 1
    x, y = zip(*streams.validation.as_numpy_iterator(), strict=True)
    assert [len(part) for part in y] == [4, 2]
    np.testing.assert_array_equal(np.concatenate(y), LABELS)
    np.testing.assert_array_equal(np.concatenate(x), streams.scaling.scale(colour))
    partly = data.from_datasets(slices(colour, LABELS), slices(colour), slices(
        colour, [0, -1] * 3), batch_size=4)  # fmt: skip
    with pytest.raises(Exception, match="every validation image needs a label"):
        list(partly.validation)
    floats = slices((colour / 255).astype(np.float32), LABELS)
    streams = data.from_datasets(floats, floats, batch_size=4, shuffle=0)
    assert streams.scaling is None and streams.validation is None
    batch = next(iter(streams.train))
    np.testing.assert_allclose(batch["unlabeled"], colour[:4] / 255, rtol=1e-6)
    pixels = slices(colour.astype(np.float32), LABELS)
    fails("hold floats 100 to 100; scale them to .*give scaling", pixels, pixels, batch_size=4)
    streams = data.from_datasets(pixels, pixels, batch_size=4, scaling="unit")
    assert streams.scaling == data.Scaling("unit", 255.0)


def test_elements_that_are_no_images_or_labels():
    x = images(6)
    good, more = slices(x, LABELS), slices(x)
    options = {"batch_size": 4}
    fails("labeled is a ndarray; expected a tf.data.Dataset .*from_arrays", x, more, **options)
    fails("elements of labeled are .*expected .image, class number.", more, more, **options)
    fails("elements of unlabeled are .*expected images", good, slices({"x": x}), **options)
    fails("labels of labeled are .3. .*tf.argmax", slices(x, np.eye(3)[LABELS]), more, **options)
    fails("labels of labeled are .3. .*", slices(x, np.eye(3, dtype=int)[LABELS]), more, **options)
    fails(r"images of labeled are \[4, 4\] uint8", slices(x[..., 0], LABELS), more, **options)
    fails("those of unlabeled .4, 4, 3. uint8", good, slices(images(6, 0, 3)), **options)
    fails("those of validation .4, 4, 1. int64", good, more, slices(x + 0, LABELS).map(
        lambda x, y: (_int64(x), y)), **options)  # fmt: skip
    fails("unlabeled has fewer images than a batch, 7", good, more, batch_size=7)
    fails("labeled has no labeled image", slices(x, -np.ones(6, int)), more, **options)
    fails("batch size 0 given", good, more, batch_size=0)
    fails("shuffle -1 given", good, more, shuffle=-1, **options)
    fails("unknown scaling 'tanh'", good, more, scaling="tanh", **options)


def _int64(x):
    import tensorflow as tf

    return tf.cast(x, tf.int64)
