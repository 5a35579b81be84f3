"""From images to figures: `evaluate` and its short forms."""

import json
import resource

import keras
import numpy as np
import pytest

from improved_gan_tf import metrics
from improved_gan_tf.errors import UserError
from reference import inception_score as oracle
from tests.helpers.small_model import logits_of, small_model

pytestmark = pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning")


def test_score_of_an_array(pixels, classifier):
    p = oracle.softmax(logits_of(small_model(), pixels).astype(np.float64))
    found = metrics.inception_score(pixels, splits=4, classifier=classifier)
    mean, std = found
    # float32 logits of two passes that may be batched differently.
    np.testing.assert_allclose((mean, std), oracle.inception_score(p, 4), rtol=1e-5)
    assert found.protocol["count"] == 97 and found.protocol["splits"] == 4
    assert found.protocol["extractor"] == "small" and found.protocol["shuffle_seed"] is None
    order = np.random.RandomState(2020).permutation(97)
    found = metrics.inception_score(pixels, 4, 2020, classifier=classifier, batch_size=10)
    np.testing.assert_allclose(found, oracle.inception_score(p[order], 4), rtol=1e-5)
    scores = metrics.image_scores(pixels, classifier=classifier)
    np.testing.assert_allclose(scores, (p * np.log(p / p.mean(0))).sum(1), rtol=1e-4, atol=1e-6)
    chosen = metrics.best(pixels, 0.1, classifier=classifier)
    assert len(chosen) == 10 and scores[chosen].min() >= np.sort(scores)[-10]


def test_fid_and_kid_of_arrays(pixels, classifier):
    model = small_model()
    features = keras.Model(model.inputs[0], model.layers[-1].input)
    x, y = pixels[:50], pixels[40:]
    f, g = (logits_of(features, a).astype(np.float64) for a in (x, y))
    assert metrics.fid(x, y, classifier=classifier) == pytest.approx(
        oracle.frechet_distance(f, g), rel=1e-4
    )
    reference = metrics.statistics_of(y, classifier=classifier, keep_features=True)
    assert metrics.fid(x, reference, classifier=classifier) == pytest.approx(
        oracle.frechet_distance(f, g), rel=1e-4
    )
    mean, std = metrics.kid(x, reference, 1, 50, classifier=classifier)
    rng = np.random.RandomState(2020)
    rows = [rng.choice(len(a), 50, replace=False) for a in (f, g)]
    expected = oracle.kernel_distance(f[rows[0]], g[rows[1]])
    assert (mean, std) == (pytest.approx(expected, rel=1e-4), 0.0)


def test_few_images(classifier, pixels):
    with pytest.raises(UserError, match="9 images cannot be split into 10 parts"):
        metrics.inception_score(pixels[:9], classifier=classifier)
    with pytest.warns(UserWarning, match="97 images is biased"):
        metrics.inception_score(pixels, classifier=classifier)
    with pytest.warns(UserWarning, match="FID from 5 images, fewer than the 7 features"):
        metrics.fid(pixels[:5], pixels, classifier=classifier)
    with pytest.raises(UserError, match="1000 images cannot be drawn from 97"):
        metrics.kid(pixels, pixels, classifier=classifier)
    for options, message in (({"batch_size": 0}, "batch size"), ({"workers": -1}, "worker")):
        with pytest.raises(UserError, match=message):
            metrics.inception_score(pixels, classifier=classifier, **options)


class Counting(metrics.OtherClassifier):
    """Counts the images that it sees."""

    def __init__(self):
        super().__init__(small_model(), "counting")
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        return super().__call__(images)


def test_all_figures_from_one_pass(pixels):
    classifier = Counting()
    reference = metrics.statistics_of(pixels[:60], classifier=classifier, keep_features=True)
    classifier.seen = 0
    result = metrics.evaluate(
        pixels,
        classifier,
        reference=reference,
        metrics=("inception_score", "fid", "kid"),
        splits=4,
        kid_subsets=3,
        kid_subset_size=50,
        per_image=True,
    )
    assert classifier.seen == 97
    options = {"classifier": classifier}
    figures = result.figures
    score, kid = figures["inception_score"], figures["kid"]
    assert (score["mean"], score["std"]) == metrics.inception_score(pixels, 4, **options)
    assert figures["fid"] == metrics.fid(pixels, reference, **options)
    assert (kid["mean"], kid["std"]) == metrics.kid(pixels, reference, 3, 50, **options)
    np.testing.assert_array_equal(result.image_scores, metrics.image_scores(pixels, **options))
    # Statistics alone need no classifier, and give the same.
    assert metrics.fid(result.statistics, reference) == figures["fid"]
    assert json.loads(json.dumps(result.to_json())) == result.to_json()
    stated = {"extractor_digest": "counting", "resize": "antialiased to 6 x 6"}
    assert result.to_json()["reference"] == {"images": "array", "count": 60, **stated}
    assert [line.split()[0] for line in result.lines()] == (
        ["Inception", "FID", "KID", "images", "reference", "extractor", "protocol"]
    )
    assert "4 splits, in order" in result.lines()[-1]
    assert "(3 subsets of 50)" in result.lines()[2]


def test_figures_of_files_of_statistics(pixels, classifier, tmp_path):
    options = {"classifier": classifier, "keep_features": True}
    for name, images in (("a", pixels[:50]), ("b", pixels[40:])):
        metrics.statistics_of(images, **options).save(tmp_path / f"{name}.npz")
    a, b = tmp_path / "a.npz", str(tmp_path / "b.npz")
    result = metrics.evaluate(a, reference=b, metrics=("fid", "kid"), kid_subset_size=40)
    expected = metrics.fid(pixels[:50], pixels[40:], classifier=classifier)
    assert result.figures["fid"] == expected and set(result.figures) == {"fid", "kid"}
    stated = {"extractor_digest": "small", "resize": "antialiased to 6 x 6"}
    assert result.reference == {"images": b, "count": 57, **stated}
    assert result.protocol["extractor"] == "small" and result.protocol["count"] == 50
    # Another program's file does not say of how many images it is, nor by which classifier.
    np.savez(tmp_path / "mu.npz", mu=result.statistics.mean, sigma=result.statistics.covariance)
    foreign = metrics.evaluate(tmp_path / "mu.npz", reference=b, metrics=("fid",))
    assert foreign.figures["fid"] == pytest.approx(expected, rel=1e-9)
    assert "unknown" in "".join(foreign.lines()) and foreign.protocol["count"] is None
    mu = metrics.evaluate(b, reference=tmp_path / "mu.npz", metrics=("fid",))
    assert "unknown number; the file does not state its extractor and resize" in mu.lines()[2]
    with pytest.raises(UserError, match="hold no images to score"):
        metrics.inception_score(a)


def test_everything_again_from_stored_features(pixels, tmp_path):
    """Without the classifier, the images and a network; bit for bit."""
    labels = np.arange(97) % 3
    sides = {"a": pixels[:60], "b": pixels[60:]}
    numbers = {"a": labels[:60], "b": labels[60:]}
    classifier = Counting()
    options = {"metrics": "all", "splits": 3, "kid_subset_size": 30, "per_image": True}
    with pytest.warns(UserWarning, match="left out of all: cmmd"):
        found = metrics.evaluate(
            sides["a"], classifier, reference=sides["b"], labels=numbers["a"],
            reference_labels=numbers["b"], **options,
        )  # fmt: skip
    for name, images in sides.items():
        given = {"classifier": classifier, "keep_features": "all", "labels": numbers[name]}
        metrics.statistics_of(images, **given).save(tmp_path / f"{name}.npz")
    classifier.seen = 0
    with pytest.warns(UserWarning, match="left out of all: cmmd"):
        again = metrics.evaluate(
            tmp_path / "a.npz", reference=str(tmp_path / "b.npz"), shuffle_seed=None, **options
        )
    assert again.figures == found.figures and classifier.seen == 0
    assert set(again.figures) == set(metrics.METRICS) - {"cmmd"}
    np.testing.assert_array_equal(again.image_scores, found.image_scores)
    assert again.protocol["count"] == 60 and again.protocol["extractor"] == "counting"


def test_refusals_come_before_the_work(pixels):
    """None of them lets the classifier see an image."""
    classifier = Counting()
    other = metrics.OtherClassifier(small_model(), "other")
    reference = metrics.statistics_of(pixels, classifier=other, keep_features=True)
    no_features = metrics.statistics_of(pixels, classifier=classifier)
    small = {"reference": pixels, "kid_subset_size": 9}
    classifier.seen = 0
    for options, message in (
        ({"metrics": ("is",)}, "no metric 'is'; choose from inception_score, fid, sfid, kid"),
        ({"metrics": ("fid",)}, "fid needs a reference"),
        (
            {"reference": pixels},
            "the Inception score uses no reference; choose metrics that do with metrics=.* fid, "
            "sfid, kid",
        ),
        ({"splits": 98}, "97 images cannot be split into 98 parts"),
        ({"splits": 1.5}, "splits must be a whole number"),
        (
            {"metrics": ("fid",), "reference": reference},
            "statistics by other .* cannot be compared",
        ),
        ({"metrics": ("kid",), "reference": pixels}, "1000 images cannot be drawn from 97"),
        ({"metrics": ("kid",), **small, "kid_subsets": 0}, "subsets must be .* from 1 up, not 0"),
        ({"metrics": ("kid",), **small, "kid_subsets": 2.5}, "subsets must be .*, not 2.5"),
        ({"metrics": ("kid",), **small, "kid_seed": -1}, "KID's seed must be .*, not -1"),
        (
            {"metrics": ("kid",), "reference": no_features, "kid_subset_size": 9},
            "hold no features, which all but FID need",
        ),
        ({"metrics": ("mifid",), "reference": no_features}, "hold no features"),
        ({"metrics": ("sfid",), "reference": no_features}, "hold no spatial features, which sFID"),
        ({"metrics": "mind", **small, "mind_projections": 0}, "random directions must be .* not 0"),
        ({"metrics": "mind", **small, "mind_seed": 2**32}, "MIND's seed must be .* 4294967295, no"),
        ({"metrics": "recall", **small, "precision_neighbours": 2.5}, "neighbours must .* not 2.5"),
        ({"shuffle_seed": -1}, "the shuffle seed must be a whole number from 0 to 4294967295, not"),
        ({"shuffle_seed": 1.5}, "the shuffle seed must be .*, not 1.5"),
        ({"metrics": "fid", "reference": pixels[:1]}, "1 image has no covariance; give 2 or more"),
        ({"batch_size": 2.5}, "the batch size must be a whole number from 1 up, not 2.5"),
        ({"workers": -1}, "worker"),
        ({"count": 0}, "images to use must be a whole number from 1 up, not 0"),
        ({"image_range": (1, 0)}, "the range of images is low < high, not low=1, high=0"),
        ({"images": reference, "count": 5}, "count chooses among images, but array holds their st"),
    ):
        with pytest.raises(UserError, match=message):
            metrics.evaluate(classifier=classifier, **{"images": pixels, **options})
    assert classifier.seen == 0


def test_all_is_what_can_be_computed(pixels, classifier):
    """And explicit names are refused with the reason."""
    model = small_model()
    model.get_layer("spatial").name = "scaled"
    options = {"classifier": metrics.OtherClassifier(model, "plain"), "splits": 2}
    options |= {"reference": pixels[50:], "kid_subset_size": 9}
    with pytest.warns(
        UserWarning, match="left out of all: sfid, cmmd, intra_fid, inc.*; name one to see"
    ):
        found = metrics.evaluate(pixels, metrics="all", **options)
    left = ("sfid", "cmmd", "intra_fid", "inception_score_per_class")
    assert list(found.figures) == [name for name in metrics.METRICS if name not in left]
    with pytest.raises(UserError, match="plain gives no spatial features, which sfid needs"):
        metrics.evaluate(pixels, metrics=("sfid",), **options)
    reference = metrics.statistics_of(pixels, classifier=classifier)  # mean and covariance alone
    with pytest.warns(
        UserWarning, match="left out of all: sfid, kid, precision, .*, mifid, .*; name"
    ):
        found = metrics.evaluate(pixels, classifier, metrics="all", reference=reference, splits=2)
    assert list(found.figures) == ["inception_score", "fid"]


def test_a_sample_of_features_is_said(pixels, classifier):
    """Figures of features are then those of the sample."""
    real = metrics.Statistics(7, classifier.digest, kept=50)
    real.update(np.random.default_rng(0).normal(size=(60, 7)))
    options = {"classifier": classifier, "reference": real}
    with pytest.warns(UserWarning, match="of its 60 images the features of 50 are kept"):
        metrics.evaluate(pixels, metrics=("recall",), **options)
    with pytest.raises(UserError, match="reference_labels: 60 for 50 images"):
        labels = {"labels": np.arange(97) % 2, "reference_labels": np.arange(60) % 2}
        metrics.evaluate(pixels, metrics="intra_fid", **options, **labels)


def test_an_output_that_is_not_finite_is_noticed_at_once(pixels):
    class Broken(Counting):
        def __call__(self, images):
            features, logits = super().__call__(images)
            return features, np.where(np.arange(len(logits))[:, None] == 3, np.nan, logits)

    classifier = Broken()
    with pytest.raises(UserError, match="output for image 3 .* is not finite"):
        metrics.fid(pixels, pixels, classifier=classifier, batch_size=10)
    assert classifier.seen == 10


def test_memory_does_not_grow_with_the_number_of_images():
    """Images that are made as they are asked for: 3,000 of them raise the peak by less than a
    tenth of what they take together."""

    def draw(n, seed):
        return np.random.default_rng(seed).integers(2, 256, (n, 256, 256, 3), dtype=np.uint8)

    class Mean(metrics.Classifier):
        def __init__(self):
            self.channels, self.num_features, self.num_classes = 3, 3, 3
            self.name = self.digest = "mean"

        def __call__(self, images):
            found = images.mean(axis=(1, 2), dtype=np.float32)
            return found, found

    metrics.inception_score(metrics.Drawn(draw, 300), 1, classifier=Mean())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    metrics.inception_score(metrics.Drawn(draw, 3000), 1, classifier=Mean())
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert growth < 0.1 * 3000 * 256 * 256 * 3
