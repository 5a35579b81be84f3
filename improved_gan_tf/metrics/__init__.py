"""The Inception score (section 4), FID and KID, by Inception or by another classifier."""

from improved_gan_tf.metrics.callbacks import InceptionScore, ScoreCallback
from improved_gan_tf.metrics.classifiers import Inception, OtherClassifier, load_classifier
from improved_gan_tf.metrics.distances import frechet_distance, kernel_distance
from improved_gan_tf.metrics.evaluate import (
    Score,
    best,
    fid,
    image_scores,
    kid,
    score,
    statistics_of,
)
from improved_gan_tf.metrics.inception_score import (
    best_fraction,
    image_scores_from_logits,
    score_from_logits,
    score_from_probabilities,
)
from improved_gan_tf.metrics.small_classifier import train as train_classifier
from improved_gan_tf.metrics.sources import Drawn, open_images
from improved_gan_tf.metrics.statistics import Statistics

__all__ = [
    "Drawn",
    "Inception",
    "InceptionScore",
    "OtherClassifier",
    "Score",
    "ScoreCallback",
    "Statistics",
    "best",
    "best_fraction",
    "fid",
    "frechet_distance",
    "image_scores",
    "image_scores_from_logits",
    "kernel_distance",
    "kid",
    "load_classifier",
    "open_images",
    "score",
    "score_from_logits",
    "score_from_probabilities",
    "statistics_of",
    "train_classifier",
]
