"""Writes the Inception network of 2015-12-05 for other programs, and its weights in our format.

    python tools/inception_graph.py classify_image_graph_def.pb
    python tools/inception_graph.py graph.pb --weights pt_inception-2015-12-05-6726825d.pth \\
        --saved-model inception_saved_model --own inception.npz

OUT is a frozen GraphDef with the original's node names: a program that imports it, feeds
`ExpandDims:0` (one image or many, values 0..255) and fetches `softmax:0`, `pool_3:0` or
`softmax/logits/MatMul:0` runs on it unchanged.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary_folder


def main(arguments=None):
    """Returns the exit code: 0, or 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("out", metavar="OUT", help="the GraphDef to write (.pb)")
    add("--weights", metavar="FILE", help=".pb, .tgz, .pth or our .npz; default: the published")
    add("--any-weights", action="store_true", help="take weights that are not the published ones")
    add("--random-weights", type=int, metavar="SEED", help="random ones, to try things out")
    add("--saved-model", metavar="DIR", help="write a SavedModel too: images -> pool_3, logits")
    add("--own", metavar="FILE.npz", help="write the weights in our own format too")
    options = parser.parse_args(arguments)
    try:
        _write(options)
    except UserError as error:
        print(f"inception_graph: error: {error}", file=sys.stderr)
        return 2
    return 0


def _write(options):
    from improved_gan_tf import inception

    if Path(options.out).is_dir():
        raise UserError(f"{options.out} is a folder; name the file to write, e.g. OUT.pb")
    if options.saved_model and Path(options.saved_model).exists():
        raise UserError(f"{options.saved_model} exists already; remove it or name another place")
    if options.random_weights is not None:
        weights = inception.random_weights(options.random_weights)
    else:
        weights = inception.load_weights(options.weights, check=not options.any_weights)
    print(inception.write_graph(options.out, weights))
    if options.own:
        print(inception.save_weights(options.own, weights))
    if options.saved_model:
        print(_saved_model(options.saved_model, inception.build_network(weights)))


def _saved_model(path, model):
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")
    archive.add_endpoint("serve", lambda images: model(images, training=False), [spec])
    with temporary_folder(path) as name:
        archive.write_out(str(name), verbose=False)
    return path


if __name__ == "__main__":
    sys.exit(main())
