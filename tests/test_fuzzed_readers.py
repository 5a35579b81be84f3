"""Every reader of files gives a result or an error of one line, whatever it is given.

`python tools/fuzz.py --examples 10000` does the same at length.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from tools.fuzzing.readers import READERS, limited, outcome


@pytest.mark.parametrize("name", READERS)
def test_any_input_gives_a_result_or_one_line(tmp_path, name):
    reader = READERS[name]

    @settings(
        max_examples=10 if name == "records" else 30,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.inputs)
    def check(value):
        assert outcome(reader, tmp_path, value) in ("result", "refusal")

    with limited():
        check()
