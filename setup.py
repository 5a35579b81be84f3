"""Packaging of improved_gan_tf."""

import pathlib
import re

from setuptools import find_packages, setup

here = pathlib.Path(__file__).parent
version = re.search(r'VERSION = "(.+)"', (here / "improved_gan_tf/version.py").read_text())[1]
# The owner's to fill in: https://HOST/OWNER/improved_gan_tf. Pictures and links of README are then
# shown wherever the package is described.
REPOSITORY = ""
requirements = [line for line in (here / "requirements.txt").read_text().split("\n") if line]


def long_description():
    """README with absolute pictures and links; without those where no address is known."""
    text = (here / "README.md").read_text(encoding="utf-8")
    if REPOSITORY:
        text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/raw/HEAD/", text)
        return re.sub(r"((?<!!)\[[^\]]+\]\()(?!https?:|#)", rf"\1{REPOSITORY}/blob/HEAD/", text)
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n", "", text, flags=re.M)
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", text)


setup(
    name="improved_gan_tf",
    version=version,
    description="Improved Techniques for Training GANs (Salimans et al., 2016) on Keras 3",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The improved_gan_tf authors",
    license="MIT",
    project_urls={"Source": REPOSITORY} if REPOSITORY else {},
    keywords="GAN, generative adversarial network, semi-supervised learning, Keras, TensorFlow, "
    "Inception score, FID, minibatch discrimination, weight normalization",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: MIT License",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["improved_gan_tf", "improved_gan_tf.*"]),
    # Of every package: the chapters for users, types, notebooks, and what pages are made of.
    package_data={"": ["README.md", "py.typed", "*.ipynb", "*.css", "*.j2", "*.html", "*.js"]},
    python_requires=">=3.11",
    install_requires=requirements,
    extras_require={
        # nbclient and ipykernel execute the example that is a notebook.
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "nbclient>=0.10",
            "ipykernel>=6.29",
        ],
        "develop": ["mypy>=1.15", "ruff>=0.14"],
        # For the comparison with torch-fidelity, which is installed with --no-deps (see .ci/run).
        "peer": ["torch>=2.4"],
        # TensorFlow's CUDA packages, of the version that requirements.txt asks for.
        "gpu": [
            line.replace("tensorflow", "tensorflow[and-cuda]", 1)
            for line in requirements
            if re.match("tensorflow[<>=]", line)
        ],
        "completion": ["argcomplete>=3.2"],
        "turing-test": ["flask>=3.1", "waitress>=3.0.1"],
        # Drives the Chromium that is installed, or one of its own (python -m playwright install).
        "browser": ["playwright>=1.49"],
        # Image towers as extractors of features (score --extractor keras_hub:PRESET).
        "hub": ["keras-hub>=0.32"],
        "jax": ["jax>=0.4.30"],
        "torch": ["torch>=2.4"],
        "onnx": ["tf2onnx>=1.17", "onnxruntime>=1.20"],
        "litert": ["ai-edge-litert>=1.0"],
    },
    entry_points={"console_scripts": ["improved-gan=improved_gan_tf.cli.main:main"]},
)
