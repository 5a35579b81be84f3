"""What the models refuse before the work begins: arrays, labels, and arguments of `compile`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import data, losses, models, networks
from tests.helpers.model_cases import (
    BATCH,
    SHAPE,
    batches,
    imagenet_gan,
    labeled,
    later_gan,
    plain_gan,
    semi_supervised_gan,
)

X, Y = labeled()
ROWS = np.eye(3)[Y]


def _with(x, value):
    changed = x.copy()
    changed.flat[0] = value
    return changed


WRONG = [
    ({"y": Y + 1}, "y holds 3, but the discriminator has 3 classes; expected integers from 0 to 2"),
    ({"y": Y + 0.5}, r"y holds \d.5, but"),
    ({"y": ROWS}, r"one class number per image, not \(40, 3\); convert one-hot labels with y.argm"),
    ({"y": np.array(["a"] * 40)}, "y must hold class numbers, not values of type <U1"),
    ({"y": Y[1:]}, "there are 40 images, but y has 39 labels"),
    ({"x": _with(X, np.nan)}, "x holds values that are not finite"),
    ({"x": 255 * X}, r"x holds values from .* to 25\d.* image_range is"),
    ({"x": (255 * X).astype("uint8")}, r"x holds values from .* to 25\d.* image_range is"),
    ({"x": X[..., 0]}, r"x has shape \(40, 8, 8\), but .*; give x\[..., None\]"),
    ({"x": X.repeat(3, -1)}, r"images of the GAN are \(8, 8, 1\)$"),
    ({"x": X[:0], "y": Y[:0]}, "x holds no image"),
    ({"x": X.astype(str)}, "x must be an array of numbers"),
]


@pytest.mark.parametrize("make", [semi_supervised_gan, imagenet_gan])
@pytest.mark.parametrize("changes, message", WRONG)
def test_arrays(make, changes, message):
    """In `fit`, in its validation data and in `evaluate`, which then have not begun."""
    gan = make()
    good = {"x": X, "y": Y}
    bad = good | changes
    with pytest.raises(ValueError, match=message):
        gan.fit(**bad, batch_size=BATCH, verbose=0)
    with pytest.raises(ValueError, match=message):
        gan.evaluate(**bad, verbose=0)
    with pytest.raises(ValueError, match="[xy] of validation_data |there are 40"):
        gan.fit(**good, validation_data=(bad["x"], bad["y"]), batch_size=BATCH, verbose=0)
    assert int(gan.discriminator_optimizer.iterations) == 0


def test_unlabeled_images_are_for_training_alone():
    gan = semi_supervised_gan()
    partly = np.where(np.arange(len(Y)) < 20, Y.astype(object), None)
    gan.fit(X, partly, batch_size=BATCH, verbose=0)
    for call in (gan.evaluate, imagenet_gan().fit):
        with pytest.raises(ValueError, match="y holds -1.0, but .* from 0 to 2$"):
            call(X, np.where(np.arange(len(Y)) < 20, Y, -1.0), verbose=0)


@pytest.mark.parametrize("name", ["sample_weight", "class_weight", "validation_split"])
def test_weights(name):
    value = {"sample_weight": np.ones(40), "class_weight": {0: 1.0}, "validation_split": 0.5}[name]
    with pytest.raises(ValueError, match=f"fit of arrays takes no {name}"):
        semi_supervised_gan().fit(X, Y, **{name: value})
    if name != "validation_split":
        with pytest.raises(ValueError, match=f"ImageNetGAN takes no {name}"):
            imagenet_gan().fit(X, Y, **{name: value})
    if name == "sample_weight":
        with pytest.raises(ValueError, match="SemiSupervisedGAN takes no sample_weight"):
            semi_supervised_gan().evaluate(X, Y, sample_weight=value)
        with pytest.raises(ValueError, match="no weights of examples"):
            imagenet_gan().train_step((X, Y, value))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_labels_of_batches(wrong, jit_compile):
    """Inside a compiled step a wrong label cannot be an error; the loss is NaN, not a class's."""
    labels = _with(Y[:BATCH], wrong)
    gan = semi_supervised_gan()
    batch = {"labeled": (X[:BATCH], labels), "unlabeled": X[:BATCH]}
    logs = tf.function(lambda: gan.train_step(batch), jit_compile=jit_compile)()
    assert np.isnan(logs["supervised_loss"]) and np.isfinite(logs["unsupervised_loss"])
    if not jit_compile:
        logs = imagenet_gan().train_step((tf.constant(X[:BATCH]), tf.constant(labels)))
        assert np.isnan(logs["class_loss"]) and np.isfinite(logs["real_loss"])


def test_labels_in_a_column():
    """As Keras' CIFAR-10 has them."""
    column = Y[:, None]
    gan, other = semi_supervised_gan(), semi_supervised_gan()
    streams = {"labeled": (X, column), "unlabeled": X}, {"labeled": (X, Y), "unlabeled": X}
    logs = [
        g.fit(batches(s), verbose=0).history for g, s in zip((gan, other), streams, strict=True)
    ]
    assert logs[0] == logs[1]
    tests = batches((X, column)), batches((X, Y))
    assert gan.error_rates(tests[0]) == other.error_rates(tests[1])
    wide = imagenet_gan().fit(X, column, batch_size=BATCH, shuffle=False, verbose=0).history
    assert wide == imagenet_gan().fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0).history


def test_a_smaller_last_batch():
    """It trains; and every tested image counts once."""
    for gan in (imagenet_gan(), plain_gan()):
        history = gan.fit(X, Y, batch_size=16, verbose=0).history
        assert int(gan.discriminator_optimizer.iterations) == 3
        assert np.isfinite(list(history.values())).all()
        pieces = [gan.evaluate(X[a:b], Y[a:b], verbose=0, return_dict=True)
                  for a, b in ((0, 32), (32, 40))]  # fmt: skip
        whole = gan.evaluate(X, Y, batch_size=32, verbose=0, return_dict=True)
        np.testing.assert_allclose(
            whole["real_loss"], 0.8 * pieces[0]["real_loss"] + 0.2 * pieces[1]["real_loss"], 1e-4
        )
    gan = semi_supervised_gan()
    dataset = tf.data.Dataset.from_tensor_slices({"labeled": (X, Y), "unlabeled": X}).batch(16)
    gan.fit(dataset, verbose=0)
    assert int(gan.generator_optimizer.iterations) == 3


@pytest.mark.parametrize(
    "values, message",
    [
        ({"unlabeled_weight": -1}, "unlabeled_weight must be a finite number of at least 0"),
        ({"unlabeled_weight": float("nan")}, "unlabeled_weight must be a finite number"),
        ({"unlabeled_weight": "1"}, "unlabeled_weight must be a finite number"),
        ({"generator_steps": 1.5}, "generator_steps must be an integer, not 1.5"),
        ({"average_start": "2"}, "average_start must be an integer, not '2'"),
        ({"historical_averaging": "1"}, "historical_averaging must be a finite number"),
        ({"objective": []}, "objective must be at least one of"),
        (
            {"objective": losses.feature_matching, "feature_distance": "absolute"},
            "feature_distance is for the objective named feature_matching",
        ),
        ({"weighted_metrics": ["accuracy"]}, "takes no weighted_metrics="),
        ({"auto_scale_loss": True}, "takes no auto_scale_loss="),
    ],
)
def test_compile(values, message):
    with pytest.raises(ValueError, match=message):
        semi_supervised_gan(**values)


@pytest.mark.parametrize("rate", [0, 1, -1, 2, float("nan"), "3"])
def test_average_rate(rate):
    gan = semi_supervised_gan()
    with pytest.raises(ValueError, match="average_rate must be a number between 0 and 1"):
        models.SemiSupervisedGAN(gan.generator, gan.discriminator, average_rate=rate)


@pytest.mark.parametrize("image_range", [1, (0, 1, 2), "unit", (1, 0)])
def test_image_range(image_range):
    with pytest.raises(ValueError, match="image_range must be .low, high. with low < high"):
        semi_supervised_gan(image_range=image_range)


def test_networks_and_optimizers():
    gan = semi_supervised_gan()
    images = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(images)
    two = keras.Model(images, [keras.layers.Dense(3)(flat), keras.layers.Dense(2)(flat)], name="d")
    with pytest.raises(ValueError, match="d must have one output, not 2"):
        models.SemiSupervisedGAN(gan.generator, two)
    active = networks.dense.discriminator(SHAPE, 3, (12, 8))
    active.layers[-1].activity_regularizer = keras.regularizers.L2(0.1)
    gan = models.SemiSupervisedGAN(gan.generator, active)
    with pytest.raises(ValueError, match="activity regularizers are not supported .logits has"):
        gan.compile()
    slow = keras.optimizers.Adam(gradient_accumulation_steps=4)
    with pytest.raises(ValueError, match="no optimizer with gradient_accumulation_steps"):
        imagenet_gan(discriminator_optimizer=slow)
    gan = later_gan()
    gan.discriminator.get_layer("features").trainable = False
    with pytest.raises(ValueError, match="frozen or unfrozen after the GAN was made"):
        gan.compile()


def test_data_in_memory():
    loaded = data.load("digits", 10, batch_size=50)
    with pytest.raises(ValueError, match="data have 10 classes, but the discriminator only 3 log"):
        semi_supervised_gan().fit(loaded)
    with pytest.raises(ValueError, match=r"range \(0.0, 1.0\), but .* is \(-1.0, 1.0\)"):
        semi_supervised_gan(image_range=(-1, 1)).fit(loaded)
    small = models.SemiSupervisedGAN(
        networks.dense.generator((4, 4, 1), 6, (8, 8)),
        networks.dense.discriminator((4, 4, 1), 10, (12, 8)),
    )
    small.compile()
    with pytest.raises(ValueError, match=r"of shape \(8, 8, 1\), but the GAN has \(4, 4, 1\)"):
        small.fit(loaded)
    ten = models.SemiSupervisedGAN(
        networks.dense.generator(SHAPE, 6, (8, 8)), networks.dense.discriminator(SHAPE, 10, (8,))
    )
    ten.compile()
    with pytest.raises(ValueError, match="is 25 steps, not 2; leave out steps_per_epoch"):
        ten.fit(loaded, steps_per_epoch=2)
