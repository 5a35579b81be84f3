"""The arrays of a checkpoint, for tests that compare two runs bit for bit."""

import shutil

import h5py
import numpy as np


def arrays(path):
    """{name: array} of everything in a .weights.h5 file."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def assert_same(a, b, least=60):
    """Both files hold the same arrays, networks, optimizers and states, in every bit."""
    a, b = arrays(a), arrays(b)
    assert set(a) == set(b) and len(a) > least
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def cut_off_after_an_epoch(whole, cut):
    """Copies a finished run of two epochs to where it was stopped after the first one."""
    shutil.copytree(whole.path, cut.path)
    (cut.path / "results.json").unlink()
    cut.latest_checkpoint()[1].unlink()
    assert cut.latest_checkpoint()[0] == 1
