"""Metrics of generated images: the Inception score (section 4), FID, KID and later metrics.

They use the Inception network or another feature extractor. `evaluate` computes any number of them
in one pass over the images; the other functions are shortcuts for it, or compute a single metric
from features. See README.md in this folder for a user guide.
"""

from improved_gan_tf.metrics.callbacks import InceptionScore, ScoreCallback
from improved_gan_tf.metrics.classifiers import Classifier, Inception
from improved_gan_tf.metrics.cmmd import clip_discrepancy
from improved_gan_tf.metrics.density_coverage import density_coverage
from improved_gan_tf.metrics.drawn import Drawn
from improved_gan_tf.metrics.evaluate import (
    ALL_FEATURES,
    best,
    evaluate,
    fid,
    image_scores,
    inception_score,
    kid,
    statistics_of,
)
from improved_gan_tf.metrics.extractors import load_extractor
from improved_gan_tf.metrics.feature_extractor import FeatureExtractor
from improved_gan_tf.metrics.figures import ALL
from improved_gan_tf.metrics.frechet import frechet_distance, frechet_distance_of_features
from improved_gan_tf.metrics.inception_score import (
    best_fraction,
    class_scores_from_logits,
    image_scores_from_logits,
    score_from_logits,
    score_from_probabilities,
)
from improved_gan_tf.metrics.intra_class import intra_class_distances
from improved_gan_tf.metrics.kernel import kernel_distance
from improved_gan_tf.metrics.memorization import memorization_informed_distance
from improved_gan_tf.metrics.mind import monge_distance
from improved_gan_tf.metrics.other_classifier import OtherClassifier, load_classifier
from improved_gan_tf.metrics.precision_recall import precision_recall
from improved_gan_tf.metrics.result import METRICS, Result, Score
from improved_gan_tf.metrics.small_classifier import train_classifier
from improved_gan_tf.metrics.statistics import Statistics

__all__ = [
    "ALL",
    "ALL_FEATURES",
    "METRICS",
    "Classifier",
    "Drawn",
    "FeatureExtractor",
    "Inception",
    "InceptionScore",
    "OtherClassifier",
    "Result",
    "Score",
    "ScoreCallback",
    "Statistics",
    "best",
    "best_fraction",
    "class_scores_from_logits",
    "clip_discrepancy",
    "density_coverage",
    "evaluate",
    "fid",
    "frechet_distance",
    "frechet_distance_of_features",
    "image_scores",
    "image_scores_from_logits",
    "inception_score",
    "intra_class_distances",
    "kernel_distance",
    "kid",
    "load_classifier",
    "load_extractor",
    "memorization_informed_distance",
    "monge_distance",
    "precision_recall",
    "score_from_logits",
    "score_from_probabilities",
    "statistics_of",
    "train_classifier",
]
