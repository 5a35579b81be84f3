"""Every reported loss, error and result: its key, label, short label and kind, in one table.

Logs, progress bar, curves, report, tables and the command line's result lines read it, so that one
quantity has one name and one form. Files hold plain numbers (errors as fractions in 0..1, seconds);
people are shown per cent and minutes.
"""

import dataclasses
import math
import numbers
from collections.abc import Iterable
from typing import Any

AVERAGED = "averaged parameters"
CURRENT = "current parameters"
BASELINE = "supervised-only baseline"
KINDS = ("error", "loss", "score", "deviation", "rate", "count", "duration", "other")
_FORMS = {
    "error": "{:.2f} %",
    "loss": "{:#.4g}",
    "score": "{:#.4g}",
    "deviation": "{:#.2g}",
    "rate": "{:.6g}",
    "count": "{:,.0f}",
}


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One reported quantity.

    Attributes:
        key: Its name in logs, in log.csv and in results.json.
        label: What people read.
        short: The label where there is little room, as in the progress bar.
        kind: One of `KINDS`: "error" (a fraction in 0..1), "loss" (nats), "score" (of
            generated images), "deviation" (of a score), "rate" (a learning rate), "count",
            "duration" (seconds) or "other".

    Example:

    >>> Quantity("seconds", "time", "time", "duration").text(5025)
    '1 h 24 min'
    """

    key: str
    label: str
    short: str
    kind: str

    def text(self, value: Any) -> str:
        """`value` as people read it: errors in per cent, seconds as a duration.

        Example:

        >>> quantity("test_error").text(0.0206)
        '2.06 %'
        """
        if number(value) is None:
            return plain(value)
        if self.kind == "duration":
            return _duration(value)
        value = 100 * value if self.kind == "error" else value
        return _FORMS[self.kind].format(value) if self.kind in _FORMS else plain(value)


# Errors first: where there is little room, the end is cut off.
QUANTITIES = tuple(
    Quantity(*row)
    for row in (
        ("error", "training error", "error", "error"),
        ("running_error", "training error, running average", "running", "error"),
        ("val_error", "validation error", "val", "error"),
        ("val_error_current", f"validation error, {CURRENT}", "val current", "error"),
        ("test_error", "test error", "test", "error"),
        ("test_error_current", f"test error, {CURRENT}", "test current", "error"),
        ("test_error_original_average", "test error, the original's average", "original", "error"),
        ("supervised_loss", "supervised loss", "supervised", "loss"),
        ("unsupervised_loss", "unsupervised loss", "unsupervised", "loss"),
        ("additional_loss", "additional discriminator losses", "additional", "loss"),
        ("real_loss", "discriminator loss, real images", "real", "loss"),
        ("fake_loss", "discriminator loss, generated images", "fake", "loss"),
        ("class_loss", "class loss", "class", "loss"),
        ("generator_loss", "generator loss", "generator", "loss"),
        ("inception_score", "Inception score", "score", "score"),
        ("inception_score_std", "Inception score, standard deviation", "+-", "deviation"),
        ("fid", "Fréchet Inception distance (FID)", "FID", "score"),
        ("sfid", "spatial FID (sFID)", "sFID", "score"),
        ("kid", "kernel Inception distance (KID)", "KID", "score"),
        ("kid_std", "kernel Inception distance, standard deviation", "KID +-", "deviation"),
        ("precision", "precision of the generated images", "precision", "score"),
        ("recall", "recall of the generated images", "recall", "score"),
        ("density", "density of the generated images", "density", "score"),
        ("coverage", "coverage of the generated images", "coverage", "score"),
        ("mind", "Monge Inception distance (MIND)", "MIND", "score"),
        ("mifid", "memorization-informed FID (MiFID)", "MiFID", "score"),
        ("cmmd", "CLIP maximum mean discrepancy (CMMD)", "CMMD", "score"),
        ("intra_fid", "FID within classes, mean", "intra FID", "score"),
        ("intra_fid_std", "FID within classes, standard deviation", "intra +-", "deviation"),
        ("inception_score_per_class", "Inception score per class, mean", "per class", "score"),
        (
            "inception_score_per_class_std",
            "Inception score per class, standard deviation",
            "per class +-",
            "deviation",
        ),
        ("learning_rate", "learning rate", "rate", "rate"),
        ("epoch", "epoch", "epoch", "count"),
        ("epochs", "epochs", "epochs", "count"),
        ("steps", "steps", "steps", "count"),
        ("labels", "labeled images", "labels", "count"),
        ("train_images", "training images", "train", "count"),
        ("test_images", "test images", "images", "count"),
        ("seconds", "training time", "time", "duration"),
    )
)
_BY_KEY = {quantity.key: quantity for quantity in QUANTITIES}


def quantity(key: str) -> Quantity:
    """The quantity called `key`.

    One that is not in the table, of a model of the user's own say, gets its label and kind from its
    name: "..._loss" is a loss, "..._error" an error; `val_` before a key is "validation".

    Args:
        key: The name in a log or in results.json.

    Example:

    >>> quantity("my_own_loss").kind
    'loss'
    """
    if key in _BY_KEY:
        return _BY_KEY[key]
    if key.startswith("val_"):
        known = quantity(key.removeprefix("val_"))
        return dataclasses.replace(known, key=key, label=f"validation: {known.label}")
    words = key.rsplit(".", 1)[-1].split("_")
    kind = next((kind for kind in ("error", "loss") if kind in words), "other")
    return Quantity(key, key.replace("_", " "), words[0], kind)


def labels(keys: Iterable[str]) -> dict[str, str]:
    """The label of each key; errors of averaged and of current parameters are kept apart.

    Args:
        keys: Keys that are shown together. Where both KEY and KEY_current are among them, the label
            of KEY says that it is of the averaged parameters.

    Example:

    >>> labels(["test_error", "test_error_current"])["test_error"]
    'test error, averaged parameters'
    """
    keys = list(keys)
    both = {key for key in keys if f"{key}_current" in keys}
    return {k: quantity(k).label + (f", {AVERAGED}" if k in both else "") for k in keys}


def number(value: Any) -> float | None:
    """`value` as a float where it is a finite number; None for anything else.

    Example:

    >>> number(3), number("3")
    (3.0, None)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        return None
    return float(value)


def plain(value: Any) -> str:
    """`value` as it was set: of a recipe, an option or an unknown result.

    Example:

    >>> plain([True, 0.5, None])
    'yes, 0.5, none'
    """
    if value is None or (isinstance(value, dict | list) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


def _duration(seconds: float) -> str:
    """5025 -> "1 h 24 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
