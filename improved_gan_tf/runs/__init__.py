"""The folder of a run, and the report that is made of it."""

from improved_gan_tf.runs.checkpoint import load as load_weights
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.lock import Locked
from improved_gan_tf.runs.reading import Run
from improved_gan_tf.runs.recorded import recorded

__all__ = ["Locked", "Run", "RunFolder", "load_weights", "recorded"]
