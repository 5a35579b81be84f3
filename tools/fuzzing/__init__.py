"""Properties of every reader of files, for `tools/fuzz.py` and the suite."""
