"""Scores while a generator trains: a Keras metric, and a callback for `fit`."""

import keras
import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import distances, evaluate, inception_score, sources


class InceptionScore(keras.metrics.Metric):
    """The Inception score, in one split, of the images that `update_state` is given.

    exp(E_x KL(p(y|x) || p(y))), p(y) the mean over all images since `reset_state`. Works in graph
    mode: the network is a part of the metric's graph. Sums are float64.

    Args:
        classifier: an `Inception`; None makes one of the published weights.
        value_range: the images' black and full brightness; they are used without rounding.
        name: of the metric.
    """

    def __init__(self, classifier=None, value_range=(0.0, 255.0), name="inception_score"):
        super().__init__(name=name, dtype="float64")
        self.classifier = classifier or evaluate._inception()
        if not hasattr(self.classifier, "model"):
            raise UserError(
                f"the metric runs Inception's network, not {self.classifier.name}; use the "
                "ScoreCallback with other classifiers"
            )
        self.value_range = tuple(value_range)

        def total(name, shape=()):
            return self.add_variable(shape, "zeros", dtype="float64", name=name)

        self.negative_entropy = total("negative_entropy")
        self.probability = total("probability", (self.classifier.num_classes,))
        self.count = total("count")

    def update_state(self, images, generated=None, sample_weight=None):
        """Takes in images (N, H, W, 1 or 3): the second argument where there are two, so that the
        metric may stand in `compile(metrics=...)` of a model that gives out images."""
        ops = keras.ops
        images = ops.cast(images if generated is None else generated, "float32")
        low, high = self.value_range
        images = (images - low) * (255.0 / (high - low))
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        logits = self.classifier.model(images, training=False)["logits"]
        log_p = ops.log_softmax(ops.cast(logits, "float64"), axis=-1)
        p = ops.exp(log_p)
        self.negative_entropy.assign_add(ops.sum(p * log_p))
        self.probability.assign_add(ops.sum(p, axis=0))
        self.count.assign_add(ops.cast(ops.shape(p)[0], "float64"))

    def result(self):
        ops = keras.ops
        count = ops.maximum(self.count, 1.0)
        q = self.probability / count
        entropy = -ops.sum(q * ops.log(ops.maximum(q, 1e-300)))
        return ops.exp(self.negative_entropy / count + entropy)


class ScoreCallback(keras.callbacks.Callback):
    """Scores the generator after epochs and puts the figures into the logs.

    `inception_score` and `inception_score_std` (and `fid` with a reference) join the epoch's logs,
    so that a history, a CSV log or TensorBoard after it in the list of callbacks keeps them.

    Args:
        count: images of a score; the same latent vectors each time.
        every: epochs from one score to the next; the last epoch has one anyway.
        sample: function (n, seed) -> n images; None is the model's own `sample`.
        value_range: its images' black and full brightness; None: 0..255.
        splits: see `inception.score`.
        classifier: see `inception.score`.
        reference: `Statistics` of real images by the same classifier, for FID; or None.
        seed: of the images.
        batch_size: of the classifier.
    """

    def __init__(
        self,
        count=1000,
        every=1,
        sample=None,
        value_range=None,
        splits=10,
        classifier=None,
        reference=None,
        seed=0,
        batch_size=evaluate.BATCH_SIZE,
    ):
        super().__init__()
        if count < splits:
            raise UserError(f"{count} images cannot be split into {splits} parts")
        self.count, self.every, self.sample, self.value_range = count, every, sample, value_range
        self.splits, self.reference, self.seed = splits, reference, seed
        self.batch_size = batch_size
        self.classifier = classifier or evaluate._inception()

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs")
        if (epoch + 1) % self.every and not last:
            return
        draw = self.sample or self.model.sample
        source = sources.Drawn(draw, self.count, self.seed, self.value_range, "model")
        statistics = None
        if self.reference is not None:
            statistics = evaluate.new_statistics(self.classifier, source.name)
        with evaluate.LogitFile() as logits:
            evaluate.extract(source, self.classifier, logits, statistics, self.batch_size)
            mean, std = inception_score.score_from_logits(logits, self.splits)
        found = {"inception_score": mean, "inception_score_std": std}
        if statistics is not None:
            found["fid"] = distances.frechet_distance(
                statistics.mean,
                statistics.covariance,
                self.reference.mean,
                self.reference.covariance,
            )
        if logs is not None:
            logs.update({name: float(np.float64(value)) for name, value in found.items()})
