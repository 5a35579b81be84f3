"""Figures per class: their definitions, where labels come from, and what is refused."""

import keras
import numpy as np
import pytest

from improved_gan_tf import data, images, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.classes import Classes
from reference import feature_distances, inception_score
from tests.helpers.features import random_features
from tests.helpers.one_line import refusal_of
from tests.helpers.small_model import logits_of, small_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning"),
    pytest.mark.filterwarnings("ignore:left out of all:UserWarning"),
]
BOTH = ("intra_fid", "inception_score_per_class")


def test_by_their_definitions():
    rng = np.random.default_rng(0)
    x, y = random_features(1, 150, 8), random_features(2, 120, 8)
    ours, theirs = rng.integers(-1, 3, 150), rng.integers(-1, 3, 120)
    found = metrics.intra_class_distances(x, ours, y, theirs)
    assert list(found) == [0, 1, 2]
    for label, value in found.items():
        expected = feature_distances.frechet_distance(x[ours == label], y[theirs == label])
        assert value == pytest.approx(expected, rel=1e-6)
    logits = rng.normal(size=(150, 5))
    found = metrics.class_scores_from_logits(logits, ours * 2)  # numbers without images between
    assert list(found) == [0, 2, 4]
    for label, value in found.items():
        part = inception_score.softmax(logits[ours * 2 == label])
        assert value == pytest.approx(inception_score.inception_score(part, 1)[0], rel=1e-9)


def test_exchanged_classes_are_seen():
    """By the distance within classes alone."""
    x = random_features(1, 200, 6) + np.repeat([[0.0], [5.0]], 100, axis=0)
    labels = np.repeat([0, 1], 100)
    assert metrics.frechet_distance_of_features(x, x) == pytest.approx(0, abs=1e-9)
    assert min(metrics.intra_class_distances(x, 1 - labels, x, labels).values()) > 100


def _oracle(pixels, ours, reference, theirs):
    """The two figures per class of images, by class number."""
    model = small_model()
    features = keras.Model(model.inputs[0], model.layers[-1].input)
    f, g = (logits_of(features, a).astype(np.float64) for a in (pixels, reference))
    p = inception_score.softmax(logits_of(model, pixels).astype(np.float64))
    kinds = np.unique(ours[ours >= 0])
    distances = [feature_distances.frechet_distance(f[ours == k], g[theirs == k]) for k in kinds]
    return distances, [inception_score.inception_score(p[ours == k], 1)[0] for k in kinds]


def test_arrays_files_and_stored_features(pixels, classifier, tmp_path):
    """Labels as arrays, as a file, and kept with stored features."""
    ours, theirs = np.arange(97) % 3, np.arange(60) % 3
    ours[:5] = -1
    reference = pixels[:60][::-1]
    np.save(tmp_path / "labels.npy", ours)
    options = {"classifier": classifier, "reference": reference, "metrics": BOTH}
    options |= {"reference_labels": theirs}
    found = metrics.evaluate(pixels, labels=ours, **options)
    distances, scores = _oracle(pixels, ours, reference, theirs)
    figure = found.figures["intra_fid"]
    np.testing.assert_allclose(list(figure["classes"].values()), distances, rtol=1e-4)
    assert list(figure["classes"]) == ["0", "1", "2"]
    assert figure["mean"] == pytest.approx(np.mean(distances), rel=1e-4)
    assert figure["std"] == pytest.approx(np.std(distances), rel=1e-3)
    figure = found.figures["inception_score_per_class"]
    np.testing.assert_allclose(list(figure["classes"].values()), scores, rtol=1e-4)
    lines = found.lines()
    assert lines[0].startswith("intra-class FID  ") and "(3 classes, " in lines[1]
    of_file = metrics.evaluate(pixels, labels=tmp_path / "labels.npy", **options)
    assert of_file.figures == found.figures
    # Features of all images are stored with their labels.
    kept = metrics.evaluate(
        reference, classifier, metrics=(), labels=theirs, keep_features="all"
    ).statistics.save(tmp_path / "real.npz")
    options |= {"reference": kept, "reference_labels": None}
    assert metrics.evaluate(pixels, labels=ours, **options).figures == found.figures
    options |= {"metrics": "all", "kid_subset_size": 9, "splits": 2}
    found = metrics.evaluate(pixels, labels=ours, **options).figures
    assert list(found) == [name for name in metrics.METRICS if name != "cmmd"]


def test_labels_of_a_data_set(pixels, classifier, tmp_path):
    """Class folders: the labels and names are theirs, also where a picture cannot be read."""
    for i, name in enumerate(("cat", "dog")):
        for part in ("train", "test"):
            folder = tmp_path / part / name
            images.save_folder(folder, pixels[40 * i : 40 * i + 20])
    (tmp_path / "train" / "cat" / "00003.png").write_bytes(b"no picture")
    given = f"folder:{tmp_path}"
    source = data.as_images(given, skip_unreadable=True)
    np.testing.assert_array_equal(source.labels(), np.repeat([0, 1], 20))
    options = {"classifier": classifier, "reference": f"{given}@test", "metrics": BOTH}
    found = metrics.evaluate(source, **options).figures
    assert list(found["intra_fid"]["classes"]) == ["cat", "dog"]
    assert found["intra_fid"]["classes"]["dog"] == pytest.approx(0, abs=1e-6)
    shown = np.concatenate([pixels[:3], pixels[4:20], pixels[40:60]])
    distances, scores = _oracle(
        shown,
        np.repeat([0, 1], (19, 20)),
        np.concatenate([pixels[:20], pixels[40:60]]),
        np.repeat([0, 1], 20),
    )
    values = list(found["inception_score_per_class"]["classes"].values())
    np.testing.assert_allclose(values, scores, rtol=1e-4)
    assert found["intra_fid"]["classes"]["cat"] == pytest.approx(distances[0], rel=1e-3)
    # A folder of pictures without classes, and lines of name,label.
    lines = [f"{i:05d}.png,{i % 2}" for i in range(20)]
    (tmp_path / "labels.txt").write_text("\n".join(lines))
    found = metrics.evaluate(
        tmp_path / "test" / "cat",
        metrics="inception_score_per_class",
        labels=str(tmp_path / "labels.txt"),
        classifier=classifier,
    ).figures["inception_score_per_class"]
    assert list(found["classes"]) == ["0", "1"]
    few = metrics.evaluate(given + "@test", count=25, metrics=BOTH[1:], classifier=classifier)
    assert list(few.figures[BOTH[1]]["classes"]) == ["cat", "dog"]


def test_of_the_first_images_unreadable_ones_are_replaced(pixels, classifier, tmp_path):
    for i, name in enumerate(("cat", "dog")):
        for part in ("train", "test"):
            images.save_folder(tmp_path / "all" / part / name, pixels[4 * i : 4 * i + 4])
    (tmp_path / "all/train/cat/00002.png").write_bytes(b"no picture")
    options = {"classifier": classifier, "metrics": (), "keep_features": "all", "count": 5}

    def kept(**more):
        source = data.as_images(f"folder:{tmp_path / 'all'}", skip_unreadable=True)
        found = metrics.evaluate(source, **options, **more).statistics.save(tmp_path / "s.npz")
        return metrics.Statistics.load(found)

    assert kept().labels().tolist() == [0, 0, 0, 1, 1]
    # Labels that are given are those of the first files; what replaces one has none.
    assert kept(labels=[4, 3, 2, 1, 0]).labels().tolist() == [4, 3, 1, 0, -1]
    del options["count"]
    assert kept().labels().tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_labels_of_digits():
    """In the order of the images; those of arrays are not known."""
    digits = data.as_images("digits@test")
    np.testing.assert_array_equal(digits.labels(), data.open("digits").labels("test"))
    assert digits.class_names == tuple("0123456789")
    assert data.as_images(np.full((3, 4, 4, 3), 9, np.uint8)).labels() is None


def test_bad_labels(pixels, classifier, tmp_path):
    labels, fails = np.arange(97) % 3, refusal_of(metrics.evaluate)
    same = {"classifier": classifier, "reference": pixels, "reference_labels": labels}
    fails("needs the images' class labels; give labels", pixels, metrics="intra_fid", **same)
    plain = {"classifier": classifier, "reference": pixels, "labels": labels}
    fails("needs the reference's class labels; give", pixels, metrics="intra_fid", **plain)
    fails("labels: 96 for 97 images of array; expected", pixels, labels=labels[1:], metrics=BOTH,
          **same)  # fmt: skip
    fails("labels hold -2", pixels, labels=labels - 2, metrics=BOTH, **same)
    # Beyond 32 bits, in which this one would become class 0.
    fails("labels hold 4294967296; expected class", pixels, labels=labels + 2**32, metrics=BOTH,
          **same)  # fmt: skip
    fails("labels hold 0.5; expected class n", pixels, labels=labels + 0.5, metrics=BOTH, **same)
    none, per_class = np.full(97, -1), {"metrics": BOTH[1:], "classifier": classifier}
    fails("needs labeled images, and every label is -1", pixels, labels=none, **per_class)
    fails("no figure uses them; name intra_fid or", pixels, labels=labels, metrics="fid", **same)
    alone = np.where(np.arange(97) == 5, 7, labels)
    fails("class 7 has 1 generated images; the distance within classes takes 2 or more", pixels,
          labels=alone, metrics=BOTH, **same)  # fmt: skip
    named = data.as_images(pixels)
    named.label(lambda: labels, ("a", "b", "c"))
    other = data.as_images(pixels)
    other.label(lambda: labels, ("a", "c", "b"))
    fails("class 1 is b in array and c in array; give both labels of the same", named,
          classifier=classifier, reference=other, metrics="intra_fid")  # fmt: skip
    np.save(tmp_path / "few.npy", labels[:5])
    fails("few.npy holds 5 labels; expected 97, one per image", pixels,
          labels=tmp_path / "few.npy", metrics=BOTH, **same)  # fmt: skip
    x = random_features(1, 9)
    fails = refusal_of(metrics.intra_class_distances)
    fails(r"labels of shape \(8,\) for 9 images", x, labels[:8], x, labels[:9])
    scores = refusal_of(metrics.class_scores_from_logits)
    scores("labels of shape", x, labels[:8])
    for none in (np.full(9, np.nan), np.full(9, -1)):
        fails("no image that could be read has a label; label some", x, none, x, labels[:9])
        scores("no image that could be read has a label; label some", x, none)
    statistics = metrics.Statistics(3, kept=9)
    statistics.update(np.eye(3))
    statistics.label([0, 1, 1], ("a", "b"))
    again = metrics.Statistics.load(statistics.save(tmp_path / "s.npz"))
    assert again.labels().tolist() == [0, 1, 1] and again.class_names == ("a", "b")
    statistics.label([0, 1])
    with pytest.raises(UserError, match=r"labels \(2,\) int32; expected inte"):
        metrics.Statistics.load(statistics.save(tmp_path / "s.npz"))


def test_classes_of_what_was_read():
    classes = Classes(np.arange(4), ("a", "b", "c", "d"))
    source = data.as_images(np.full((4, 4, 4, 3), 9, np.uint8))
    assert classes.of_readable(source) is classes
    source.skipped.append("2")
    assert classes.of_readable(source).numbers.tolist() == [0, 1, 3]
