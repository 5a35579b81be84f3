"""`improved-gan convert` and `inception-graph`: files for other commands and other programs."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from improved_gan_tf.cli import options as kinds
from improved_gan_tf.cli import places
from improved_gan_tf.cli.score import add_weights_options, names_weights, weights_arguments
from improved_gan_tf.errors import UserError

_CONVERT = """Converts class folders of picture files to TFRecord files for --data records:OUT_DIR.
SOURCE_DIR has one sub-folder per class; labels count from 0 in the order of the sorted folder
names. Pictures without a label, in a folder "unlabeled" or "_unlabeled", are left out. The middle
square of every picture is resized and stored as a JPEG, in shuffled order. A conversion that was
stopped continues when the same command is run again. Pictures that could not be used, and those
that were not what their names say, are listed in OUT_DIR/skipped.txt."""

_GRAPH = """Writes the Inception network of 2015-12-05 as a frozen GraphDef with the original's node
names: a program that imports it, feeds ExpandDims:0 (one image or many, values 0..255) and fetches
softmax:0, pool_3:0 or softmax/logits/MatMul:0 runs on it unchanged."""


def _add_convert(convert: argparse.ArgumentParser) -> None:
    convert.description = _CONVERT
    add = convert.add_argument
    add("source", metavar="SOURCE_DIR", help="folder with one sub-folder of pictures per class")
    add("out", metavar="OUT_DIR", help="folder to write")
    add(
        "--size",
        type=kinds.whole(1, 65_500),
        default=128,
        help="side of the pictures (default 128)",
    )
    add(
        "--shards",
        type=kinds.count,
        help="number of files (default: 1 per 256 pictures, at most 1024)",
    )
    add(
        "--quality",
        type=kinds.whole(1, 100),
        default=95,
        help="of the JPEGs, 1 to 100 (default 95)",
    )
    add("--workers", type=kinds.workers, help="processes that decode (default: the processors)")
    add("--seed", type=kinds.seed, default=1, help="seed of the pictures' order (default 1)")
    add("--synsets", metavar="FILE", help="its lines begin with the names of the expected classes")
    add("--classes", type=kinds.count, metavar="N", help="expected number, 1000 for ImageNet")
    stopped = "; the same command continues from here"
    convert.set_defaults(command=_convert, stopped=stopped, keras=False)


def _add_graph(graph: argparse.ArgumentParser) -> None:
    graph.description = _GRAPH
    add = graph.add_argument
    add("out", metavar="OUT", help="the GraphDef to write (.pb)")
    add_weights_options(graph)
    add("--random-weights", type=kinds.seed, metavar="SEED", help="random ones, to try things out")
    add("--saved-model", metavar="DIR", help="also write a SavedModel: images -> pool_3, logits")
    add("--own", metavar="FILE.npz", help="also write the weights in our own format")
    graph.set_defaults(command=_inception_graph)


COMMANDS: kinds.Commands = {"convert": _add_convert, "inception-graph": _add_graph}


def _convert(options: argparse.Namespace) -> None:
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # nothing to do for a GPU here
    from improved_gan_tf.data.records.convert import SKIPPED_FILE, convert

    names = ("size", "shards", "quality", "workers", "seed", "synsets", "classes")
    done = convert(options.source, options.out, **{name: vars(options)[name] for name in names})
    shards = f"{done.shards} shards"
    if done.kept_shards:
        shards += f", {done.kept_shards} of them there already"
    print(f"{done.out}: {done.records} records of {done.classes} classes in {shards}")
    if done.skipped or done.noted:
        print(
            f"{done.skipped} pictures skipped, {done.noted} unusual ones kept: see "
            f"{done.out / SKIPPED_FILE}"
        )
    for name in done.empty_classes:
        print(f"improved-gan: warning: no picture of class {name} can be read", file=sys.stderr)


def _inception_graph(options: argparse.Namespace) -> None:
    if options.random_weights is not None and names_weights(options):
        raise UserError(
            "--random-weights takes the place of --weights, --any-weights and --fingerprint; leave "
            "it or them out"
        )
    written = [Path(x).resolve() for x in (options.out, options.own, options.saved_model) if x]
    if len(set(written)) < len(written):
        raise UserError("OUT, --own and --saved-model name the same place; name one for each")
    places.check_files(options.out, options.own)
    if options.saved_model and Path(options.saved_model).exists():
        raise UserError(f"{options.saved_model} exists already; remove it or name another place")

    from improved_gan_tf import inception

    if options.random_weights is not None:
        weights = inception.random_weights(options.random_weights)
    else:
        weights = inception.load_weights(*weights_arguments(options))
    print(inception.write_graph(options.out, weights))
    if options.own:
        path = inception.save_weights(options.own, weights)
        print(f"{path} (fingerprint {inception.fingerprint(weights)})")
    if options.saved_model:
        _save_model(options.saved_model, inception.build_network(weights))
        print(options.saved_model)


def _save_model(path: str, model: Any) -> None:
    import keras
    import tensorflow as tf

    from improved_gan_tf.files import temporary_folder

    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="images")
    archive.add_endpoint("serve", lambda images: model(images, training=False), [spec])
    with temporary_folder(path) as name:
        archive.write_out(str(name), verbose=False)
