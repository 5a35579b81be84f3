"""Labeled images in TFRecord files: what a record may be, writing one, parsing one, scanning many.

Every record is a `tf.train.Example`. Its picture and its label stand under the names of one of
these kinds, which may change from record to record:

| picture | label | kind |
|---|---|---|
| `image/encoded` JPEG or PNG | `image/class/label` | ours |
| `image_raw` H*W*3 bytes | `label` | the original's, with `height`, `width`, `depth` |
| `image` JPEG or PNG | `label` | TensorFlow Datasets' |

Ours also have `image/class/synset` and `image/filename`, which are for people. Labels are int64 and
count from 0 in the order of the sorted class names. Raw pictures without `height` and `width` are
square.

Source: imagenet/convert_imagenet_to_records.py and the reader in imagenet/model.py,
read_and_decode. The original writes raw pixels, ours writes JPEGs (D24).
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from improved_gan_tf.data.pictures import decode_tensor, tensor_pixels

NO_LABEL = -(2**40)
_BATCH = 512  # records parsed together
FRAME = 16  # bytes of a TFRecord besides its content: length, its checksum, the content's checksum


def example(jpeg: bytes, label: int, synset: str, filename: str) -> bytes:
    """Serializes one record of our kind: the same bytes for the same arguments.

    Args:
        jpeg: The encoded picture.
        label: The class number, from 0.
        synset: The name of the class.
        filename: The name of the picture file.
    """
    import tensorflow as tf

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image/encoded": text(jpeg),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "image/class/synset": text(os.fsencode(synset)),
        "image/filename": text(os.fsencode(filename)),
    }
    record = tf.train.Example(features=tf.train.Features(feature=features))
    return record.SerializeToString(deterministic=True)


def _features() -> dict[str, Any]:
    import tensorflow as tf

    names = ("image/encoded", "image", "image_raw", "image/class/label", "label", "height", "width")
    defaults = 3 * [(tf.string, "")] + 2 * [(tf.int64, NO_LABEL)] + 2 * [(tf.int64, 0)]
    return {
        name: tf.io.FixedLenFeature([], *default)
        for name, default in zip(names, defaults, strict=True)
    }


def _raw_size(found: dict[str, Any], num_bytes: Any) -> tuple[Any, Any]:
    """The stated height and width of raw pictures, or the side of a square of so many bytes."""
    import tensorflow as tf

    side = tf.cast(tf.round(tf.sqrt(tf.cast(num_bytes, tf.float64) / 3)), tf.int64)
    height, width = found["height"], found["width"]
    return tf.where(height > 0, height, side), tf.where(width > 0, width, side)


def parse(record: Any, channels: int = 3) -> tuple[Any, Any]:
    """Parses one record in a graph.

    Args:
        record: A serialized Example of any of the kinds, a scalar string tensor.
        channels: 1 or 3. Raw pictures have 3.

    Returns:
        (image, label): uint8 [H, W, channels], where H and W are unknown until it runs, and int32.
    """
    import tensorflow as tf

    found = tf.io.parse_single_example(record, _features())
    raw = found["image_raw"]

    def from_bytes() -> Any:
        height, width = _raw_size(found, tf.strings.length(raw))
        return tf.reshape(tf.io.decode_raw(raw, tf.uint8), tf.stack([height, width, 3]))

    def from_code() -> Any:
        encoded = found["image/encoded"]
        encoded = tf.where(tf.strings.length(encoded) > 0, encoded, found["image"])
        return decode_tensor(encoded, channels)

    if channels == 3:
        image = tf.cond(tf.strings.length(raw) > 0, from_bytes, from_code)
    else:
        image = from_code()
    label = tf.maximum(found["image/class/label"], found["label"])
    return tf.ensure_shape(image, (None, None, channels)), tf.cast(label, tf.int32)


def pixels(record: Any) -> Any:
    """The number of pixels of a record's picture, int64, in a graph; 0 where it is not known."""
    import tensorflow as tf

    found = tf.io.parse_single_example(record, _features())
    raw = tf.cast(tf.strings.length(found["image_raw"]), tf.int64)
    encoded = found["image/encoded"]
    encoded = tf.where(tf.strings.length(encoded) > 0, encoded, found["image"])
    return tf.cond(raw > 0, lambda: raw // 3, lambda: tensor_pixels(encoded))


@dataclass(frozen=True)
class Scan:
    """What a file holds, found by reading all of it without decoding pictures.

    Attributes:
        labels: int64 [N], the labels of the whole records before the first damage.
        damage: What is wrong, a phrase that follows the file's name; None if nothing is.
    """

    labels: np.ndarray
    damage: str | None


def scan(path: str | os.PathLike) -> Scan:
    """Reads a TFRecord file from end to end and verifies its checksums."""
    import tensorflow as tf

    size = os.path.getsize(path)
    # An announced length beyond the file's end would end TensorFlow, and with it the process.
    dataset = tf.data.TFRecordDataset(str(path)).take(count(path)[0])
    labels, used, damage = [np.zeros(0, np.int64)], 0, None
    # An error spoils the whole batch that it is in: from there on, record by record.
    for batch in (_BATCH, 1):
        damage = None
        done = sum(map(len, labels))
        try:
            for group in dataset.skip(done).batch(batch).prefetch(1):
                found, bad, length = (value.numpy() for value in _facts_function()(group))
                if bad.any():
                    keep = int(np.argmax(bad))
                    damage = f"has no picture of a known kind in record {done + keep}"
                    labels.append(found[:keep])
                    break
                labels.append(found)
                done += len(found)
                used += int(length)
        except tf.errors.DataLossError:
            damage = f"is damaged or truncated after {done} whole records"
        except (tf.errors.InvalidArgumentError, UnicodeDecodeError):  # of TensorFlow's own message
            damage = f"has a record {done} that is no tf.train.Example of a known kind"
        except tf.errors.OpError as error:
            damage = f"cannot be read ({' '.join(error.message.split())[:100]})"
        else:
            break
    if size == 0:
        damage = "is empty"
    elif damage is None and used != size:  # TensorFlow takes a cut length for the end
        damage = f"is damaged or truncated after {done} whole records"
    return Scan(np.concatenate(labels), damage)


@cache
def _facts_function() -> Any:
    import tensorflow as tf

    return tf.function(_facts, [tf.TensorSpec([None], tf.string)])


def _facts(records: Any) -> tuple[Any, Any, Any]:
    """Labels, which records have no picture, and bytes in the file, of a batch of records."""
    import tensorflow as tf

    found = tf.io.parse_example(records, _features())
    raw = tf.cast(tf.strings.length(found["image_raw"]), tf.int64)
    encoded = tf.strings.length(found["image/encoded"]) + tf.strings.length(found["image"])
    height, width = _raw_size(found, raw)
    bad = tf.where(raw > 0, raw != height * width * 3, encoded == 0)
    labels = tf.maximum(found["image/class/label"], found["label"])
    return labels, bad, tf.reduce_sum(tf.cast(tf.strings.length(records), tf.int64) + FRAME)


def count(path: str | os.PathLike) -> tuple[int, bool]:
    """Counts the whole records of a TFRecord file by the lengths that precede them.

    Returns:
        (number, whole): the number of records, and whether the file ends after the last of them.
    """
    size = os.path.getsize(path)
    position = number = 0
    with open(path, "rb", buffering=0) as stream:
        while position + FRAME <= size:
            stream.seek(position)
            following = position + FRAME + int.from_bytes(stream.read(8), "little")
            if following > size:
                break
            position, number = following, number + 1
    return number, position == size and number > 0
