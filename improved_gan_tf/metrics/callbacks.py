"""Figures while a generator trains: a Keras metric, and a callback for `fit`."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.drawn import Drawn
from improved_gan_tf.metrics.evaluate import (
    ALL_FEATURES,
    evaluate,
    open_source,
    statistics_for,
    statistics_of,
)
from improved_gan_tf.metrics.extractors import as_classifier
from improved_gan_tf.metrics.figures import Asked, named


class InceptionScore(keras.metrics.Metric):
    """The Inception score, in one split, of the images that `update_state` is given.

    exp(E_x KL(p(y|x) || p(y))), p(y) the mean over all images since `reset_state`, in float64.
    Works in graph mode: the network is a part of the metric's graph.

    Args:
        classifier: A `Classifier` with a `model`, such as `Inception`. None (default) is Inception
            with its published weights.
        image_range: `(low, high)`, the images' values for black and full brightness; they are not
            rounded to bytes. Defaults to (0, 255).
        name: String, the metric's name. Defaults to "inception_score".

    Raises:
        UserError: The classifier has no `model`.

    Example:

    >>> from improved_gan_tf import inception, metrics
    >>> network = metrics.Inception(inception.random_weights(0))  # no download: scores mean nothing
    >>> metric = InceptionScore(network, image_range=(-1.0, 1.0))
    >>> metric.update_state(keras.random.uniform((4, 32, 32, 3), -1.0, 1.0))
    >>> bool(1.0 <= metric.result() <= 4.0)
    True
    """

    def __init__(
        self,
        classifier: Classifier | str | os.PathLike | None = None,
        image_range: tuple[float, float] = (0.0, 255.0),
        name: str = "inception_score",
    ):
        super().__init__(name=name, dtype="float64")
        self.classifier = as_classifier(classifier)
        if self.classifier.model is None:
            raise UserError(
                f"{self.classifier.name} is no network for a graph; use the ScoreCallback with it"
            )
        self.image_range = tuple(image_range)

        def total(name, shape=()):
            return self.add_variable(shape, "zeros", dtype="float64", name=name)

        self.negative_entropy = total("negative_entropy")
        self.probability = total("probability", (self.classifier.num_classes,))
        self.count = total("count")

    def update_state(self, images: Any, generated: Any = None, sample_weight: Any = None) -> None:
        """Adds images (N, H, W, 1 or 3): the second argument where there are two, so that the
        metric may stand in `compile(metrics=...)` of a model whose output is images."""
        ops = keras.ops
        images = ops.cast(images if generated is None else generated, "float32")
        low, high = self.image_range
        images = (images - low) * (255.0 / (high - low))
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        logits = self.classifier.model(images, training=False)["logits"]
        log_p = ops.log_softmax(ops.cast(logits, "float64"), axis=-1)
        p = ops.exp(log_p)
        self.negative_entropy.assign_add(ops.sum(p * log_p))
        self.probability.assign_add(ops.sum(p, axis=0))
        self.count.assign_add(ops.cast(ops.shape(p)[0], "float64"))

    def result(self) -> Any:
        """The score, a float64 scalar."""
        ops = keras.ops
        count = ops.maximum(self.count, 1.0)
        q = self.probability / count
        entropy = -ops.sum(q * ops.log(ops.maximum(q, 1e-300)))
        return ops.exp(self.negative_entropy / count + entropy)


class ScoreCallback(keras.callbacks.Callback):
    """Scores the generator at the end of epochs and adds the metrics to the logs.

    By default it adds `inception_score` and `inception_score_std` to the epoch's logs, and `fid` if
    there is a reference; `metrics` selects others. They appear in the `History`, and in the output
    of callbacks later in the list, such as `CSVLogger` and `TensorBoard`.

    Args:
        count: Integer, the number of images to generate for each score, always from the same latent
            vectors. Defaults to 1,000.
        every: Integer, the number of epochs between two scores; the last epoch is always scored.
            Defaults to 1.
        sample: Function `(n, seed)` that returns n images. None (default) is the model's `sample`.
        image_range: `(low, high)`, the values for black and full brightness. None (default): the
            model's `image_range`, or 0..255 where `sample` is given.
        splits: Integer, the parts of the Inception score. Defaults to 10.
        classifier: A `Classifier`, or the path of one. None (default) is Inception with its
            published weights.
        reference: Real images or their `Statistics`, as in `evaluate`; or None (default).
        metrics: Names of figures, as in `evaluate`. None (default): "inception_score", and "fid"
            with a reference.
        **options: Options of the figures, as in `evaluate`: `kid_subset_size`, ...
        seed: Integer, the seed of the images. Defaults to 0.
        batch_size: Integer, the images the classifier sees at a time. Defaults to 32.

    Raises:
        UserError: There are fewer images than parts, the reference is another classifier's, or the
            classifier cannot be loaded.

    Example:

    >>> score = ScoreCallback(100, every=25, classifier="digits.keras", reference="digits")
    >>> gan.fit(data.train, epochs=300, callbacks=[score])  # doctest: +SKIP
    """

    def __init__(
        self,
        count: int = 1000,
        every: int = 1,
        sample: Callable[[int, int], Any] | None = None,
        image_range: tuple[float, float] | None = None,
        splits: int = 10,
        classifier: Classifier | str | os.PathLike | None = None,
        reference: Any = None,
        seed: int = 0,
        batch_size: int = 32,
        metrics: Sequence[str] | str | None = None,
        **options: Any,
    ):
        super().__init__()
        if every < 1:
            raise UserError(f"every is a number of epochs from 1, not {every}")
        self.every, self.sample = every, sample
        self.images = Drawn(self._draw, count, seed, image_range, "model")
        if metrics is None:
            metrics = ("inception_score",) if reference is None else ("inception_score", "fid")
        real = None if reference is None else open_source(reference)
        classifier = as_classifier(classifier)
        metrics = named(metrics, self.images, real, classifier)
        Asked(metrics, splits, **options).check(self.images, real, classifier)
        classifier.load()  # what it lacks would otherwise end the training at the first score
        if reference is not None:
            kept = ALL_FEATURES if set(metrics) - {"inception_score", "fid"} else False
            same = {"classifier": classifier, "batch_size": batch_size, "keep_features": kept}
            reference = statistics_of(real, **same)
            statistics_for(self.images, classifier).check_comparable(reference)
        self.options = {
            "classifier": classifier,
            "reference": reference,
            "metrics": metrics,
            "splits": splits,
            "batch_size": batch_size,
            **options,
        }

    def _draw(self, n: int, seed: int) -> Any:
        return (self.sample or self.model.sample)(n, seed)

    def set_model(self, model: keras.Model) -> None:
        """Takes the range of the model's images, unless another one or `sample` was given."""
        super().set_model(model)
        if self.sample is None and self.images.image_range is None:
            self.images.image_range = model.image_range

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the figures to `logs`."""
        last = epoch + 1 == self.params.get("epochs")
        if logs is None or ((epoch + 1) % self.every and not last):
            return
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "the Inception score of"
            )  # few images are the rule here
            figures = evaluate(self.images, **self.options).figures
        for name, figure in figures.items():
            if isinstance(figure, dict):
                logs[f"{name}_std"] = figure["std"]
                figure = figure["mean"]
            logs[name] = figure
