"""Having TFDS download and prepare a data set, leaving nothing behind where that fails."""

from __future__ import annotations

import logging
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from improved_gan_tf.errors import UserError

TIMEOUT = 5.0  # seconds to wait for a sign of life of the first host


def builder_with_data(tfds, name: str, root: Path, download: bool):
    """A TFDS builder whose data are in `root`, downloaded if that is allowed and possible.

    TFDS itself retries an unreachable host for minutes and leaves partial files; therefore the
    host is asked once first, and what a failed attempt made is removed.

    Raises:
        UserError: TFDS does not know the name or version, the data are absent and may not or
            cannot be downloaded, or preparing them failed.
    """
    from improved_gan_tf.data.tfds_source import unknown_name

    try:
        builder = tfds.builder(name, data_dir=str(root), try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError:
        raise unknown_name(name) from None
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
    _prepare(tfds, builder, name, root)
    return builder


def reachable(url: str) -> bool:
    """Whether the server of `url` answers at all within `TIMEOUT`; honours proxy settings."""
    if not url.startswith(("http://", "https://", "ftp://")):
        return True
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT).close()
    except urllib.error.HTTPError:
        return True  # it answered
    except (OSError, ValueError):  # includes timeouts and names that do not resolve
        return False
    return True


def _prepare(tfds, builder, name, root):
    top = root  # the first folder that will have to be made
    while not top.parent.exists():
        top = top.parent
    made = (top, root / "downloads", root / builder.name)
    new = [path for path in made if not path.exists()]
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    logger = logging.getLogger("urllib3.connectionpool")  # prints a line a retry
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        builder.download_and_prepare(download_config=config)
    except BaseException as error:
        for path in new:
            shutil.rmtree(path, ignore_errors=True)
        if not isinstance(error, Exception):
            raise  # Ctrl-C
        raise _absent(name, root, f"TFDS could not prepare it ({_one_line(error)})") from None
    finally:
        logger.setLevel(level)


def _absent(name, root, reason) -> UserError:
    return UserError(
        f"{name}: not found in {root} and {reason}; with a network run: tfds build {name} "
        f"--data_dir={root}; or choose --data-dir, or data that need none: digits, npz:FILE, "
        f"folder:DIR."
    )


def _one_line(error) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
