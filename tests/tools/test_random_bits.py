"""tools/random_bits.py: its streams are the library's own draws."""

import numpy as np
import pytest

from improved_gan_tf import random
from tests.helpers.paths import TOOLS


@pytest.mark.parametrize("stream", ["draws", "layers", "steps", "replicas"])
def test_streams_are_draws(stream, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import random_bits

    size, words = random_bits.STREAMS[stream]
    blocks = random_bits.blocks(stream)
    first, second = (np.frombuffer(next(blocks), np.int32).reshape(-1, size) for _ in range(2))
    for n in (0, len(first) - 1, len(first)):
        found = (first if n < len(first) else second)[n % len(first)]
        np.testing.assert_array_equal(found, random._bits((size,), words(n)), err_msg=str(n))
