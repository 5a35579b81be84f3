"""A test's folder: prepared once, recognized, refused where it is another."""

import dataclasses
import json

import numpy as np
import pytest

from improved_gan_tf.data import as_images
from improved_gan_tf.turing_test.images import KNOWN
from improved_gan_tf.turing_test.study import Settings, open_study, prepare
from tests.helpers.one_line import refusal_of
from tests.helpers.turing import make_study, pictures


@pytest.mark.parametrize(
    "message, values",
    [
        ("no protocol 'x'; choose one of paper, hype", {"protocol": "x"}),
        ("feedback is one of off, on, both", {"feedback": "x"}),
        ("--best is a fraction", {"best": 0.0, "classifier": "f"}),
        ("--best and --classifier go together", {"best": 0.1}),
        ("the question is empty", {"question": " "}),
        ("multiple of 9 in protocol 'paper', not 10", {"judgements": 10}),
        ("multiple of 2 in protocol 'hype', not 5", {"judgements": 5, "protocol": "hype"}),
        ("--images 89 is fewer than the 90 of each kind", {"images": 89}),
        ("--images 49 is fewer than the 50 of", {"images": 49, "protocol": "hype"}),
    ],
)
def test_impossible_settings(message, values):
    settings = Settings(generated="a", real="b", **values)
    refusal_of(settings.checked)(message)


def test_a_prepared_folder_is_opened_again(tmp_path):
    study = make_study(tmp_path / "test")
    again = open_study(tmp_path / "test", study.settings)
    for name, pool in study.pools.items():
        assert np.array_equal(again.pools[name], pool)
        assert len(pool) == (KNOWN if name.startswith("known") else 40)
    assert again.token == study.token and len(study.token) == 32
    assert (tmp_path / "test/key").stat().st_mode & 0o77 == 0
    # Each image is the one of the source that the record names.
    numbers = study.about["numbers"]
    assert np.array_equal(study.pools["real"], pictures(0)[numbers["real"][KNOWN:]])
    assert np.array_equal(study.pools["generated"], pictures(1)[numbers["generated"][KNOWN:]])
    other = make_study(tmp_path / "other")
    assert np.array_equal(other.pools["real"], study.pools["real"])  # by the seed
    assert other.token != study.token  # by the key


def test_only_the_best_are_shown(tmp_path):
    settings = Settings(generated="a", real="b", images=40, judgements=18)
    best = np.random.default_rng(5).permutation(60)[:50]
    source = pictures(1)
    study = prepare(
        tmp_path / "t", settings.checked(), as_images(source), as_images(pictures(0)), best
    )
    numbers = study.about["numbers"]["generated"]
    assert set(numbers) <= set(best.tolist())
    assert np.array_equal(study.pools["generated"], source[numbers[KNOWN:]])


def test_other_folders_are_refused(tmp_path):
    study = make_study(tmp_path / "test")
    fails = refusal_of(open_study)
    other = dataclasses.replace(study.settings, seed=5)
    fails("is another test, of seed 0, not 5; name another folder", tmp_path / "test", other)
    assert open_study(tmp_path / "absent") is None
    (tmp_path / "used").mkdir()
    assert open_study(tmp_path / "used") is None
    (tmp_path / "used/file").touch()
    fails("is in use and holds no test", tmp_path / "used")
    about = json.loads((tmp_path / "test/test.json").read_text())
    (tmp_path / "test/test.json").write_text(json.dumps({**about, "format": 99}))
    fails("is a test of format 99, not 1; go on with the version", tmp_path / "test")
    for broken in ("[1]", "{", "[" * 100_000, json.dumps({**about, "settings": {"x": 1}})):
        (tmp_path / "test/test.json").write_text(broken)
        fails("test.json.* cannot be used", tmp_path / "test")
    for lacking in ("made", "sha256", "known_examples", "settings", "format"):
        rest = {name: value for name, value in about.items() if name != lacking}
        for broken in (rest, {**about, lacking: None}):
            (tmp_path / "test/test.json").write_text(json.dumps(broken))
            fails("test.json.* cannot be used|of format None", tmp_path / "test")
    (tmp_path / "test/test.json").write_text(json.dumps(about))
    assert open_study(tmp_path / "test").token == study.token
    for key in (b"", study.key[:-1]):  # with either, anybody could forge cookies and tokens
        (tmp_path / "test/key").write_bytes(key)
        fails("the key beside it, cannot be used", tmp_path / "test")


def test_damaged_images_are_refused(tmp_path):
    study = make_study(tmp_path / "test")
    path = tmp_path / "test/images.npz"
    arrays = dict(study.pools)
    np.savez(path, **{**arrays, "real": arrays["real"] + 1})
    refusal_of(lambda: open_study(tmp_path / "test").pools)("is not as it was written")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    refusal_of(lambda: open_study(tmp_path / "test").pools)("cannot be read")
    np.savez_compressed(path, **arrays)
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 255  # among the compressed bytes
    path.write_bytes(damaged)
    refusal_of(lambda: open_study(tmp_path / "test").pools)("cannot be read")
    zeros = np.zeros((70, 1024, 1024, 1), np.uint8)
    np.savez_compressed(path, **{**arrays, "real": zeros})
    refusal_of(lambda: open_study(tmp_path / "test").pools)("announces .*MAX_EXPANSION raises it")


def test_feedback_is_given_to_one_of_each_two(tmp_path):
    study = make_study(tmp_path / "test", feedback="both")
    given = [study.feedback(number) for number in range(200)]
    assert all(given[i] != given[i + 1] for i in range(0, 200, 2))
    assert 20 < sum(given[::2]) < 80  # which of the two is chance
    assert all(make_study(tmp_path / "on", feedback="on").feedback(i) for i in range(5))
    assert not any(make_study(tmp_path / "off").feedback(i) for i in range(5))
