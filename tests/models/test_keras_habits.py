"""What a user of Keras tries first: callbacks, metrics, arrays, `compile`, `save` and `export`."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import export, optimizers
from tests.helpers.model_cases import (
    BATCH,
    MODELS,
    SHAPE,
    batches,
    imagenet_gan,
    labeled,
    semi_supervised_gan,
)

every_model = pytest.mark.parametrize("which", MODELS)


def _fit(gan, which="semi-supervised", epochs=1, **arguments):
    data = MODELS[which][1]()
    return gan.fit(data, epochs=epochs, verbose=0, shuffle=False, **arguments).history


def _rates(gan):
    pair = gan.generator_optimizer, gan.discriminator_optimizer
    return [round(float(optimizer.learning_rate), 5) for optimizer in pair]


def _gan(**arguments):
    pair = [keras.optimizers.Adam(rate) for rate in (0.002, 0.001)]
    return semi_supervised_gan(1, (0.0, 1.0), **dict(zip(_PLAYERS, pair, strict=True)), **arguments)


_PLAYERS = ("generator_optimizer", "discriminator_optimizer")


def test_learning_rate_scheduler_acts_on_both_players():
    gan = _gan()
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    history = _fit(gan, epochs=2, callbacks=[scheduler])
    assert _rates(gan) == [0.0005, 0.00025]
    np.testing.assert_allclose(history["learning_rate"], [0.0005, 0.00025])
    gan.optimizer.players = ("generator",)
    _fit(gan, callbacks=[scheduler])
    assert _rates(gan) == [0.00025, 0.00025]
    gan.optimizer.players = ("critic",)
    with pytest.raises(ValueError, match="players must be of generator, discriminator"):
        gan.optimizer.learning_rate = 0.1
    gan.compile(
        discriminator_optimizer=optimizers.InnerEpsilonAdam(optimizers.FinalDecay(1.0, 4, 2, 0.5))
    )
    with pytest.raises(ValueError, match="follows a schedule"):
        gan.optimizer.learning_rate = 0.1


def test_callbacks_that_monitor_the_error(tmp_path, monkeypatch):
    """`val_error` should fall: no callback needs `mode`. The files are written and read again."""
    gan, (x, y) = _gan(), labeled(20, seed=5)
    errors = iter([0.3, 0.1, 0.2, 0.2])
    evaluate = gan.evaluate
    monkeypatch.setattr(
        gan, "evaluate", lambda *a, **k: {**evaluate(*a, **k), "error": next(errors)}
    )
    monitor = {"monitor": "val_error"}
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best-{epoch}.keras", save_best_only=True, **monitor
    )
    stop = keras.callbacks.EarlyStopping(patience=2, **monitor)
    plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2, **monitor)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    board = keras.callbacks.TensorBoard(
        tmp_path / "board", write_graph=False, write_steps_per_second=True, update_freq=1
    )
    callbacks = [best, stop, plateau, log, board]
    history = _fit(gan, epochs=9, validation_data=(x, y), callbacks=callbacks)
    assert history["val_error"] == [0.3, 0.1, 0.2, 0.2]
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == [
        "best-1.keras",
        "best-2.keras",
    ]
    assert (
        keras.saving.load_model(tmp_path / "best-2.keras").discriminator_optimizer.iterations == 8
    )
    assert _rates(gan) == [0.001, 0.0005]
    with open(tmp_path / "log.csv") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert list((tmp_path / "board").rglob("events*"))


def test_backup_and_restore_goes_on_where_it_stopped(tmp_path):
    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    # Two callbacks: what stops the run comes before the second epoch is backed up.
    interrupt = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(KeyboardInterrupt):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        _fit(_gan(), epochs=3, callbacks=[backup, interrupt])
    gan = _gan()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    assert len(_fit(gan, epochs=3, callbacks=[backup])["error"]) == 2
    assert int(gan.discriminator_optimizer.iterations) == 12


@pytest.mark.parametrize(  # the classifiers
    "which", ["semi-supervised", pytest.param("imagenet", marks=pytest.mark.long)]
)
def test_metrics_of_compile(which, tmp_path):
    """Of labels and logits of the K classes; they are saved.

    The error of `ImageNetGAN` also counts images that it takes for generated ones.
    """
    make = {"semi-supervised": semi_supervised_gan, "imagenet": imagenet_gan}[which]
    gan = make(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3, name="top")])
    history = _fit(gan, which, epochs=2, validation_data=batches(labeled(20, seed=5)))
    for name in ("", "val_"):
        accuracy, error = history[f"{name}accuracy"], history[f"{name}error"]
        right = 1 - np.array(error)
        assert (accuracy >= right - 1e-6).all()
        if which == "semi-supervised":
            np.testing.assert_allclose(accuracy, right, atol=1e-6)
        assert history[f"{name}top"] == [1.0, 1.0]  # of three classes
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert "accuracy" in loaded.evaluate(*labeled(10), verbose=0, return_dict=True)


def test_arrays():
    """`fit`, `evaluate` and `predict` take NumPy arrays; -1, NaN or None marks no label."""
    x, y = labeled(40)
    y[5:] = -1
    gan = semi_supervised_gan()
    history = gan.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, validation_data=labeled(7))
    assert set(history.history) == set(gan.reported)
    assert int(gan.discriminator_optimizer.iterations) == 8
    assert gan.predict(x, verbose=0).shape == (40, 3)
    x, y = labeled(30)
    logs = gan.evaluate(x, y[:, None], verbose=0, return_dict=True)
    wrong = np.argmax(gan.predict(x, verbose=0), -1) != y
    np.testing.assert_allclose(logs["error"], np.mean(wrong), rtol=1e-6)


def test_streams_of_arrays():
    """Every image is in both unlabeled streams once; labeled ones alone in the labeled one."""
    from improved_gan_tf.models import streams

    x = np.arange(12, dtype="float32")[:, None, None, None]
    y = np.array([-1, 1, -1, 0, *[-1] * 8])
    data = streams.from_arrays(x, y, 4, seed=(1, 0))
    first, second = ([*data.as_numpy_iterator()] for _ in range(2))
    assert len(first) == 3
    for epoch in (first, second):
        for name in ("unlabeled", "unlabeled_generator"):
            assert sorted(np.ravel([batch[name] for batch in epoch])) == list(range(12))
        for images, labels in (batch["labeled"] for batch in epoch):
            assert {(int(i), int(c)) for i, c in zip(np.ravel(images), labels, strict=True)} <= {
                (1, 1),
                (3, 0),
            }
    assert (
        np.ravel([b["unlabeled"] for b in first]).tolist()
        != np.ravel([b["unlabeled"] for b in second]).tolist()
    )
    orders = [
        [int(i) for b in data.as_numpy_iterator() for i in b["unlabeled"].flat]
        for data in (
            streams.from_arrays(x, y, 4, seed=(1, 0)),
            streams.from_arrays(x, y, 4, seed=(1, 3)),  # a second fit, after three updates
            streams.from_arrays(x, y, 4, seed=None, shuffle=False),
        )
    ]
    assert orders[0] == np.ravel([b["unlabeled"] for b in first]).tolist() != orders[1]
    assert orders[2] == list(range(12))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros((4, *SHAPE)), None), "fit of arrays takes no x without y"),
        ((np.zeros((4, *SHAPE)), np.full(4, -1)), "no image is labeled"),
        ((np.zeros((4, *SHAPE)), np.zeros(3)), "there are 4 images, but y has 3 labels"),
        ((np.zeros((4, *SHAPE)), np.zeros(4)), "batch_size must be from 1 to the 4 images, not 32"),
        (
            (tf.data.Dataset.from_tensors(labeled(4)),),
            "needs batches .* not a tuple of 2",
        ),
        ((tf.data.Dataset.from_tensors({"x": np.zeros(4)}),), "labeled and unlabeled is missing"),
    ],
)
def test_what_cannot_be_fitted(arguments, message):
    with pytest.raises(ValueError, match=message):
        semi_supervised_gan().fit(*arguments, verbose=0)


def test_one_unlabeled_stream_serves_both_players():
    x, y = labeled()
    gan = semi_supervised_gan()
    gan.fit(batches({"labeled": (x, y), "unlabeled": x}), verbose=0)
    assert int(gan.generator_optimizer.iterations) == 4


@every_model
def test_what_compile_and_save_refuse(which, tmp_path):
    gan = MODELS[which][0]()
    with pytest.raises(ValueError, match="takes no optimizer= and no loss=.*generator_optimizer"):
        gan.compile(optimizer="adam", loss="mse")
    with pytest.raises(ValueError, match="as a .keras file, not .*; its weights alone by save_"):
        gan.save(tmp_path / "gan.h5")


def test_export_is_a_method(tmp_path):
    gan = semi_supervised_gan()
    for format in ("savedmodel", "tf_saved_model"):
        exported = export.open_generator(gan.export(tmp_path / format, format=format))
        assert exported.draw(2, 1).shape == (2, *SHAPE)


def test_summary_counts_both_optimizers(capsys):
    gan = semi_supervised_gan()
    gan.summary()
    assert "Optimizer params" in capsys.readouterr().out
