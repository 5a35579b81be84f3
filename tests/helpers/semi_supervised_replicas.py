"""Semi-supervised training on two replicas; run by `distribution_script.py`, in its process."""

import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import data, experiments, layers, losses, models, networks, replicas
from improved_gan_tf.models import distributed
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers.checkpoints import assert_same, cut_off_after_an_epoch

SHAPE, CLASSES, BATCH, STEPS = (4, 4, 1), 3, 8, 5


def whole_step(strategy, function):
    """What `function(replica)` returns in each replica, in one strategy.run."""

    @tf.function
    def run():
        return strategy.run(
            lambda: function(tf.distribute.get_replica_context().replica_id_in_sync_group)
        )

    return keras.tree.map_structure(
        lambda x: [np.asarray(v) for v in strategy.experimental_local_results(x)], run()
    )


def _data(**values):
    rng = np.random.RandomState(0)
    count = BATCH * STEPS
    x, y = rng.randint(256, size=(count, *SHAPE)).astype("uint8"), np.arange(count) % CLASSES
    # The last test batch has one image: none is left for the second replica.
    tests = rng.randint(256, size=(15, *SHAPE)).astype("uint8"), np.arange(15) % CLASSES
    given = {"batch_size": BATCH, "test_batch_size": 7, **values}
    return data.load(((x, y), tests), 4, **given)


class _Double(data.Scaling):
    """float64 images, for networks in float64."""

    def __init__(self):
        super().__init__("unit")

    def apply(self, x):
        return keras.ops.cast(super().apply(x), "float64")


def _variables(gan):
    return [
        *gan.variables,
        *gan.generator_optimizer.variables,
        *gan.discriminator_optimizer.variables,
        *(v for history in gan.histories.values() for v in history.variables),
    ]


def _assert_alike(strategy, gan):
    """Every variable has the same value on both replicas."""
    pairs = {v.path: strategy.experimental_local_results(v.value) for v in _variables(gan)}
    assert sum(len(copies) == 2 for copies in pairs.values()) > 30
    for path, copies in pairs.items():
        np.testing.assert_array_equal(copies[0], copies[-1], err_msg=path)


def one_device_on_the_whole_batch(strategy):
    """Where no layer relates examples and both draw the same: after two epochs everything is equal,
    with every kind of loss and state."""
    latents = np.random.RandomState(1).rand(BATCH, 5)

    def built():
        keras.utils.set_random_seed(1)
        last = layers.WeightNorm(keras.layers.Dense(16, activation="sigmoid"), train_scale=True)
        hidden = keras.layers.Dense(7, activation="softplus")
        generator = [keras.Input((5,)), hidden, last, keras.layers.Reshape(SHAPE)]
        discriminator = networks.dense.discriminator(SHAPE, CLASSES, (12, 9), 0.0, 0.0)
        gan = models.SemiSupervisedGAN(keras.Sequential(generator), discriminator, seed=1)
        gan.compile(
            objective=["feature_matching", losses.pull_away],
            discriminator_terms=losses.conditional_entropy,
            average_start=2,
            historical_averaging=0.01,
            metrics=["sparse_categorical_accuracy"],
            jit_compile=False,
        )
        layers.initialize_from_data(gan.discriminator, found.initialization_images)
        gan.latent = lambda n: latents_of(n)
        return gan

    def latents_of(n):
        context = replicas.context()
        first = 0 if context is None else n * context.replica_id_in_sync_group
        return tf.slice(tf.constant(latents), (first, 0), (n, 5))

    found = _data()
    found.scaling = _Double()
    fitted = []
    for scope in (tf.distribute.get_strategy(), strategy):
        with scope.scope():
            gan = built()
        found.start_epoch = 0
        options = {"epochs": 2, "validation_data": found.test, "verbose": 0, "shuffle": False}
        fitted.append((gan, gan.fit(found, **options).history))
        assert found.start_epoch == 2
    (one, history), (two, other) = fitted
    assert set(other) == set(history) and "val_sparse_categorical_accuracy" in history
    for name, values in history.items():
        if name != "val_sparse_categorical_accuracy":  # Keras' mean over replicas
            np.testing.assert_allclose(other[name], values, rtol=1e-6, err_msg=name)
    for a, b in zip(_variables(one), _variables(two), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6, atol=1e-12, err_msg=a.path)
    _assert_alike(strategy, two)
    assert one.evaluate(found.test, verbose=0)[0] == two.evaluate(found.test, verbose=0)[0]
    x = found.test_images.astype("float64") / 255
    np.testing.assert_allclose(two.predict(x, verbose=0), one.predict(x, verbose=0), rtol=1e-6)


def own_draws_shared_statistics(strategy):
    """In a step each replica draws its own, the first one as a single device does; after it the
    states are alike, and running averages have changed by the mean of the changes."""

    class Player:
        networks = ("generator", "encoder")
        encoder = None

        def __init__(self):
            self.generator = keras.Sequential(
                [
                    keras.Input((6,)),
                    keras.layers.BatchNormalization(momentum=0.9),
                    layers.UnbiasedBatchNormalization(),
                    layers.HashedGaussianNoise(1.0, seed=3),
                    keras.layers.Dropout(0.5, seed=4),
                ]
            )
            self.weights, self.variables = self.generator.weights, self.generator.variables

    with strategy.scope():
        several = Player()
    single = [Player(), Player()]
    halves = np.random.RandomState(2).rand(2, 8, 6).astype("float32")

    def step(replica):
        with distributed.step(several):
            return several.generator(tf.constant(halves)[replica], training=True)

    for _ in range(2):
        drawn = whole_step(strategy, step)
        alone = [
            np.asarray(p.generator(h, training=True)) for p, h in zip(single, halves, strict=True)
        ]
        np.testing.assert_allclose(drawn[0], alone[0], rtol=1e-5)
        differs = (drawn[1] == 0) != (alone[1] == 0)
        assert 0.2 < differs.mean() < 0.8 and np.abs(drawn[1] - alone[1])[~differs].max() > 0.1
    for v, a, b in zip(several.variables, *(p.variables for p in single), strict=True):
        copies = [np.asarray(x) for x in strategy.experimental_local_results(v.value)]
        np.testing.assert_array_equal(copies[0], copies[1], err_msg=v.path)
        np.testing.assert_allclose(copies[0], (a.numpy() + b.numpy()) / 2, rtol=1e-6)


def coupled_examples(strategy):
    """Minibatch features of a half stand for those of the whole batch."""
    layer = layers.MinibatchDiscrimination(4, 2)
    x = np.random.RandomState(3).randn(2, 6, 5).astype("float32")
    alone = [np.asarray(layer(half)) for half in x]
    shared = whole_step(strategy, lambda i: layer(tf.constant(x)[i]))
    for own, whole in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(whole[:, :5], own[:, :5])
        np.testing.assert_allclose(whole[:, 5:] + 1, (own[:, 5:] + 1) * 11 / 5, rtol=1e-5)


def stopped_and_resumed(strategy):
    """The command's run, stopped after its first epoch, ends as the unharmed one; with coupled
    examples, batch normalization, noise, latents of each replica and a baseline."""
    small = {"units": [12], "minibatch_kernels": 4, "minibatch_dims": 2}
    values = {"epochs": 2, "batch_size": 400, "checkpoint_seconds": 0, "discriminator": small}
    values["generator"] = {"units": [12]}
    recipe = experiments.override(experiments.get("digits"), **values)
    trained, results = [], experiments.SemiSupervisedExperiment.results

    def looked_at(chosen, gan, data, folder):
        _assert_alike(strategy, gan)
        trained.append(gan)
        return results(chosen, gan, data, folder)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments.SemiSupervisedExperiment, "results", looked_at)
        whole, cut = (RunFolder(f"{folder}/{name}") for name in ("whole", "cut"))
        experiments.train(recipe, whole, verbose=False, devices=2)
        cut_off_after_an_epoch(whole, cut)
        experiments.train(recipe, cut, resume=True, verbose=False, devices=2)
        for run in (whole, cut, whole.baseline):
            assert run.config()["replicas"] == 2 and len(run.rows()) == 2
        files = [run.latest_checkpoint()[1] for run in (whole, cut)]
        assert files[0].name == files[1].name == "epoch-0002.weights.h5"
        assert_same(*files, least=20)
        timeless = [{**run.results(), "seconds": 0} for run in (whole, cut)]
        assert timeless[0] == timeless[1] and timeless[0]["baseline"] is not None
    assert all(gan.distribute_strategy is strategy for gan in trained) and len(trained) == 3
    z = whole_step(strategy, lambda i: _latents(trained[0]))
    assert not np.array_equal(*z)


def _latents(gan):
    with distributed.step(gan):
        return gan.latent(4)


def refused(strategy):
    """Batches that do not divide, or whose size is not known; compilation on a CPU."""
    with strategy.scope():
        generator = networks.dense.generator(SHAPE, 5, (8,))
        gan = models.SemiSupervisedGAN(generator, networks.dense.discriminator(SHAPE, 3, (9,)))
        gan.compile()
        for name, value in (("jit_compile", True), ("steps_per_execution", 2)):
            with pytest.raises(ValueError, match="several replicas on CPU devices"):
                gan.compile(**{name: value})
    with pytest.raises(ValueError, match="compile it in the same scope"):
        gan.compile()
    for x in (_data(batch_size=5), _data(batch_size=5).train):
        with pytest.raises(ValueError, match="a batch of 5 images does not divide among 2"):
            gan.fit(x)
    images = np.zeros((10, *SHAPE), "float32")
    with pytest.raises(ValueError, match="a batch of 5 images does not divide among 2"):
        gan.fit(images, np.arange(10) % 3, batch_size=5)
    unknown = tf.data.Dataset.from_tensor_slices(images).batch(4)
    labeled = tf.data.Dataset.from_tensor_slices((images, np.arange(10) % 3)).batch(4)
    with pytest.raises(ValueError, match="of unknown size .* drop_remainder=True"):
        gan.fit(tf.data.Dataset.zip({"labeled": labeled, "unlabeled": unknown}))


CHECKS = {
    "float64": (one_device_on_the_whole_batch,),
    "float32": (own_draws_shared_statistics, coupled_examples, stopped_and_resumed, refused),
}
