"""Independent NumPy oracles of the paper's layers, losses and updates, and the recorded arrays.

Nothing here imports Keras or TensorFlow: each module states a formula, computes it in the plainest
way that is still correct, and derives its gradient by hand. `tests/test_oracles*.py` check the
gradients by finite differences and the values against arrays recorded from the original code
(`golden/`); the other tests hold the package to both.
"""
