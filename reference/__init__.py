"""Independent NumPy oracles of the paper's layers, losses and updates, and the recorded arrays.

Nothing here imports Keras or TensorFlow. Each module states a formula, computes it in the plainest
correct way, and has its gradient derived by hand. tests/reference checks the gradients by finite
differences and the values against arrays recorded from the original code (`golden/`); the other
tests compare the package with both.
"""
