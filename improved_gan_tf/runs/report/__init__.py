"""The report of a run: curves, sample grids and one HTML page."""

from improved_gan_tf.runs.report.report import report

__all__ = ["report"]
