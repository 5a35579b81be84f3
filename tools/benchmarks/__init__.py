"""The subjects of tools/benchmark.py: one module each, with SUMMARY, add_arguments and run."""
