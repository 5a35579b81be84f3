"""What an installation contains: the wheel, its description, and the citation."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import improved_gan_tf
from tests.helpers.paths import ROOT

DATA = {".md", ".typed", ".ipynb", ".css", ".j2", ".html", ".js"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the source tree without a download."""
    pytest.importorskip("setuptools", minversion="70.1")
    tree = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    package = tree / "improved_gan_tf"
    shutil.copytree(ROOT / "improved_gan_tf", package, ignore=shutil.ignore_patterns("*.pyc"))
    build = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tree / "dist")]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (path,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.mark.long
def test_the_first_hour_outside_the_source_tree(wheel, tmp_path):
    """The wheel's files alone, and a program that was written by README and the chapters."""
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--target", site, wheel.filename], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    script = shutil.copy(ROOT / "tests/helpers/first_hour.py", work)
    command = [sys.executable, script]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    assert f"done with {site}" in done.stdout
    command = [site / "bin/improved-gan", "report", "runs/mine"]
    subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True)


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    """Modules, py.typed, the chapters beside the code, templates and style sheets."""
    files = [p for p in (ROOT / "improved_gan_tf").rglob("*") if p.suffix in DATA | {".py"}]
    expected = {p.relative_to(ROOT).as_posix() for p in files}
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert {"improved_gan_tf/py.typed", "improved_gan_tf/inception/README.md"} <= found
    # No file of another kind lies in the package and is forgotten.
    others = [p for p in (ROOT / "improved_gan_tf").rglob("*") if p.is_file() and p not in files]
    assert [p for p in others if p.suffix != ".pyc"] == []


def test_metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    found = email.message_from_bytes(wheel.read(name))
    assert found["Version"] == improved_gan_tf.__version__
    assert found["Requires-Python"] == ">=3.11" and found["Description-Content-Type"]
    assert {"Summary", "Author", "Keywords", "Classifier"} <= set(found.keys())
    (tensorflow,) = (r for r in found.get_all("Requires-Dist") if r.startswith("tensorflow<"))
    (gpu,) = (r for r in found.get_all("Requires-Dist") if "extra == 'gpu'" in r.replace('"', "'"))
    assert gpu.split(";")[0].strip() == tensorflow.replace("tensorflow", "tensorflow[and-cuda]")
    description = found.get_payload()
    # Nothing that works only inside the repository.
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", description) == []
    assert "improved-gan train digits" in description
    assert re.findall(r"^#+ .*", description, re.M) == re.findall(
        r"^#+ .*", (ROOT / "README.md").read_text(), re.M
    )


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {improved_gan_tf.__version__}\n" in text
