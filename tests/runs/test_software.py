"""What config.json says of the program that made a run."""

import pytest

from improved_gan_tf.runs.software import software


@pytest.mark.parametrize(
    "program, shown",
    [
        ("/a/site-packages/improved_gan_tf/__main__.py", "python -m improved_gan_tf"),
        ("/a/bin/improved-gan", "improved-gan"),
        ("mine/train.py", "mine/train.py"),
    ],
)
def test_the_command_can_be_given_again(monkeypatch, program, shown):
    monkeypatch.setattr("sys.argv", [program, "train", "digits"])
    assert software()["command"] == f"{shown} train digits"
