"""The names of data: `open` is the one function that knows what they stand for."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from improved_gan_tf.data import arrays, image_arrays, tfds_builder
from improved_gan_tf.data.archives import open_pictures, picture_files
from improved_gan_tf.data.folders import open_folder
from improved_gan_tf.data.pictures import SUFFIXES, Resizing, is_picture
from improved_gan_tf.data.records.files import open_records
from improved_gan_tf.data.records.source import RecordSource
from improved_gan_tf.data.source import Images, Range, Source
from improved_gan_tf.errors import UserError

NAMES = (
    "digits (no network needed), npz:FILE, folder:DIR, records:PATH, a TensorFlow Datasets name "
    "such as mnist, fashion_mnist, cifar10, svhn_cropped, or, of images without labels, the path "
    "of a folder, .zip, .tar, .npy or .npz file"
)
KINDS = ("npz", "folder", "records")
# Always these data sets, whatever lies in the working folder.
_DATA_SETS = frozenset(
    ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn_cropped", "imagenet2012")
)
_GENERATORS = ("saved_model.pb", "checkpoints")  # what a folder of images does not hold
_SUFFIXES = SUFFIXES | {".npy", ".npz", ".zip", ".tar", ".gz", ".tgz", ".txz", ".xz", ".bz2"}


def open(
    name: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    download: bool = True,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "square",
    skip_unreadable: bool = False,
    num_classes: int | None = None,
) -> Source:
    """Opens a data set by its name, for training, testing and scoring alike.

    Args:
        name: One of the following, optionally with `@SPLIT` to choose another split than "train".

            * `digits`: scikit-learn's 8x8 digits, which need no network.
            * `npz:FILE`: a .npz file with the arrays `x_train`, `y_train`, `x_test`, `y_test`, and
              `x_unlabeled` if wanted; -1 in `y_train` is unlabeled.
            * `folder:DIR`: picture files in DIR/train/CLASS and DIR/test/CLASS or DIR/val/CLASS; or
              in DIR/CLASS. Those in DIR/unlabeled or DIR/train/unlabeled carry no label.

              For `npz:` and `folder:`, a fifth of each class becomes the test set if there is none.
            * `records:PATH`: TFRecord files: a folder, one file, or a pattern.
            * a TensorFlow Datasets name, `name[/config][:version]`, such as `mnist`.
            * the path of images without labels: a folder with all its sub-folders, one picture,
              a .zip or tar archive, a .npy or .npz file (`FILE.npz@ARRAY` names the array). A
              folder with the name of a data set is written `./mnist`.
        data_dir: The folder where TFDS keeps prepared data; by default $IMPROVED_GAN_TF_DATA/tfds
            if that variable is set, otherwise TFDS' own default.
        download: Whether TFDS may download and prepare what is not there.
        image_size: The size to which images are resized: the side of a square, or with "stretch"
            also (height, width). By default they keep their own.
        resize: "square" resizes the middle square of each image, "stretch" the whole image.
        skip_unreadable: Leave out pictures that cannot be decoded, and what follows the first
            damage in a TFRecord file. For training a warning names them.
        num_classes: The expected number of classes, an integer. For TFRecord files without an index
            it also bounds the labels. By default it is taken from the data.

    Returns:
        A `Source`. Little is read yet.

    Raises:
        UserError: One line that says what is wrong: an unknown name, data that are not available,
            unreadable or of the wrong form, no such split, a value out of range.

    Example:

    >>> source = improved_gan_tf.data.open("digits")
    >>> source.splits
    {'train': 1297, 'test': 500}
    """
    if not isinstance(name, str | os.PathLike):
        raise UserError(
            f"a name of data is text, not {type(name).__name__}; give arrays to "
            f"data.from_arrays(x, y) or as one pair, data.load((x, y), 10)"
        )
    resizing = Resizing.of(image_size, resize)
    text, split = os.fsdecode(name), None
    kind, _, rest = text.partition(":")
    if "\0" in text:
        raise _unknown(text)
    try:
        if "@" in text and not Path(rest if kind in KINDS else text).expanduser().exists():
            text, _, split = text.rpartition("@")
        source = _opened(text, split, data_dir, download, skip_unreadable, num_classes)
    except tfds_builder.UnknownDataSet:
        raise _unknown(text) from None
    except OSError as error:  # no permission, a name too long
        raise UserError(f"{text[:80]} cannot be read: {error.strerror or error}") from None
    except RuntimeError as error:  # ~USER without such a user
        raise UserError(f"{text[:80]} cannot be read: {error}") from None
    if "train" not in source.split_names:
        source.split = source.split_names[0]
    source.split = source.select(split)
    source.resizing = resizing
    if num_classes not in (None, source.num_classes):
        raise UserError(
            f"{name}: has {source.num_classes} classes, but {num_classes} were asked for"
        )
    return source


def as_source(what: str | os.PathLike | Source, **options: Any) -> Source:
    """`what` if it is a `Source`, otherwise `open(what, **options)`."""
    if not isinstance(what, Source):
        return open(what, **options)
    if options:
        raise UserError(
            f"{what.name}: {', '.join(options)} given for a source that is open; give it to open"
        )
    return what


def as_images(what: Any, image_range: Range = None, **options: Any) -> Images:
    """The images of anything that holds some.

    Args:
        what: An array [N, H, W, C] or [N, H, W], a list of arrays of any sizes, a name that `open`
            takes, a `Source`, or `Images`, which are returned as they are.
        image_range: (low, high), the values of black and full brightness in floats; by default 0
            and 255. Integers always are 0..255.
        **options: Arguments of `open`, for a name: `data_dir`, `skip_unreadable`, ...

    Returns:
        `Images`.

    Raises:
        UserError: Not images; values that seem to be scaled, without a range.

    Example:

    >>> images = improved_gan_tf.data.as_images("digits@test")
    >>> images.name, images.count
    ('digits@test', 500)
    """
    if isinstance(what, Images):
        return what
    if isinstance(what, str | os.PathLike | Source):
        return as_source(what, **options).images(image_range=image_range)
    if isinstance(what, list | tuple):
        return image_arrays.from_list(what, image_range)
    return image_arrays.from_array(what, image_range)


class UnlabeledSource(Source):
    """Images without labels, of one split; `found` returns them for an image range."""

    def __init__(
        self, name: str, count: int, found: Callable[[Range], Images], split: str = "images"
    ):
        self.name, self.split_names = name, (split,)
        self._count, self._found = count, found

    def count(self, split: str) -> int:
        return self._count

    def _images(self, split: str, image_range: Range) -> Images:
        return self._found(image_range)


def _opened(text, split, data_dir, download, skip, num_classes):
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        if not rest:
            raise UserError(f"{text!r} names no path; expected {kind}:PATH")
        if kind == "npz":
            return arrays.open_npz(rest)
        if kind == "folder":
            return open_folder(rest, skip)
        files = open_records(rest, skip, num_classes)
        return RecordSource(text, ("train",), lambda _: files, files.class_names)
    if text == "digits":
        return arrays.open_digits()
    path = Path(text).expanduser()
    if text and text not in _DATA_SETS and path.exists():
        return _unlabeled(path, split, skip)
    if not tfds_builder.is_name(text):
        if os.sep in text or path.suffix.lower() in _SUFFIXES:
            hint = f"; did you mean npz:{text}?" if path.suffix == ".npz" else ""
            raise UserError(f"{text}: there is no such file or folder{hint}")
        raise _unknown(text)
    from improved_gan_tf.data.tfds_source import open_tfds

    return open_tfds(text, data_dir, download, skip)


def _unlabeled(path, split, skip):
    name = str(path)
    if path.is_file() and path.suffix in (".npy", ".npz"):
        key = "images"
        if path.suffix == ".npz":
            npz = image_arrays.NpzArray(path, split)
            shape, found, key = npz.shape, npz.images, npz.key
        else:
            array = image_arrays.open_npy(path)
            shape, found = array.shape, partial(image_arrays.from_array, array, name=name)
            image_arrays.check_form(shape, array.dtype, name)
        source = UnlabeledSource(name, shape[0], found, key)
        source.size, source.channels = (shape[1], shape[2]), 1 if (*shape, 1)[3] == 1 else 3
        return source
    if any((path / marker).exists() for marker in _GENERATORS):
        raise UserError(
            f"{name} is a run or an exported model, not a folder of images; draw images from it: "
            f"improved-gan sample, improved-gan score"
        )
    one = path.is_file() and is_picture(path.name)
    pictures = picture_files(name, [name], skip) if one else open_pictures(path, skip)
    if pictures is None:
        raise UserError(
            f"{name} is not a file of images; supported: pictures, .npz, .npy, .zip, .tar, .tar.gz"
        )
    source = UnlabeledSource(name, pictures.count, lambda image_range: pictures)
    source.hint = f"; did you mean folder:{name}?" if path.is_dir() else ""
    return source


def _unknown(text):
    return UserError(f"unknown data set {text!r}, and no such file or folder; expected {NAMES}")
