"""TensorFlow Datasets: finding what is prepared, and having it downloaded and prepared."""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError

TIMEOUT = 5.0  # seconds to wait for a sign of life of the first host
_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:\d+\.\d+\.\d+)?")


class UnknownDataSet(Exception):
    """TFDS has no data set of this name."""


def default_data_dir(data_dir: str | os.PathLike | None = None) -> Path:
    """`data_dir`, otherwise $IMPROVED_GAN_TF_DATA/tfds, otherwise TFDS' own default."""
    if data_dir is not None:
        return Path(data_dir).expanduser()
    if os.environ.get("IMPROVED_GAN_TF_DATA"):
        return Path(os.environ["IMPROVED_GAN_TF_DATA"]).expanduser() / "tfds"
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def is_name(name: str) -> bool:
    """Whether `name` has the form `name[/config][:version]`, known to TFDS or not."""
    return _NAME.fullmatch(name) is not None


def prepared_folder(root: Path, name: str) -> Path | None:
    """The folder of the newest prepared version, found without asking TFDS' registry."""
    name, _, version = name.partition(":")
    folder = root / name
    if not folder.is_dir():
        return None
    found = [
        p
        for p in folder.iterdir()
        if (p / "features.json").is_file()
        and re.fullmatch(r"\d+\.\d+\.\d+", p.name)
        and version in ("", p.name)
    ]
    return max(found, key=lambda p: tuple(map(int, p.name.split("."))), default=None)


def open_builder(
    name: str, data_dir: str | os.PathLike | None = None, download: bool = True
) -> tuple[Any, Any]:
    """The module tensorflow_datasets, and its builder of a data set that is prepared.

    TFDS itself retries an unreachable host for minutes and leaves partial files; therefore the
    host is asked once first, and what a failed attempt made is removed. Raises `UnknownDataSet`
    where TFDS does not know the name, and a UserError for everything else.
    """
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise UserError(
            f"{name}: reading it needs TensorFlow Datasets ({error.name} is not installed); run: "
            f"pip install tensorflow-datasets importlib_resources"
        ) from None
    root = default_data_dir(data_dir)
    prepared = prepared_folder(root, name)
    if prepared is None:
        return tfds, _prepared(tfds, name, root, download)
    try:
        return tfds, tfds.builder_from_directory(str(prepared))
    except Exception:  # whatever its JSON and protocol buffer parsers make of damaged files
        raise UserError(
            f"{name}: the description in {prepared} cannot be read; remove that folder and prepare "
            f"it again"
        ) from None


def _prepared(tfds, name, root, download):
    try:
        builder = tfds.builder(name, data_dir=str(root), try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError:
        raise UnknownDataSet(name) from None
    except Exception as error:  # its loaders raise all sorts, an AssertionError for a version
        raise UserError(f"{name}: TFDS refuses it: {_one_line(error)}") from None
    if Path(builder.data_path).exists():
        return builder
    if not download:
        raise _absent(name, root, "downloading is switched off")
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        raise _absent(name, root, "its files must be downloaded by hand, see its TFDS page")
    urls = list(builder.url_infos or ())
    if urls and not reachable(urls[0]):
        raise _absent(name, root, "there is no network")
    top = root  # the first folder that will have to be made
    while not top.parent.exists():
        top = top.parent
    made = (top, root / "downloads", root / builder.name)
    new = [path for path in made if not path.exists()]
    logger = logging.getLogger("urllib3.connectionpool")  # prints a line per retry
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(download_config=config)
    except BaseException as error:
        for path in new:
            shutil.rmtree(path, ignore_errors=True)
        if not isinstance(error, Exception):
            raise  # Ctrl-C
        raise _absent(name, root, f"TFDS could not prepare it ({_one_line(error)})") from None
    finally:
        logger.setLevel(level)
    return builder


def reachable(url: str) -> bool:
    """Whether the server of `url` answers at all within `TIMEOUT`; honours proxy settings."""
    import urllib.error
    import urllib.request  # here, so that the command line's help does not wait for it

    if not url.startswith(("http://", "https://", "ftp://")):
        return True
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT).close()
    except urllib.error.HTTPError:
        return True  # it answered
    except (OSError, ValueError):  # includes timeouts and names that do not resolve
        return False
    return True


def _absent(name, root, reason):
    return UserError(
        f"{name}: not found in {root} and {reason}; with a network run: tfds build {name} "
        f"--data_dir={root}; or choose --data-dir, or data that need none: digits, npz:FILE, "
        f"folder:DIR"
    )


def _one_line(error):
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
