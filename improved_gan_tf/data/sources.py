"""Names of data sets, and reading them into memory."""

from __future__ import annotations

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.errors import UserError

NAMES = (
    "digits (no network needed)",
    "npz:FILE",
    "folder:DIR",
    "a TensorFlow Datasets name such as mnist, fashion_mnist, cifar10, svhn_cropped",
)


def read(
    name: str, data_dir=None, download: bool = True, image_size=None, test_fraction: float = 0.2
) -> Arrays:
    """Reads a data set into memory.

    Args:
        name: `digits`, `npz:FILE`, `folder:DIR`, or a TFDS name with image and label features
            and train and test splits, `name[/config][:version]`.
        data_dir: where TFDS keeps prepared data; by default $IMPROVED_GAN_TF_DATA/tfds if that
            variable is set, else TFDS' own default. Ignored for the other kinds.
        download: whether TFDS may download and prepare what is not there.
        image_size, test_fraction: for `folder:`, see `folder_source.read_folder`.

    Returns:
        Arrays.

    Raises:
        UserError: unknown name, data that are absent, unreadable or of the wrong form.
    """
    kind, colon, rest = str(name).partition(":")
    if name == "digits":
        from improved_gan_tf.data.digits_source import read_digits

        return read_digits()
    if colon and kind in ("npz", "folder") and not rest:
        raise UserError(f"{name!r} names no path; expected {kind}:PATH.")
    if kind == "npz" and colon:
        from improved_gan_tf.data.npz_source import read_npz

        return read_npz(rest)
    if kind == "folder" and colon:
        from improved_gan_tf.data.folder_source import read_folder

        return read_folder(rest, image_size, test_fraction)
    from improved_gan_tf.data.tfds_source import read_tfds

    return read_tfds(name, data_dir, download)
