"""The reports of one run and of several: curves, sample grids and one HTML page."""

from improved_gan_tf.runs.report.comparison import compare
from improved_gan_tf.runs.report.report import report

__all__ = ["compare", "report"]
