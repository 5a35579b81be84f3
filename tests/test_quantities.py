"""The one table of losses, errors and results."""

import subprocess
import sys

import numpy as np
import pytest

from improved_gan_tf import models, quantities
from improved_gan_tf.quantities import QUANTITIES, labels, number, quantity


def test_keys_and_labels_are_unique():
    for attribute in ("key", "label", "short"):
        values = [getattr(row, attribute) for row in QUANTITIES]
        assert len(set(values)) == len(values)
    assert {row.kind for row in QUANTITIES} < set(quantities.KINDS)


@pytest.mark.parametrize("model", [models.SemiSupervisedGAN, models.ImageNetGAN])
def test_models_report_what_is_in_the_table(model):
    known = {row.key for row in QUANTITIES}
    for key in model.reported:
        assert key in known or key.removeprefix("val_") in known


@pytest.mark.parametrize(
    "key, value, text",
    [
        ("test_error", 0.0206, "2.06 %"),
        ("test_error_current", 1, "100.00 %"),
        ("val_class_loss", 0.5, "0.5000"),
        ("generator_loss", np.float32(6.57877), "6.579"),
        ("learning_rate", 0.0003, "0.0003"),
        ("steps", 18000, "18,000"),
        ("seconds", 5025.0, "1 h 24 min"),
        ("seconds", 59.4, "59 s"),
        ("seconds", 61, "1 min 1 s"),
        ("seconds", 3599.7, "1 h 0 min"),
        ("seed", 12345, "12345"),
        ("test_error", None, "none"),
        ("test_error", float("nan"), "nan"),
        ("anything", True, "yes"),
        ("anything", [1, 0.25, False], "1, 0.25, no"),
        ("generator_loss", np.float64("-inf"), "-inf"),
        ("generator_loss", {}, "none"),
    ],
)
def test_text(key, value, text):
    """Also of what a log holds where it holds no number."""
    assert quantity(key).text(value) == text


@pytest.mark.parametrize(
    "key, label, kind",
    [
        ("val_error", "validation error", "error"),
        ("val_real_loss", "validation: discriminator loss, real images", "loss"),
        ("margin_loss", "margin loss", "loss"),
        ("top5_error", "top5 error", "error"),
        ("errors_seen", "errors seen", "other"),
        ("deeper.of_mine", "deeper.of mine", "other"),
    ],
)
def test_keys_with_prefixes_and_unknown_ones(key, label, kind):
    assert (quantity(key).key, quantity(key).label, quantity(key).kind) == (key, label, kind)


def test_labels_tell_averaged_from_current_parameters():
    found = labels(["test_error", "test_error_current", "val_error"])
    assert list(found.values()) == [
        "test error, averaged parameters",
        "test error, current parameters",
        "validation error",
    ]
    assert labels(["test_error"]) == {"test_error": "test error"}


def test_number():
    for value in (True, "1", None, float("inf"), float("nan"), [1]):
        assert number(value) is None
    assert number(np.float32(0.5)) == 0.5 and number(3) == 3.0


def test_light_import():
    code = "import sys, improved_gan_tf.quantities; print({'keras', 'numpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
