"""The folder of a run, and the report that is made of it."""

from improved_gan_tf.runs.folder import RunFolder, load_weights

__all__ = ["RunFolder", "load_weights"]
