"""Which classes a generator draws, according to the classifier of another run.

    python tools/sample_classes.py runs/mnist-minibatch-discrimination --classifier RUN --json FILE

The classifier should be a good one that has not seen the generator, such as that of a finished run
of mnist-feature-matching. Prints the number of images in each class, and the share of images of
which the classifier is more than 90 % sure.
"""

import argparse
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_json


def main():
    """Prints, and with --json writes, the counts; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="the run whose generator draws")
    parser.add_argument(
        "--classifier", required=True, metavar="RUN", help="the run whose classifier judges"
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    try:
        result = _classes(options)
    except UserError as error:
        print(f"sample_classes: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)
    return 0


def _classes(options):
    import numpy as np
    import scipy.special

    from improved_gan_tf import experiments

    recipe, gan, epochs = experiments.load_generator(options.run)
    judge_recipe, judge, judge_epochs = experiments.load_generator(options.classifier)
    if gan.generator.output_shape != judge.discriminator.input_shape:
        raise UserError(
            f"{options.run} draws images of shape {gan.generator.output_shape[1:]}, "
            f"{options.classifier} takes {judge.discriminator.input_shape[1:]}"
        )
    logits = judge.predict(gan.sample(options.count, options.seed), verbose=0)
    p = scipy.special.softmax(logits, axis=-1)
    counts = np.bincount(p.argmax(-1), minlength=p.shape[-1])
    return {
        "generator": f"{recipe.name}, {epochs} epochs",
        "classifier": f"{judge_recipe.name}, {judge_epochs} epochs",
        "images": options.count,
        "seed": options.seed,
        "images_by_class": counts.tolist(),
        "share_above_90_percent": round(float((p.max(-1) > 0.9).mean()), 4),
    }


if __name__ == "__main__":
    sys.exit(main())
