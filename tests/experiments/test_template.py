"""Recipe files to begin with: the template of the command, and the chapter's."""

import re
import textwrap

import numpy as np

from improved_gan_tf import experiments
from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import building, template
from improved_gan_tf.runs import RunFolder
from tests.helpers.paths import ROOT


def test_the_template(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["recipes", "--new", "My recipe.py"]) == 0
    assert cli.main(["recipes", "My recipe.py"]) == 0
    shown = capsys.readouterr().out
    assert "command: improved-gan train 'My recipe.py'" in shown
    assert re.search(r"^generator.units +128", shown, re.M)
    before = (tmp_path / "My recipe.py").read_text()
    assert cli.main(["recipes", "--new", "My recipe.py"]) == 2
    assert "My recipe.py already exists" in capsys.readouterr().err
    assert (tmp_path / "My recipe.py").read_text() == before
    assert cli.main(["recipes", "--new", "mine.txt"]) == 2
    assert "does not end in .py" in capsys.readouterr().err
    short = ["--epochs", "1", "--no-jit-compile", "--quiet", "--set", "generator.units=16"]
    assert cli.main(["train", "My recipe.py", *short]) == 0
    assert "supervised-only baseline" in capsys.readouterr().out
    assert RunFolder("runs/my-recipe").finished


def test_losses_of_the_template_and_the_chapter(tmp_path):
    """The template's commented ones as they are without the signs; the chapter says the same."""
    file = tmp_path / "mine.py"
    template.write(file)
    start, end = (file.read_text().index(f"# {part}(") for part in ("def losses", "def data"))
    commented = file.read_text()[start:end].split("\n\n\n")[0]
    losses = re.sub("^# ?", "", commented, flags=re.M)
    file.write_text(f"{file.read_text()}\n\n{losses}\n")

    def weights(**values):
        recipe = experiments.override(experiments.get(file), **values)
        gan = building.assemble(experiments.experiment(recipe), (8, 8, 1), 10)
        return [term.weight for term in gan.objective_terms]

    assert weights(losses={"certainty": 0.5}) == [1.0, 0.5]
    chapter = (ROOT / "improved_gan_tf/experiments/README.md").read_text()
    shown = textwrap.dedent("  " + re.search(r"def losses.*?(?=  ```)", chapter, re.S)[0])
    file.write_text(f"{file.read_text()}\n\n{shown}\n")
    assert weights() == [1.0, 0.01]


def test_fashion_mnist_of_the_chapter(tmp_path):
    """The chapter's recipe, on synthetic data of the form of Fashion-MNIST."""
    chapter = (ROOT / "improved_gan_tf/experiments/README.md").read_text()
    text = re.search(r"`fashion.py`:\n\n```python\n(.*?)^```", chapter, re.M | re.S)[1]
    assert len(text.splitlines()) <= 30
    rng = np.random.RandomState(0)
    arrays = {
        f"{name}_{part}": value
        for part, count in (("train", 120), ("test", 20))
        for name, value in (
            ("x", rng.randint(0, 256, (count, 28, 28), np.uint8)),
            ("y", np.arange(count) % 10),
        )
    }
    np.savez(tmp_path / "fashion.npz", **arrays)
    values = {"data": f"npz:{tmp_path / 'fashion.npz'}", "batch_size": 20, "labels_per_class": 2}
    out, file = tmp_path / "run", tmp_path / "fashion.py"
    file.write_text(text)
    results = experiments.train(file, out, verbose=False, epochs=1, jit_compile=False, **values)
    assert results["steps"] == 6 and results["labels"] == 20
    assert experiments.load_generator(out)[1].sample(3).shape == (3, 28, 28, 1)
