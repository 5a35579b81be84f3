"""The published files of the network's weights: names, addresses, sizes and hashes.

| file | bytes | recognized by |
|---|---|---|
| `classify_image_graph_def.pb` | 95,673,916 | MD5 e6bb154e... |
| `inception-2015-12-05.tgz` | 88,931,400 | the MD5 of that graph, which it contains |
| `pt_inception-2015-12-05-6726825d.pth` | 95,628,359 | SHA-256 6726825d... |
| `weights-inception-2015-12-05-6726825d.pth` | the same file under another name | |

All of them hold the same numbers. A file is recognized by its content, not by its name.
"""

import hashlib
import os
from typing import NamedTuple

from improved_gan_tf.tar_files import open_tar, read_members

VARIABLE = "IMPROVED_GAN_TF_INCEPTION"  # the environment variable that names a file of weights
GRAPH_FILE = "classify_image_graph_def.pb"
GRAPH_MD5 = "e6bb154e85f5d4331c22abcddb5dcf31"
GRAPH_BYTES = 95_673_916
TGZ_BYTES = 88_931_400
PTH_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PTH_BYTES = 95_628_359
LARGEST = 400_000_000  # bytes: no file of these weights comes near


class Published(NamedTuple):
    """A published file: its address, its size in bytes and its SHA-256.

    The SHA-256 is None for the archive, which is recognized by the MD5 of the graph in it.
    """

    url: str
    size: int
    sha256: str | None

    @property
    def name(self) -> str:
        """The file's name, in the cache too."""
        return self.url.rpartition("/")[2]


_PTH = "https://github.com/{}inception-2015-12-05-6726825d.pth"
_PYTORCH_FID = _PTH.format("mseitzer/pytorch-fid/releases/download/fid_weights/pt_")
_TORCH_FIDELITY = _PTH.format("toshas/torch-fidelity/releases/download/v0.2.0/weights-")
_TGZ = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
FILES = (
    Published(_PYTORCH_FID, PTH_BYTES, PTH_SHA256),
    Published(_TORCH_FIDELITY, PTH_BYTES, PTH_SHA256),
    Published(_TGZ, TGZ_BYTES, None),
)


def file_hash(path: str | os.PathLike, kind: str = "sha256") -> str:
    """The hash of a file's content as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def graph_hash(data: bytes) -> str:
    """The MD5 of a serialized graph, by which the published one is known."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def graph_in_archive(path: str | os.PathLike) -> bytes | None:
    """The graph's bytes in a .tgz, which is not unpacked; None where it has no such member.

    Raises:
        tarfile.TarError, zlib.error, EOFError, OSError, ValueError: The archive is damaged.
        UserError: It is above a limit.
    """
    with open_tar(path, LARGEST) as archive:
        for member in read_members(archive, path):
            if member.isfile() and os.path.basename(member.name) == GRAPH_FILE:
                if member.size > LARGEST:
                    raise ValueError(f"{member.name} has {member.size} bytes")
                stream = archive.extractfile(member)
                return stream.read() if stream is not None else None
    return None
