"""reference/README.md: every deviation is cited where it happens, and what it names exists."""

import re

import pytest

import improved_gan_tf
from tests.helpers.paths import ROOT

README = ROOT / "reference" / "README.md"
PACKAGE = ROOT / "improved_gan_tf"


def cited(text):
    """The numbers of citations such as (D7) or (D7, D12)."""
    return {
        number
        for citation in re.findall(r"\((D\d+(?:, D\d+)*)\)", text)
        for number in citation.split(", ")
    }


def deviations():
    return re.findall(r"^\*\*(D\d+)\. ", README.read_text(), re.M)


def test_deviations_are_numbered_in_order():
    found = deviations()
    assert found == [f"D{i + 1}" for i in range(len(found))] and len(found) >= 24


def test_every_deviation_is_cited_in_the_package():
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert set(deviations()) - cited(sources) == set()


def test_every_citation_exists():
    known = set(deviations())
    folders = ("improved_gan_tf", "reference", "tests", "tools")
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        assert cited(path.read_text()) <= known, path
    tables = re.findall(r"\| ([D\d, ]*) \|$", README.read_text(), re.M)
    assert {number for cell in tables for number in cell.split(", ") if number} <= known


def test_a_citation_is_recognized():
    assert cited("Kept (D7); both (D1, D22), not (D) or D9 or (D - 1).") == {"D7", "D1", "D22"}


def names():
    """Dotted names of the package in the README, such as `layers.WeightNorm`."""
    parts = "|".join(sorted(set(improved_gan_tf.__all__) - {"__version__"}))
    return sorted(set(re.findall(rf"`((?:{parts})\.(?!py)[\w.]+)`", README.read_text())))


@pytest.mark.parametrize("name", names())
def test_every_name_exists(name):
    found = improved_gan_tf
    for part in name.split("."):
        found = getattr(found, part)


def test_every_file_exists():
    text = README.read_text()
    ours = re.findall(
        r"`((?:reference|tests|golden|improved_gan_tf|data|experiments)/[\w./]+)`", text
    )
    assert len(ours) >= 20
    for file in ours:
        places = (ROOT / file, ROOT / "reference" / file, PACKAGE / file)
        assert any(place.exists() for place in places), file
