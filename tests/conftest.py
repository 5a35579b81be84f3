"""What all tests share."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import pytest


@pytest.fixture(scope="module", autouse=True)
def _collected():
    """What a module leaves behind is not looked through again by every later collection.

    TensorFlow and the models of a few modules are millions of objects, seconds for `gc.collect`,
    which ensembles and tables call after each model.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden():
    """golden("theano/mb_n5") -> {name: array} of what the original code recorded."""

    from tests.helpers.golden import arrays

    return arrays


@pytest.fixture
def float64():
    """Everything the test builds is float64, as the golden arrays are."""
    import keras

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.fixture
def shared_data():
    """The folder of prepared real data, where this machine has it."""
    folder = os.environ.get("IMPROVED_GAN_TF_DATA")
    if not folder or not os.path.isdir(folder):
        pytest.skip("real data absent: set IMPROVED_GAN_TF_DATA to its folder")
    return pathlib.Path(folder)
