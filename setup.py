"""Packaging of improved_gan_tf."""

import pathlib
import re

from setuptools import find_packages, setup

here = pathlib.Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "improved_gan_tf/__init__.py").read_text())[1]
requirements = [line for line in (here / "requirements.txt").read_text().split("\n") if line]

setup(
    name="improved_gan_tf",
    version=version,
    description="Improved Techniques for Training GANs (Salimans et al., 2016) on Keras 3",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["improved_gan_tf", "improved_gan_tf.*"]),
    python_requires=">=3.11",
    install_requires=requirements,
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3.6"],
        "develop": ["mypy>=1.15", "ruff>=0.14"],
        # For the comparison with torch-fidelity, which is installed with --no-deps (see .ci/run).
        "peer": ["torch>=2.4"],
        "jax": ["jax>=0.4.30"],
        "torch": ["torch>=2.4"],
        "onnx": ["tf2onnx>=1.17", "onnxruntime>=1.20"],
        "litert": ["ai-edge-litert>=1.0"],
    },
    entry_points={"console_scripts": ["improved-gan=improved_gan_tf.cli.main:main"]},
)
