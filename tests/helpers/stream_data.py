"""Small data that the tests of streams, records and the converter make."""

import io
import json
import os

import numpy as np
from PIL import Image

from improved_gan_tf import data
from tests.helpers.one_line import refusal_of

fails = refusal_of(data.load_stream)


def epochs(stream, first, count, **options):
    """[count, steps] batches as NumPy (x, y)."""
    steps = stream.steps_per_epoch
    batches = list(stream.train(first, **options).take(count * steps).as_numpy_iterator())
    assert len(batches) == count * steps
    return [batches[i * steps : (i + 1) * steps] for i in range(count)]


def smooth(seed, height, width):
    """uint8 [H, W, 3] without sharp edges, which JPEG would blur."""
    coarse = np.random.RandomState(seed).randint(0, 256, (3, 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, file_format="JPEG", mode=None, **options):
    """Bytes of a picture file."""
    picture = Image.fromarray(pixels)
    picture = picture.convert(mode) if mode else picture
    if file_format == "JPEG":
        options = {"quality": 95, "subsampling": 0, **options}
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def class_folders(root, counts, sizes=((20, 30), (24, 16), (17, 17))):
    """Writes counts = {class name: number} JPEGs of various sizes.

    Returns:
        {"class/file": pixels before they became a JPEG}, in sorted order.
    """
    made = {}
    for name in sorted(counts):
        (root / name).mkdir(parents=True)
        for i in range(counts[name]):
            pixels = smooth(len(made), *sizes[len(made) % len(sizes)])
            (root / name / f"{name}_{i:03d}.JPEG").write_bytes(encoded(pixels))
            made[f"{name}/{name}_{i:03d}.JPEG"] = pixels
    return made


def square(pixels, size):
    """The middle square by Pillow and NumPy alone."""
    h, w = pixels.shape[:2]
    s = min(h, w)
    top, left = int(np.floor((h - s) / 2 + 0.5)), int(np.floor((w - s) / 2 + 0.5))
    cut = np.ascontiguousarray(pixels[top : top + s, left : left + s])
    return np.asarray(Image.fromarray(cut).resize((size, size), Image.Resampling.BILINEAR))


def feature(value):
    """A tf.train.Feature of bytes or integers."""
    import tensorflow as tf

    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(value).tolist()))


def write_records(path, examples):
    """Writes dictionaries as tf.train.Example, bytes as they are."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            if not isinstance(example, bytes):
                features = tf.train.Features(feature={k: feature(v) for k, v in example.items()})
                example = tf.train.Example(features=features).SerializeToString()
            writer.write(example)


def raw_example(pixels, label):
    """As the original's converter stored it."""
    h, w, c = pixels.shape
    return {"height": h, "width": w, "depth": c, "label": label, "image_raw": pixels.tobytes()}


def numbered(path, numbers):
    """Records of 2x2 pictures, each of which says its number (and is of class number % 10)."""
    write_records(path, [raw_example(number_picture(n), n % 10) for n in numbers])


def number_picture(number):
    """[2, 2, 3] uint8."""
    return np.full((2, 2, 3), [number % 256, number // 256, 7], np.uint8)


def numbers_of(x):
    """The numbers of a batch of such pictures, scaled symmetrically."""
    pixels = np.rint((np.asarray(x) + 1) * 127.5).astype(int)
    assert (pixels == pixels[:, :1, :1]).all() and (pixels[..., 2] == 7).all()
    return pixels[:, 0, 0, 0] + 256 * pixels[:, 0, 0, 1]


def write_index(folder, class_names, shards, **changes):
    """records.json for {file: labels}."""
    entries = [
        {
            "file": file,
            "records": len(labels),
            "notes": [],
            "bytes": os.path.getsize(folder / file),
            "labels": [min(labels), max(labels)] if labels else [],
        }
        for file, labels in shards.items()
    ]
    index = {
        "format": "improved_gan_tf records",
        "version": 1,
        "size": 2,
        "shards": entries,
        "class_names": class_names,
        **changes,
    }
    (folder / "records.json").write_text(json.dumps(index))
