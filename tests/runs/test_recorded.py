"""`recorded`: a run's configuration without the folders of the machine that made it."""

import pytest

from improved_gan_tf.runs import recorded


@pytest.mark.parametrize(
    "value, expected",
    [
        ("/home/somebody/runs/seed-1", "seed-1"),
        ("/home/me/My Runs/seed 1/", "seed 1"),
        ("~/runs/digits", "digits"),
        (r"C:\Users\me\runs\digits", "digits"),
        ("file:///home/me/a.npz", "a.npz"),
        ("records:/home/somebody/imagenet_records", "records:imagenet_records"),
        ("npz:/home/me/photos.npz@images", "npz:photos.npz@images"),
        ("folder:photos/cats", "folder:photos/cats"),
        ("mnist/3.0.1", "mnist/3.0.1"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("1 / 2, n/a, and/or", "1 / 2, n/a, and/or"),
        ('labels_file="/data/x.txt"', 'labels_file="x.txt"'),
        (3, 3),
        (None, None),
        ((True, "/a/b"), [True, "b"]),
    ],
)
def test_absolute_paths_become_names(value, expected):
    assert recorded(value) == expected
    assert recorded({"deep": [{"er": value}]}) == {"deep": [{"er": expected}]}


@pytest.mark.parametrize(
    "command, expected",
    [
        ("venv/bin/improved-gan train digits", "improved-gan train digits"),
        (
            "/opt/bin/improved-gan train digits --out=/a/b --data-dir '/my data/tfds' --set c=/d/e",
            "improved-gan train digits --out=b --data-dir tfds --set c=e",
        ),
        ("python tools/measure_seeds.py digits", "python tools/measure_seeds.py digits"),
        (
            "/bin/improved-gan train d'igits --out /a/b",
            "improved-gan train 'd'\"'\"'igits' --out b",
        ),
        ("", ""),
    ],
)
def test_commands(command, expected):
    assert recorded({"command": command}) == {"command": expected}


def test_the_value_itself_stays():
    config = {"command": "/bin/x /a/b", "recipe": {"data": "npz:/a/b.npz"}}
    before = repr(config)
    recorded(config)
    assert repr(config) == before
