"""Generators for serving: SavedModel, ONNX, LiteRT."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, temporary_folder
from improved_gan_tf.layers import walk
from improved_gan_tf.networks import players

_GRAPH = "saved_model.pb"
_SAVED = {_GRAPH, "fingerprint.pb", "variables", "assets"}
FORMATS = ("savedmodel", "onnx", "litert")


def export(gan: Any, path: str | os.PathLike, file_format: str = "savedmodel") -> Path:
    """Writes a model's generator to a file or, as a SavedModel, to a folder; returns its path.

    Batch normalization uses its running averages, so that an image does not depend on the others in
    its batch and batches of one work. The ONNX and LiteRT models take a batch of latent vectors of
    any size as their only input, and compute in float32 also after training in mixed precision,
    since onnxruntime cannot load products in bfloat16. A LiteRT interpreter starts with batch size
    1, which `resize_tensor_input` changes (signature runners resize automatically).

    Args:
        gan: The model, a `SemiSupervisedGAN`, an `ImageNetGAN` or another `models.gan.GAN`.
        path: Where to write. A SavedModel that `export` wrote is replaced; anything else is an
            error. The name of a LiteRT model must end with .tflite.
        file_format: "savedmodel" (the default, see `saved_model`), "onnx" or "litert"
            (pip install improved_gan_tf[onnx], improved_gan_tf[litert]).

    Raises:
        UserError: The format is unknown or needs a library that is absent; the place is taken or
            has another suffix.

    Example:
    >>> shape = (8, 8, 1)
    >>> pair = networks.dense.generator(shape), networks.dense.discriminator(shape)
    >>> generator = open_generator(export(models.SemiSupervisedGAN(*pair), "generator"))
    >>> generator.draw(5, 1).shape, generator.image_range
    ((5, 8, 8, 1), (0.0, 1.0))
    """
    path = Path(path)
    if file_format not in FORMATS:
        raise UserError(f"unknown format {file_format!r}; choose one of {', '.join(FORMATS)}")
    if file_format == "savedmodel":
        return saved_model(gan.serving_generator(), path, gan.latent_range, gan.image_range)
    if path.exists():
        raise UserError(f"{path} exists already; remove it or name another place")
    if file_format == "litert" and path.suffix != ".tflite":
        raise UserError(f"the name of a LiteRT model must end with .tflite, not {path.name}")
    if file_format == "litert" and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
        raise UserError(f"LiteRT export needs Keras 3.13 or later, not {keras.__version__}")
    generator = gan.serving_generator()
    # Called once: Keras' ONNX exporter refuses a model that never was.
    one = [keras.ops.zeros((1, *x.shape[1:])) for x in players.inputs(generator)]
    generator(one if len(one) > 1 else one[0])
    try:
        with temporary(path) as name, _in_float32(generator):
            generator.export(str(name), format=file_format, verbose=False)
    except ImportError as error:
        raise UserError(
            f"{file_format} export needs a library that is not installed ({error}); "
            f'pip install "improved_gan_tf[{file_format}]"'
        ) from error
    return path


def saved_model(
    generator: keras.Model,
    path: str | os.PathLike,
    latent_range: tuple[float, float],
    image_range: tuple[float, float],
) -> Path:
    """Writes a SavedModel that needs TensorFlow alone; returns its path.

    Its signatures, which are also methods of what `tf.saved_model.load` returns (keep a reference
    to that): `serve(z)`: float32 (N, Z) in `latent_range` -> images (N, H, W, C), any N; a
    generator of several latents has them all as arguments, by their inputs' names (`serve(z, h0z,
    h1z, ...)`); `sample(n, seed)`: two int32 scalars -> n images, the same for the same seed;
    `image_range()`: float32 (2,), the values of the images that are black and full brightness.

    Args:
        generator: A `keras.Model` of one or more latent inputs; one with virtual batch
            normalization should be frozen (`layers.freeze_reference`).
        path: The folder to write; what `check_place` refuses is not replaced.
        latent_range: The ends (low, high) of the latents' uniform distribution.
        image_range: The values (low, high) that `image_range()` returns.
    """
    path = Path(path)
    check_place(path)
    inputs = players.inputs(generator)

    def serve(*latents):
        images = generator(latents[0] if len(latents) == 1 else list(latents), training=False)
        return tf.cast(images, keras.backend.result_type(images.dtype.name, "float32"))

    def sample(n, seed):
        return serve(
            *(
                tf.random.stateless_uniform(
                    tf.stack([n, *x.shape[1:]]), tf.stack([seed, level]), *latent_range, x.dtype
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
    archive.add_endpoint("image_range", lambda: tf.constant(image_range, tf.float32), [])
    with temporary_folder(path) as name:
        archive.write_out(str(name), verbose=False)
    return path


@contextlib.contextmanager
def _in_float32(generator: keras.Model) -> Iterator[None]:
    """While it is open, the generator's layers in mixed precision compute in float32."""
    low = [x for x in walk(generator) if x.compute_dtype in ("bfloat16", "float16")]
    policies = [layer.dtype_policy for layer in low]
    for layer in low:
        layer.dtype_policy = "float32"
    try:
        yield
    finally:
        for layer, policy in zip(low, policies, strict=True):
            layer.dtype_policy = policy


def check_place(path: str | os.PathLike) -> None:
    """Checks that `saved_model` may write to a place.

    Args:
        path: A folder: absent, empty, or with nothing in it but what `saved_model` has written.

    Raises:
        UserError: Something else is there, such as another program's SavedModel.

    Example:

    >>> check_place("a-place-that-is-free")  # says nothing
    """
    path = Path(path)
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"{path} is a file; name another place for the folder, or move it away")
    names = {entry.name for entry in path.iterdir()}
    if names and not (names <= _SAVED and _is_ours(path / _GRAPH)):
        raise UserError(
            f"{path} holds something else than a generator that export wrote; name another place, "
            "or move it away"
        )


def _is_ours(path: Path) -> bool:
    """Whether the graph of a SavedModel has the signatures of `saved_model`."""
    try:
        graph = SavedModel.FromString(path.read_bytes())
    except (OSError, DecodeError):
        return False
    return any({"serve", "sample"} <= set(part.signature_def) for part in graph.meta_graphs)


@dataclasses.dataclass(frozen=True)
class ExportedGenerator:
    """A generator that `saved_model` wrote.

    Attributes:
        draw: A function (n, seed) of two integers that returns n images, a float array (n, H, W, C)
            in `image_range`, the same for the same seed.
        image_range: The values (low, high) that are black and full brightness; None in a file of
            version 0.1, which does not know them.
    """

    draw: Callable[[int, int], np.ndarray]
    image_range: tuple[float, float] | None


def open_generator(path: str | os.PathLike) -> ExportedGenerator:
    """Opens a generator that `export` wrote as a SavedModel.

    Args:
        path: The folder of the SavedModel.

    Returns:
        An `ExportedGenerator`.

    Raises:
        UserError: The folder cannot be loaded, or holds another kind of model.
    """
    try:
        loaded = tf.saved_model.load(os.fspath(path))
    except Exception as error:  # TensorFlow raises many kinds on damaged files
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} cannot be loaded as a SavedModel ({reason})") from error
    if "sample" not in loaded.signatures:
        raise UserError(
            f"{path} has no sample(n, seed); expected a generator as `improved-gan export` writes "
            "it, or images that were drawn from it"
        )

    def draw(n: int, seed: int) -> np.ndarray:
        return loaded.sample(tf.constant(n), tf.constant(seed)).numpy()

    if "image_range" not in loaded.signatures:
        return ExportedGenerator(draw, None)
    low, high = loaded.image_range().numpy().tolist()
    return ExportedGenerator(draw, (low, high))
