"""A test's folder: what was asked for, the prepared images, and the key.

    test.json       the settings, where each image comes from, hashes
    images.npz      uint8 arrays: real, generated, known_real, known_generated
    key             32 random bytes; signs cookies, orders the images, makes tokens and codes
    votes.sqlite3   see `store`

The first three appear together or not at all and are never written again.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data import Images
from improved_gan_tf.data.pictures import Resizing
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary_folder, write_bytes, write_json
from improved_gan_tf.numpy_files import DamagedFile, read_arrays
from improved_gan_tf.turing_test.images import KNOWN, alike, choose, encode, scrambled
from improved_gan_tf.turing_test.protocol import PROTOCOLS, Protocol
from improved_gan_tf.version import VERSION

FORMAT = 1
_KEY_BYTES = 32
FEEDBACK = ("off", "on", "both")
_ARRAYS = ("real", "generated", "known_real", "known_generated")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes two tests the same test; see the options of `improved-gan turing-test`.

    Attributes:
        generated: Where the generated images come from.
        real: Where the real ones come from.
        images: How many of each kind may be shown.
        seed: Of the draws and of the choice of images.
        protocol: "paper" or "hype".
        judgements: Of each annotator, without the qualification.
        feedback: "off", "on", or "both": one of the two for each annotator, by chance.
        best: The fraction of generated images, by the classifier's score, that is shown.
        classifier: The file of that classifier.
        resize: How real images are brought to the generated ones' size, if they are.
        question: What annotators are asked; None for the protocol's own question.
        consent: The text that they agree to; empty for the one of the page.
    """

    generated: str
    real: str
    images: int = 200
    seed: int = 0
    protocol: str = "paper"
    judgements: int | None = None
    feedback: str = "off"
    best: float | None = None
    classifier: str | None = None
    resize: str | None = None
    question: str | None = None
    consent: str = ""

    def checked(self) -> Settings:
        """The settings with the protocol's own question and judgements where none are given.

        Raises:
            UserError: A value is impossible, or there are fewer images than the protocol needs.
        """
        if self.protocol not in PROTOCOLS:
            raise UserError(f"no protocol {self.protocol!r}; choose one of {', '.join(PROTOCOLS)}")
        if self.feedback not in FEEDBACK:
            raise UserError(f"feedback is one of {', '.join(FEEDBACK)}, not {self.feedback!r}")
        if self.best is not None and not 0 < self.best <= 1:
            raise UserError(f"--best is a fraction in (0, 1], not {self.best:g}")
        if (self.best is None) != (self.classifier is None):
            raise UserError("--best and --classifier go together; give both or neither")
        made = PROTOCOLS[self.protocol]
        question = made.question if self.question is None else self.question
        if not question.strip():
            raise UserError("the question is empty; say what annotators are asked")
        judgements = made.judgements if self.judgements is None else self.judgements
        protocol = dataclasses.replace(made, judgements=judgements)
        protocol.check()
        if self.images < protocol.needed:
            raise UserError(
                f"--images {self.images} is fewer than the {protocol.needed} of each kind that "
                f"{judgements} judgements of protocol {self.protocol!r} need; give more, or fewer "
                "--judgements"
            )
        return dataclasses.replace(self, judgements=judgements, question=question)


class Study:
    """A prepared test in its folder; `prepare` makes one, `open_study` opens it.

    Attributes:
        path: The folder.
        settings: The `Settings`.
        about: All that test.json says.
        key: The secret of the server.
    """

    def __init__(self, path: Path, about: dict[str, Any], key: bytes):
        self.path, self.about, self.key = path, about, key
        self.settings = Settings(**about["settings"])

    @property
    def protocol(self) -> Protocol:
        """The protocol, with the settings' number of judgements."""
        made = PROTOCOLS[self.settings.protocol]
        return dataclasses.replace(made, judgements=self.settings.judgements or made.judgements)

    @cached_property
    def pools(self) -> dict[str, np.ndarray]:
        """uint8 [N, H, W, C] of "real", "generated", "known_real" and "known_generated".

        Raises:
            UserError: The file is damaged or not the one that was written.
        """
        path = self.path / "images.npz"
        try:
            pools = read_arrays(path, _ARRAYS)
        except (DamagedFile, OSError) as error:
            raise UserError(f"{path} cannot be read; prepare the test in a new folder") from error
        if {name: _digest(pool) for name, pool in pools.items()} != self.about["sha256"]:
            raise UserError(f"{path} is not as it was written; prepare the test in a new folder")
        return pools

    @cached_property
    def encoded(self) -> dict[str, list[bytes]]:
        """Each image of each pool as the browser gets it; all are of one length."""
        return {name: [encode(image) for image in pool] for name, pool in self.pools.items()}

    def secret(self, what: str, length: int = 16) -> str:
        """A hexadecimal name that only the holder of the key can compute; 2 `length` digits."""
        return hmac.digest(self.key, what.encode(), "sha256")[:length].hex()

    @property
    def token(self) -> str:
        """What the results page asks for."""
        return self.secret("results")

    def feedback(self, number: int) -> bool:
        """Whether annotator `number`, from 0 on, is told of mistakes.

        With "both" one annotator of each two in a row is, by chance (permuted blocks).
        """
        if self.settings.feedback != "both":
            return self.settings.feedback == "on"
        first = self.generator(f"feedback:{number // 2}").integers(2)
        return bool((number + first) % 2)

    def generator(self, what: str) -> np.random.Generator:
        """Random numbers that nobody without the key can predict, the same ones each time."""
        return np.random.default_rng(int(self.secret(what), 16))


def prepare(
    path: str | os.PathLike,
    settings: Settings,
    generated: Images,
    real: Images,
    best: np.ndarray | None = None,
) -> Study:
    """Writes a test's folder.

    Args:
        path: The folder, which does not exist yet or is empty.
        settings: Checked `Settings`.
        generated: The generated images; with `best`, the candidates.
        real: The real images.
        best: The numbers of the candidates that may be shown. None (default): all.

    Returns:
        The `Study`.

    Raises:
        UserError: Too few images, images of different shapes, or a place that cannot be written.
    """
    path, count = Path(path), settings.images + KNOWN
    among = None if best is None else np.sort(best)
    fakes, of_generated = choose(generated, count, settings.seed, among=among)
    size = Resizing.of(fakes.shape[1:3], settings.resize) if settings.resize else None
    truths, of_real = choose(real, count, settings.seed, size)
    fakes = alike(truths, fakes)
    pools = {
        "real": truths[KNOWN:],
        "generated": fakes[KNOWN:],
        "known_real": truths[:KNOWN],
        "known_generated": scrambled(fakes[:KNOWN], settings.seed),
    }
    about = {
        "format": FORMAT,
        "version": VERSION,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": dataclasses.asdict(settings),
        "sources": {"generated": generated.name, "real": real.name},
        "image_shape": list(truths.shape[1:]),
        "known_examples": KNOWN,
        "sha256": {name: _digest(pool) for name, pool in pools.items()},
        # Of the known examples first, then of those that are judged.
        "numbers": {"generated": of_generated.tolist(), "real": of_real.tolist()},
    }
    key = os.urandom(_KEY_BYTES)
    with temporary_folder(path) as new:
        np.savez_compressed(new / "images.npz", **pools)
        write_bytes(new / "key", key)
        (new / "key").chmod(0o600)
        write_json(new / "test.json", about)
    return Study(path, about, key)


def open_study(path: str | os.PathLike, settings: Settings | None = None) -> Study | None:
    """The test in a folder; None if there is no such folder, or an empty one.

    Args:
        path: The folder.
        settings: What the test must be. None (default): anything.

    Raises:
        UserError: The folder holds something else, another test, or one of another version.
    """
    path = Path(path)
    about_file = path / "test.json"
    try:
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return None
        if not about_file.is_file():
            raise UserError(f"{path} is in use and holds no test; name another folder with --out")
        about, key = json.loads(about_file.read_text(encoding="utf-8")), (path / "key").read_bytes()
        if about["format"] != FORMAT:
            raise UserError(
                f"{path} is a test of format {about['format']}, not {FORMAT}; go on with the "
                f"version that made it ({about['version']}), or name another folder with --out"
            )
        made, known, hashes = about["made"], about["known_examples"], about["sha256"]
        kinds = isinstance(made, str), isinstance(known, int), isinstance(hashes, dict)
        if not all(kinds) or len(key) != _KEY_BYTES:
            raise ValueError("an entry of another kind, or a key of another length")
        study = Study(path, about, key)
    except (OSError, RecursionError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{about_file}, or the key beside it, cannot be used; prepare the test in another "
            "folder (--out)"
        ) from error
    if settings is not None and study.settings != settings:
        ours, wanted = dataclasses.asdict(study.settings), dataclasses.asdict(settings)
        (name, value), *_ = [(k, v) for k, v in ours.items() if wanted[k] != v]
        raise UserError(
            f"{path} is another test, of {name} {value!r:.60}, not {wanted[name]!r:.60}; "
            "name another folder with --out"
        )
    return study


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
