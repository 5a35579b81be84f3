"""What a person tries in the first hour, by README and its chapters, in one program.

Run by tests/test_packaging.py in an empty folder, with the package installed from its wheel. Small
and short, so that the errors and images mean nothing.
"""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

import improved_gan_tf as ig
from improved_gan_tf.cli.main import main as improved_gan


def command(line):
    assert improved_gan(line.split()) == 0, line


# Arrays of one's own, most of them without a label.
source = ig.data.open("digits")
x, y = source.arrays("train")
x, y = x / 16, np.where(np.arange(len(y)) < 300, y, -1)
data = ig.data.from_arrays(x, y, name="mine", batch_size=100)
print(data.summary())

# Networks, an objective and metrics of one's own; callbacks of Keras; a run's folder.
generator = keras.Sequential(
    [keras.Input((10,)), layers.Dense(64, "sigmoid"), layers.Reshape((8, 8, 1))]
)
discriminator = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Flatten(),
        ig.layers.WeightNorm(layers.Dense(20, "relu"), name="features"),
        layers.Dense(10),
    ]
)


def uncertain(logits_fake):
    return -keras.ops.mean(keras.ops.max(logits_fake, axis=1))


gan = ig.models.SemiSupervisedGAN(generator, discriminator, seed=1)
gan.compile(
    objective=["feature_matching", ig.models.Objective(uncertain, weight=0.01)],
    metrics=["sparse_categorical_accuracy"],
    jit_compile=False,
)
gan.fit(
    data.train,
    epochs=2,
    validation_data=data.test,
    callbacks=[
        *ig.callbacks.standard("runs/mine"),
        keras.callbacks.ReduceLROnPlateau("val_error"),
        keras.callbacks.EarlyStopping("val_error", patience=5),
    ],
    verbose=0,
)
gan.fit(x, y, batch_size=100, verbose=0)  # arrays, with -1
assert gan.predict(x[:5], verbose=0).shape == (5, 10)
assert 0 <= gan.evaluate(x[:100], y[:100], verbose=0, return_dict=True)["error"] <= 1
command("sample runs/mine --count 4")
command("evaluate runs/mine --data digits")

# Saved, and loaded by a new process, which imports the package and nothing more.
gan.compile(jit_compile=False)
gan.save("gan.keras")
loads = "import keras, improved_gan_tf; print(type(keras.saving.load_model('gan.keras')).__name__)"
process = [sys.executable, "-c", loads]
assert "SemiSupervisedGAN" in subprocess.run(process, stdout=subprocess.PIPE, text=True).stdout

# A recipe of one's own, trained, continued, and used from its folder alone.
command("recipes --new my_recipe.py")
short = "--no-jit-compile --no-baseline --quiet --set generator.units=16"
command(f"train my_recipe.py --epochs 1 {short}")
Path("my_recipe.py").unlink()
run = "runs/my-recipe"
command(f"train my-recipe --resume --out {run} --epochs 2 --quiet")
command(f"evaluate {run} --json --confusion confusion.png")
command(f"sample {run} --count 9 --by-class")
command(f"predict {run} digits@test --out labels.csv")
command(f"export {run} --out generator")
command(f"report {run}")
for name in ("confusion.png", f"{run}/sample.png", "labels.csv", f"{run}/report/report.html"):
    assert Path(name).is_file(), name

# Files of data that are labeled in part; labels in a file.
np.savez("mine.npz", x_train=x, y_train=y)
assert len(ig.data.load("npz:mine.npz", 10).labeled_indices) == 100
for label in (0, 1, -1):
    folder = f"photos/{'unlabeled' if label < 0 else f'class-{label}'}"
    ig.images.save_folder(
        folder, ig.images.to_uint8(source.arrays("train")[0][y == label][:9], 0, 16)
    )
found = ig.data.load("folder:photos", None, batch_size=4)
assert found.class_names == ("class-0", "class-1") and found.source.num_unlabeled == 9
Path("labels.txt").write_text("\n".join(map(str, y)))
assert len(ig.data.load("digits", 5, labels_file="labels.txt").labeled_indices) == 50

# Scores by a classifier of one's own data.
ig.metrics.train_classifier("digits", "digits.keras", epochs=1, verbose=False)
images = ig.experiments.open_generator(run, 100)
assert ig.metrics.inception_score(images, classifier="digits.keras")[0] >= 1
print("done with", ig.__file__)
