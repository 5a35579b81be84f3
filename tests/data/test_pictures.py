"""One decoding of picture files for all consumers, and their resizing."""

import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import data
from improved_gan_tf.data import pictures
from improved_gan_tf.errors import UserError
from tests.helpers.stream_data import encoded, epochs, smooth, square

MODES = ("RGB", "L", "1", "P", "RGBA", "LA", "PA", "CMYK", "YCbCr")
PIXELS = np.random.RandomState(0).randint(0, 256, (13, 17, 3)).astype(np.uint8)


def files():
    """{"FORMAT-MODE": content} of every format in every mode that it has."""
    found = {}
    for file_format in pictures.FORMATS:
        for mode in MODES:
            stream = io.BytesIO()
            try:
                Image.fromarray(PIXELS).convert(mode).save(stream, file_format)
            except (OSError, KeyError, ValueError):  # the format has no such mode
                continue
            found[f"{file_format}-{mode}"] = stream.getvalue()
    for name, options in {
        "JPEG-progressive": {"progressive": True},
        "JPEG-subsampled": {"subsampling": 2, "quality": 60},
        "PNG-transparent": {"transparency": (1, 2, 3)},
        "GIF-animated": {"save_all": True, "append_images": [Image.new("RGB", (17, 13))]},
        "WEBP-lossless": {"lossless": True},
    }.items():
        stream = io.BytesIO()
        Image.fromarray(PIXELS).save(stream, name.split("-")[0], **options)
        found[name] = stream.getvalue()
    return found


FILES = files()


@pytest.fixture(scope="module")
def tensors():
    """{channels: the decoder in a graph}."""
    spec = [tf.TensorSpec([], tf.string)]
    return {
        channels: tf.function(
            lambda encoded, channels=channels: pictures.decode_tensor(encoded, channels), spec
        )
        for channels in (1, 3)
    }


@pytest.mark.parametrize("name", list(FILES))
def test_a_pipeline_decodes_to_the_same_bytes_as_pillow(tensors, name):
    expected = pictures.decode(io.BytesIO(FILES[name]))
    assert expected.dtype == np.uint8 and expected.shape[:2] == (13, 17)
    found = tensors[3](FILES[name]).numpy()
    np.testing.assert_array_equal(found, np.broadcast_to(expected, (13, 17, 3)))
    if expected.shape[2] == 1:
        np.testing.assert_array_equal(tensors[1](FILES[name]).numpy(), expected)


@pytest.mark.parametrize(
    ("name", "grey"), [("PNG-L", 1), ("PNG-1", 1), ("PNG-LA", 1), ("PNG-P", 3), ("PNG-RGBA", 3)]
)
def test_grey_stays_grey_and_alpha_is_dropped(name, grey):
    found = pictures.decode(io.BytesIO(FILES[name]))
    assert found.shape == (13, 17, grey)
    if name == "PNG-RGBA":
        np.testing.assert_array_equal(found, PIXELS)


def deep(mode):
    if mode == "PNG-48":  # Pillow calls it RGB, as if it had 8 bits
        rows = b"".join(b"\0" + bytes(2 * 6) for _ in range(2))
        import struct
        import zlib

        def chunk(kind, content):
            crc = zlib.crc32(kind + content)
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

        header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
        )
    stream = io.BytesIO()
    Image.fromarray(np.full((5, 5), 40_000, np.uint16)).save(stream, mode)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not one of JPEG"),
        (b"no picture", "not one of JPEG"),
        (b"\xff\xd8\xff", "not one of|truncated"),
        (FILES["JPEG-RGB"][:-60], "truncated|Truncated"),
        (FILES["PNG-RGB"][:-60], "truncated|broken"),
        (FILES["GIF-RGB"][:-60], "truncated|image file"),
        (deep("PNG"), "pixels of mode I;16; expected 8 bits per channel"),
        (deep("TIFF"), "expected 8 bits per channel"),
        (deep("PNG-48"), "expected 8 bits per channel"),
    ],
)
def test_unreadable_pictures(tensors, content, message):
    with pytest.raises(pictures.Unreadable, match=message):
        pictures.decode(io.BytesIO(content))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tensors[3](content)


def test_a_named_pipe_among_pictures_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png cannot be read as a picture \(not a file\)"):
        list(data.as_images(tmp_path).images(lambda image: image, 1))


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    """Pillow would hand it to Ghostscript, whatever the file is called."""
    from PIL import EpsImagePlugin

    called = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: called.append(a))
    path = tmp_path / "innocent.png"
    Image.new("RGB", (8, 8)).save(path, "EPS")
    with pytest.raises(pictures.Unreadable, match="not one of JPEG, PNG"):
        pictures.decode(path)
    assert not called


def test_the_three_consumers_of_a_folder_see_the_same_pixels(tmp_path):
    """Files of every format, through load, load_stream and as_images."""
    suffixes = {"JPEG": ".jpg", "TIFF": ".tif"}
    for name, content in FILES.items():
        suffix = suffixes.get(name.split("-")[0], f".{name.split('-')[0].lower()}")
        for folder in ("train/a", "train/b", "test/a", "test/b"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / (name + suffix)).write_bytes(content)
    name = f"folder:{tmp_path}"
    loaded = data.load(name, 1, batch_size=1)
    assert loaded.image_shape == (13, 17, 3) and loaded.num_train == 2 * len(FILES)
    scored = list(data.as_images(name).images(lambda image: image, 2))
    for a, b in zip(loaded.train_images, scored, strict=True):
        np.testing.assert_array_equal(a, np.broadcast_to(b, a.shape))
    stream = data.load_stream(name, image_size=None, batch_size=2 * len(FILES), scaling="unit")
    ((x, _),) = stream.test.as_numpy_iterator()
    np.testing.assert_array_equal(np.rint(x * 255).astype(np.uint8), loaded.test_images)
    assert (stream.num_train, stream.num_test) == (loaded.num_train, loaded.num_test)


@pytest.mark.parametrize("shape", [(20, 31), (31, 20), (16, 16), (9, 12), (40, 41)])
def test_the_square_by_pillow_and_by_tensorflow(shape):
    pixels = np.random.RandomState(0).randint(0, 256, (*shape, 3)).astype(np.uint8)
    expected = square(pixels, 16)
    resizing = pictures.Resizing.of(16)
    np.testing.assert_array_equal(resizing.image(pixels), expected)
    tensor = resizing.tensor(tf.constant(pixels), (16, 16, 3)).numpy()
    assert tensor.dtype == np.float32 and tensor.shape == (16, 16, 3)
    assert np.abs(tensor - expected).max() <= 1.01
    grey = resizing.tensor(tf.constant(pixels[..., :1]), (16, 16, 1)).numpy()
    np.testing.assert_allclose(grey, tensor[..., :1], atol=1e-4)


@pytest.mark.parametrize(("size", "resize"), [(8, "square"), (8, "stretch"), ((6, 9), "stretch")])
def test_resizing_is_the_same_for_all_consumers(tmp_path, size, resize):
    made = [smooth(i, 20 + i, 31) for i in range(6)]
    for split in ("train", "test"):
        for i, pixels in enumerate(made):
            folder = tmp_path / split / "ab"[i // 3]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}.png").write_bytes(encoded(pixels, "PNG"))
    name, options = f"folder:{tmp_path}", {"image_size": size, "resize": resize}
    height, width = (size, size) if size == 8 else size
    if resize == "stretch":
        shape, bilinear = (width, height), Image.Resampling.BILINEAR
        expected = [np.asarray(Image.fromarray(x).resize(shape, bilinear)) for x in made]
    else:
        expected = [square(pixels, 8) for pixels in made]
    loaded = data.load(name, 1, batch_size=1, **options)
    assert loaded.image_shape == (height, width, 3)
    np.testing.assert_array_equal(loaded.train_images, expected)
    scored = data.open(name, **options).images("test").images(lambda image: image, 2)
    np.testing.assert_array_equal(list(scored), expected)
    stream = data.load_stream(name, batch_size=6, scaling="unit", **options)
    ((x, _),) = stream.test.as_numpy_iterator()
    assert np.abs(255 * x - loaded.test_images).max() <= 1.01  # TensorFlow does not round to bytes


def test_arrays_are_resized_too(tmp_path):
    x = np.array([smooth(i, 9, 12) for i in range(8)])
    y = np.arange(8) % 2
    options = {"image_size": 6}
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    expected = [square(image, 6) for image in x]
    loaded = data.load(f"npz:{tmp_path / 'a.npz'}", 2, batch_size=2, **options)
    np.testing.assert_array_equal(loaded.train_images, expected)
    np.save(tmp_path / "b.npy", x)
    source = data.open(tmp_path / "b.npy", **options)
    assert source.image_shape == (6, 6, 3)
    np.testing.assert_array_equal(list(source.images().images(lambda x: x, 1)), expected)
    digits = data.open("digits", image_size=12).arrays("test")[0]
    assert digits.shape == (500, 12, 12, 1) and digits.dtype == np.float32
    assert 12 < digits.max() <= 16  # not rounded to 16 levels


def test_sizes_that_make_no_sense():
    for size in (0, -1, 1.5, True, (1, 2, 3), (0, 4)):
        with pytest.raises(UserError, match="image size .* given; expected a whole number"):
            pictures.Resizing.of(size)
    with pytest.raises(UserError, match="unknown resize 'crop'; choose square or stretch"):
        pictures.Resizing.of(4, "crop")
    with pytest.raises(UserError, match="is no square; choose resize 'stretch'"):
        pictures.Resizing.of((4, 5))


def test_records_of_any_picture_are_decoded_alike(tmp_path):
    """A stream of records sees Pillow's bytes, and their images can be scored."""
    from tests.helpers.stream_data import write_records

    names = [name for name in FILES if name not in ("GIF-animated",)]
    write_records(
        tmp_path / "a.tfrecord",
        [{"image": FILES[name], "label": i} for i, name in enumerate(names)],
    )
    stream = data.load_stream(f"records:{tmp_path}", image_size=None, batch_size=1, scaling="unit")
    for x, y in epochs(stream, 0, 1)[0]:
        expected = pictures.decode(io.BytesIO(FILES[names[int(y[0])]]))
        np.testing.assert_array_equal(
            np.rint(x[0] * 255).astype(np.uint8), np.broadcast_to(expected, (13, 17, 3))
        )
    scored = data.as_images(f"records:{tmp_path}")
    assert scored.count == len(names) == len(list(scored.images(lambda image: image, 2)))
