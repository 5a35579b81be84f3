"""Generators for serving: SavedModel, ONNX, LiteRT."""

from pathlib import Path

import keras

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, temporary_folder

FORMATS = ("savedmodel", "onnx", "litert")


def export(generator, path, file_format="savedmodel", latent_range=(0.0, 1.0)):
    """Writes the generator in one of `FORMATS`; returns the path.

    Running averages normalise, so that an image does not depend on its neighbours and a batch of
    one works. The ONNX and LiteRT models take the latents alone.

    Args:
        generator: of one or more latent inputs; one with virtual batch normalization should be
            frozen (`layers.freeze_reference`).
        path: file or, for a SavedModel, folder.
        file_format: one of `FORMATS`.
        latent_range: ends of the latents' uniform distribution, for a SavedModel's `sample`.

    Raises:
        UserError: an unknown format, a library it needs absent, a place that is taken.
    """
    if file_format not in FORMATS:
        raise UserError(f"unknown format {file_format!r}; choose one of {', '.join(FORMATS)}")
    path = Path(path)
    if path.exists() and file_format != "savedmodel":
        raise UserError(f"{path} exists already; remove it or name another place with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    if file_format == "savedmodel":
        return saved_model(generator, path, latent_range)
    return {"onnx": onnx, "litert": litert}[file_format](generator, path)


def saved_model(generator, path, latent_range=(0.0, 1.0)):
    """A SavedModel that needs TensorFlow alone.

    Signatures (and methods of the loaded object, of which a reference must be kept):
    `serve(z)`: float32 (N, Z) in `latent_range` -> images (N, H, W, C), any N; a generator of
    several latents has them all as arguments, by their inputs' names (`serve(z, h0z, h1z, ...)`);
    `sample(n, seed)`: two int32 scalars -> n images, the same for the same seed.

    An older SavedModel at `path` is replaced; anything else there is refused.
    """
    import tensorflow as tf

    path = Path(path)
    if path.exists() and any(path.iterdir()) and not (path / "saved_model.pb").is_file():
        raise UserError(f"{path} exists and is not a SavedModel; name another place with --out")
    low, high = latent_range
    inputs = generator.inputs

    def serve(*latents):
        return generator(latents[0] if len(latents) == 1 else list(latents), training=False)

    def sample(n, seed):
        return serve(
            *(
                tf.random.stateless_uniform(
                    tf.stack([n, *x.shape[1:]]), tf.stack([seed, level]), low, high, x.dtype
                )
                for level, x in enumerate(inputs)
            )
        )

    archive = keras.export.ExportArchive()
    archive.track(generator)
    scalar = tf.TensorSpec((), tf.int32)
    latents = [tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in inputs]
    archive.add_endpoint("serve", serve, latents)
    archive.add_endpoint("sample", sample, [scalar, scalar])
    with temporary_folder(path) as name:
        archive.write_out(str(name), verbose=False)
    return path


def onnx(generator, path):
    """An ONNX model z -> images, by Keras' exporter (pip install improved_gan_tf[onnx])."""
    return _by_keras(generator, path, "onnx")


def litert(generator, path):
    """A LiteRT (.tflite) model z -> images (pip install improved_gan_tf[litert])."""
    return _by_keras(generator, path, "litert")


def _by_keras(generator, path, file_format):
    try:
        with temporary(path) as name:
            generator.export(str(name), format=file_format, verbose=False)
    except ImportError as error:
        raise UserError(
            f"{file_format} export needs a library that is not installed ({error}); "
            f'pip install "improved_gan_tf[{file_format}]"'
        ) from error
    return path
