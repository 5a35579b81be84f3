"""What may stand in the JSON files of a run and of a table: the one place that says so.

A form is a type, a range of whole numbers, None, a tuple (one of these forms), a list of one form
(any number of such values) or a dictionary: an object whose values by these names have these forms,
where they are there. Everything else in it may be any JSON.
"""

import math
from typing import Any

from improved_gan_tf.quantities import QUANTITIES

_COUNT = range(1 << 53)  # what a float holds exactly
_SIZE = range(1, 1 << 24)
_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    None: "null",
}
_DEEPEST = 50
LARGEST = 1e100
"""What no figure of a run reaches, nor a picture of figures can show."""
FORMER = {"val_error_raw": "val_error_current", "test_error_raw": "test_error_current"}
"""The names that version 0.1 gave to errors of the current parameters."""

_RECIPE = {"name": str, "summary": str, "expected": str, "epochs": _COUNT}
CONFIG = {
    "kind": str,
    "recipe": _RECIPE,
    "overrides": dict,
    "experiment": str,
    "code": {"name": str, "package": str, "attribute": str, "sha256": str},
    "seeds": dict,
    "data": {
        "name": str,
        "train_images": _COUNT,
        "test_images": (_COUNT, None),
        "image_shape": [_SIZE],
        "num_classes": (_SIZE, None),
        "class_names": ([str], None),
        "image_range": [float],
    },
    "data_dir": str,
    "replicas": _SIZE,
    "versions": dict,
    "backend": str,
    "command": (str, [str]),
}
_FIGURES = dict.fromkeys((*(row.key for row in QUANTITIES), *FORMER), (float, None))
_RESULTS = {**_FIGURES, "recipe": str, "objective": str, "epochs": _COUNT, "steps": _COUNT}
RESULTS = {**_RESULTS, "baseline": (_RESULTS, float, None)}
_SCORE = {"mean": float, "std": float}
SCORES = {"about": dict, "epoch": _COUNT, "inception_score": _SCORE, "fid": float}
REAL = {"about": dict, "count": _COUNT, "inception_score": _SCORE}
_ENSEMBLE = {"count": _COUNT, "labels": (_COUNT, None), "test_error": float}
TABLE = {
    "rows": [{"name": str, "runs": [dict], "ensemble": ({**_ENSEMBLE, **_FIGURES}, None)}],
}


def problem(value: Any, form: Any) -> str | None:
    """What is wrong with a value of a JSON file, in words; None where it has the form.

    Texts must be what a file, a path and a page can hold, and numbers what a program can count
    with, in every part of it.
    """
    return _unusable(value, 0) or _mismatch(value, form, "")


def _mismatch(value: Any, form: Any, place: str) -> str | None:
    if isinstance(form, tuple):
        found = [_mismatch(value, one, place) for one in form]
        return None if None in found else found[0]
    if isinstance(form, dict) and isinstance(value, dict):
        before = f"{place}." if place else ""
        parts = [(value[k], form[k], before + k) for k in form if k in value]
        return next(filter(None, (_mismatch(*part) for part in parts)), None)
    if isinstance(form, list) and isinstance(value, list):
        places = enumerate(value)
        return next(filter(None, (_mismatch(v, form[0], f"{place}[{i}]") for i, v in places)), None)
    if isinstance(form, range):
        fits, expected = type(value) is int and value in form, f"{form.start} to {form.stop - 1}"
        expected = f"a whole number from {expected}"
    elif form is float:
        fits, expected = type(value) in (int, float), "a number"
    else:
        kind = form if form is None or isinstance(form, type) else type(form)
        fits, expected = value is None if kind is None else type(value) is kind, _WORDS[kind]
    shown = "null" if value is None else _WORDS[type(value)]
    return None if fits else f"{place or 'the content'} must be {expected}, not {shown}"


def _unusable(value: Any, depth: int) -> str | None:
    if depth > _DEEPEST:
        return f"it is nested more than {_DEEPEST} deep"
    if isinstance(value, str) and not _is_text(value):
        return "a text in it has characters that no file can have"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number in it is out of range"
    if isinstance(value, float) and math.isfinite(value) and abs(value) >= LARGEST:
        return "a number in it is out of range"
    inner: list[Any] = []
    if isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
    return next(filter(None, (_unusable(item, depth + 1) for item in inner)), None)


def _is_text(text: str) -> bool:
    """Whether a text can be written: JSON can hold halves of characters, and NUL.

    Python's names of paths that are not UTF-8 can.
    """
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
