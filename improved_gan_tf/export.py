"""Generators for serving: SavedModel, ONNX, LiteRT."""

import os
from pathlib import Path

import keras

from improved_gan_tf.atomic import write_folder
from improved_gan_tf.errors import UserError

FORMATS = ("savedmodel", "onnx", "litert")


def export(generator, path, file_format="savedmodel"):
    """Writes the generator in one of `FORMATS`; returns the path.

    Running averages normalise, so that an image does not depend on its neighbours and a batch of
    one works. The ONNX and LiteRT models take z alone.

    Raises:
        UserError: an unknown format, a library it needs absent, a place that is taken.
    """
    if file_format not in FORMATS:
        raise UserError(f"unknown format {file_format!r}; choose one of {', '.join(FORMATS)}")
    path = Path(path)
    if path.exists() and file_format != "savedmodel":
        raise UserError(f"{path} exists already; remove it or name another place with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    return {"savedmodel": saved_model, "onnx": onnx, "litert": litert}[file_format](
        generator, path
    )


def saved_model(generator, path):
    """A SavedModel that needs TensorFlow alone.

    Signatures (and methods of the loaded object, of which a reference must be kept):
    `serve(z)`: float32 (N, Z) in [0, 1) -> images (N, H, W, C), any N;
    `sample(n, seed)`: two int32 scalars -> n images, the same for the same seed.

    An older SavedModel at `path` is replaced; anything else there is refused.
    """
    import tensorflow as tf

    path = Path(path)
    if path.exists() and any(path.iterdir()) and not (path / "saved_model.pb").is_file():
        raise UserError(f"{path} exists and is not a SavedModel; name another place with --out")
    latent_dim = generator.input_shape[-1]
    dtype = generator.input_dtype

    def serve(z):
        return generator(z, training=False)

    def sample(n, seed):
        z = tf.random.stateless_uniform(
            tf.stack([n, latent_dim]), seed=tf.stack([seed, 0]), dtype=dtype
        )
        return serve(z)

    archive = keras.export.ExportArchive()
    archive.track(generator)
    scalar = tf.TensorSpec((), tf.int32)
    archive.add_endpoint("serve", serve, [tf.TensorSpec((None, latent_dim), dtype, name="z")])
    archive.add_endpoint("sample", sample, [scalar, scalar])
    return write_folder(path, lambda name: archive.write_out(name, verbose=False))


def onnx(generator, path):
    """An ONNX model z -> images, by Keras' exporter (pip install improved_gan_tf[onnx])."""
    return _by_keras(generator, path, "onnx")


def litert(generator, path):
    """A LiteRT (.tflite) model z -> images (pip install improved_gan_tf[litert])."""
    return _by_keras(generator, path, "litert")


def _by_keras(generator, path, file_format):
    suffix = {"onnx": ".onnx", "litert": ".tflite"}[file_format]
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{suffix}")
    try:
        generator.export(str(temporary), format=file_format, verbose=False)
        os.replace(temporary, path)
    except ImportError as error:
        raise UserError(
            f"{file_format} export needs a library that is not installed ({error}); "
            f'pip install "improved_gan_tf[{file_format}]"'
        ) from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
