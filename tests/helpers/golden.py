"""The one reader of reference/golden: which cases there are, their arrays, and the comparison.

`golden/theano/index.json` holds formula, settings and layouts of each case; `index()` reads it.
`golden/imagenet/index.json` does so for the original's TensorFlow code, and also how noisy each
array is, because that code runs in float32; the functions with "imagenet" in their name read it.
"""

import functools
import json

import numpy as np

from tests.helpers.paths import GOLDEN

# Relative to an array's largest value, see `close`. In float64 rounding is about 1e-15 a term, so
# any order of summation passes and no other formula does. In float32 it is 6e-8 a term, and the
# sums over up to a few hundred terms, the division by a batch's standard deviation and
# exp(-distance) enlarge it.
PRECISIONS = {"float64": 1e-9, "float32": 1e-4}


def arrays(name):
    """{array: values} of a file of reference/golden, such as "theano/mb_n5"."""
    with np.load(GOLDEN / f"{name}.npz") as found:
        return dict(found)


@functools.cache
def index():
    """The index: description, conventions, formulas, entries."""
    return json.loads((GOLDEN / "theano" / "index.json").read_text(encoding="utf-8"))


def entries(case):
    """The index's entries of one case, such as "WeightNormLayer"."""
    found = [entry for entry in index()["entries"] if entry["case"] == case]
    if not found:
        known = sorted({entry["case"] for entry in index()["entries"]})
        raise KeyError(f"no case {case!r}; known: {', '.join(known)}")
    return found


def name(entry):
    """Short name of an entry, for test ids."""
    return entry["file"].removesuffix(".npz")


def load(file):
    """The arrays of a file of `golden/theano` that an entry names, as a dict."""
    return arrays(f"theano/{file.removesuffix('.npz')}")


@functools.cache
def imagenet_index():
    """{case: file, hyper, formula, layout, arrays}; the arrays with their shapes and noise."""
    return json.loads((GOLDEN / "imagenet" / "index.json").read_text(encoding="utf-8"))


def imagenet_cases(start):
    """Names of the cases that begin with `start`, such as "a_vbn"."""
    found = [case for case in imagenet_index() if case.startswith(start)]
    if not found:
        raise KeyError(f"no case begins with {start!r}; known: {', '.join(imagenet_index())}")
    return found


def load_imagenet(case, float64=False):
    """The arrays of a case, as a dict; `float64`: of the recording in that precision."""
    file = imagenet_index()[case]["file_f64" if float64 else "file"]
    return arrays(f"imagenet/{file.removesuffix('.npz')}")


def within_noise(actual, case, array, recorded):
    """Assert |actual - recorded| <= 10 noise + 1e-6 max |recorded|, the index's rule.

    Args:
        actual: what is compared, of the shape of `recorded`.
        case, array: where the index has the noise: how far the original's float32 run was from its
            float64 run.
        recorded: the array.
    """
    actual, recorded = np.asarray(actual, float), np.asarray(recorded, float)
    assert actual.shape == recorded.shape, (actual.shape, recorded.shape)
    noise = imagenet_index()[case]["arrays"][array].get("noise", 0)
    allowed = 10 * noise + 1e-6 * np.max(np.abs(recorded), initial=0)
    error = np.max(np.abs(actual - recorded), initial=0)
    assert error <= allowed, f"{case} {array}: error {error:.2e}, allowed {allowed:.2e}"


def close(actual, recorded, rtol=1e-9, atol=1e-12):
    """Assert |actual - recorded| <= atol + rtol * max |recorded|.

    The tolerance is relative to the array's largest value, not to each entry: an entry that is
    small because large terms cancelled carries the rounding errors of the large ones. Both sides
    are float64 with about 1e-16 a term, so 1e-9 leaves room for any order of summation, and no
    room for another formula.
    """
    actual, recorded = np.asarray(actual, float), np.asarray(recorded, float)
    assert actual.shape == recorded.shape, (actual.shape, recorded.shape)
    error = np.max(np.abs(actual - recorded), initial=0)
    size = np.max(np.abs(recorded), initial=0)
    assert error <= atol + rtol * size, f"error {error:.2e} of values up to {size:.2e}"
