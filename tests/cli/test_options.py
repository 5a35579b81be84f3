"""Options that cannot be what was given are refused before anything is done, in one line."""

import pytest

from tests.helpers.one_line import refused_command, refused_usage

SCORE = ("score", "digits")
SAMPLE = ("sample", "runs/none")


@pytest.mark.parametrize(
    "arguments, line",
    [
        ((*SCORE, "--seed", "-1"), "--seed: expected a whole number from 0 to 4294967295, not"),
        ((*SCORE, "--seed", str(2**70)), "--seed: expected a whole number from 0 to"),
        ((*SCORE, "--shuffle", "x"), "--shuffle: expected a whole number"),
        ((*SCORE, "--count", "10" * 50), "--count/--samples: expected a whole number from 1 to"),
        ((*SCORE, "--best", "nan"), "--best: expected a number above 0 and at most 1, not 'nan'"),
        ((*SCORE, "--best", "1.5"), "--best: expected a number above 0 and at most 1"),
        ((*SCORE, "--splits", "0"), "--splits: expected a whole number from 1 up, not '0'"),
        ((*SCORE, "--batch-size", str(10**20)), "--batch-size: expected a whole number from 1 to"),
        ((*SCORE, "--kid-subsets", str(10**20)), "--kid-subsets: expected a whole number from 1"),
        ((*SCORE, "--workers", "0"), "--workers: expected a whole number from 1 to 1024"),
        ((*SCORE, "--classifier-range", "nan", "nan"), "--classifier-range: expected a number"),
        ((*SCORE, "--classifier-range", "5", "5"), "--classifier-range: expected LOW below HIGH"),
        ((*SCORE, "--range", "0", "inf"), "--range: expected a number, not 'inf'"),
        (("classifier", "x.keras", "--epochs", "0"), "--epochs: expected a whole number from 1 up"),
        (("classifier", "x.keras", "--seed", str(2**32)), "--seed: expected a whole number"),
        ((*SAMPLE, "--count", str(10**12)), "--count: expected a whole number from 1 to 10000000"),
        ((*SAMPLE, "--columns", str(10**9)), "--columns: expected a whole number from 1 to 10000"),
        ((*SAMPLE, "--frames", "0"), "--frames: expected a whole number from 1 to 1000"),
        ((*SAMPLE, "--seed", "9" * 5000), "--seed: expected a whole number from 0 to"),
        (("train", "digits", "--width", "1e9"), "--width: expected a number above 0 and at most"),
        (("train", "digits", "--width", "-1"), "--width: expected a number above 0"),
        (("train", "digits", "--devices", "0"), "--devices: expected a whole number from 1"),
        (("convert", "a", "b", "--quality", "101"), "--quality: expected a whole number from 1 to"),
        (("predict", "a", "b", "--range", "1", "0"), "--range: expected LOW below HIGH, not 1 0"),
        (("reproduce", "table-1", "--seeds", "-1"), "--seeds: expected a whole number from 0"),
        (("reproduce", "table-1", "--jobs", "0"), "--jobs: expected a whole number from 1"),
        (("inception-graph", "x.pb", "--random-weights", "-5"), "--random-weights: expected a"),
    ],
)
def test_refused_by_the_parser(arguments, line, capsys):
    error = refused_usage(capsys, *arguments)
    assert line in error and len(error) < 300


@pytest.mark.parametrize(
    "given, line",
    [
        (f"seed={2**70}", "seed must be at least 0 and at most 4294967295"),
        (f"epochs={'9' * 400}", "epochs must be at least 1, not inf"),
        (f"learning_rate={'9' * 400}", "learning_rate must be above 0, not inf"),
        (f"learning_rate={'9' * 5000}", "--set learning_rate: the value is too long to be read"),
        ("unlabeled_weight=Infinity", "unlabeled_weight must be at least 0, not inf"),
        ("epochs=NaN", "epochs must be a whole number, not NaN"),
        ("epochs.x=1", "epochs must be a whole number"),
        (f"generator.units={'[' * 100_000}", "--set generator.units: the value is too long"),
        ("generator=5", "generator must be an object of named values, not 5"),
        ("discriminator.num_classes=-1", "discriminator.num_classes must be a whole number from 1"),
        ("discriminator.image_shape=[1]", "discriminator.image_shape must be three whole numbers"),
        ("generator.latent_dim=0", "cannot be made: latent_dim must be at least 1, not 0"),
        ("discriminator.units=[-1]", "numbers of channels and units must be above 0, not -1"),
        ('labels_file="\\u0000"', "labels_file holds a NUL character"),
        ("=5", "digits has no value ''"),
        ("epochs", "--set takes KEY=VALUE"),
    ],
)
def test_values_of_set(given, line, capsys, tmp_path):
    out = tmp_path / "run"
    error = refused_command(capsys, "train", "digits", "--out", str(out), "--set", given)
    assert line in error and len(error) < 1000 and not out.exists()


@pytest.mark.parametrize(
    "given, line",
    [
        (["--set", "generator=3", "--set", "generator.width=2"], "generator is set to 3; give one"),
        (["--set", "epochs.x=2", "--epochs", "1"], "epochs is set to 1; give one of the two"),
    ],
)
def test_a_value_and_a_part_of_it(given, line, capsys):
    assert line in refused_command(capsys, "train", "digits", *given)
