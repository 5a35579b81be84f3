"""Samples as pictures. Comparisons are exact: bytes in, bytes out; no arithmetic to round."""

import os

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import images
from improved_gan_tf.errors import UserError
from tests.helpers.full_disk import file_size_limit


@pytest.fixture
def batch():
    """Thirteen distinguishable grey images of 3 x 4 pixels."""
    return np.random.RandomState(0).randint(0, 256, (13, 3, 4, 1)).astype(np.uint8)


@pytest.mark.parametrize(
    "scale, low, high",
    [
        (lambda x: x / np.float32(255), 0, 1),
        (lambda x: (x - np.float32(127.5)) / np.float32(127.5), -1, 1),
        (lambda x: (x - np.float32(127.5)) / np.float32(128), -127.5 / 128, 127.5 / 128),
        (lambda x: x.astype(np.float16) / np.float16(255), 0, 1),
        (lambda x: x.astype(np.float64) / 255, 0, 1),
        (lambda x: x, 0, 255),
    ],
)
def test_bytes_survive_the_scaling_of_every_recipe(scale, low, high):
    every_byte = np.arange(256, dtype=np.uint8)
    result = images.to_uint8(scale(every_byte), low, high)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, every_byte)


def test_to_uint8_rounds_to_the_nearest_and_clips():
    result = images.to_uint8([[-1.01, -1, 0.999, 1.01], [0.0 + 1 / 255, -1 / 3, 1 / 3, 1]], -1, 1)
    np.testing.assert_array_equal(result, [[0, 0, 255, 255], [128, 85, 170, 255]])


@pytest.mark.parametrize(
    "values, low, high, message",
    [
        ([0.5, np.nan, np.inf], 0, 1, "2 of 3 image values are NaN or infinite"),
        ([-1.0, 1.0], 0, 1, "run from -1 to 1, beyond the stated range 0..1"),
        ([200], 0, 1, "run from 0 to 200"),
        ([0.5], 1, 1, "low < high"),
        ([0.5], 0, np.inf, "low < high"),
    ],
)
def test_to_uint8_refuses(values, low, high, message):
    with pytest.raises(UserError, match=message):
        images.to_uint8(values, low, high)


def test_enlarging_repeats_pixels(batch):
    large = images.enlarge(batch, 3)
    assert large.shape == (13, 9, 12, 1)
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(large[:, row::3, column::3], batch)


@pytest.mark.parametrize("side, enlarged", [(8, 56), (28, 56), (32, 64), (64, 64), (128, 128)])
def test_small_images_become_comfortable(side, enlarged):
    assert images.enlarge(np.zeros((1, side, side, 3), np.uint8)).shape[1:] == (enlarged,) * 2 + (
        3,
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_holds_every_image_in_reading_order(channels):
    batch = np.random.RandomState(1).randint(0, 256, (13, 3, 4, channels)).astype(np.uint8)
    picture = images.grid(batch, columns=5, factor=2, margin=1)
    assert picture.shape == (3 * 7 + 1, 5 * 9 + 1, channels) and picture.dtype == np.uint8
    lines = np.ones(picture.shape[:2], bool)
    for place in range(15):
        top, left = 1 + place // 5 * 7, 1 + place % 5 * 9
        cell = picture[top : top + 6, left : left + 8]
        if place < 13:
            np.testing.assert_array_equal(cell[::2, ::2], batch[place])
            lines[top : top + 6, left : left + 8] = False
    assert np.all(picture[lines] == images.MARGIN_LEVEL)  # lines and the two vacant places


@pytest.mark.parametrize(
    "count, columns",
    [(1, 1), (2, 2), (3, 3), (7, 3), (10, 5), (13, 4), (16, 4), (50, 10), (100, 10)],
)
def test_grid_chooses_a_shape_without_vacant_places(count, columns):
    picture = images.grid(np.zeros((count, 4, 4, 1), np.uint8), factor=1, margin=0)
    assert picture.shape == (4 * -(-count // columns), 4 * columns, 1)


def test_grids_keep_a_size_that_fits_a_screen():
    assert images.grid(np.zeros((100, 8, 8, 1), np.uint8)).shape == (637, 637, 1)
    assert max(images.grid(np.zeros((2500, 28, 28, 1), np.uint8)).shape) < 1600


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((2, 3, 4)), "expected images of shape"),
        (np.zeros((2, 1, 3, 4), np.uint8), "expected images of shape"),
        (np.zeros((0, 3, 4, 1), np.uint8), "no images"),
        (np.zeros((2, 3, 4, 1), np.float32), "to_uint8"),
    ],
)
def test_other_arrays_are_refused(bad, message, tmp_path):
    for use in (
        images.grid,
        images.enlarge,
        lambda x: images.save_folder(tmp_path / "new", x),
        lambda x: images.save_npz(tmp_path / "new.npz", x),
        lambda x: images.save_gif(tmp_path / "new.gif", x),
    ):
        with pytest.raises(UserError, match=message):
            use(bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"columns": 0}, {"columns": 2.5}, {"factor": 0}, {"margin": -1}]
)
def test_grid_refuses_strange_numbers(batch, options):
    with pytest.raises(UserError, match="whole number"):
        images.grid(batch, **options)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_round_trip(tmp_path, channels):
    picture = np.random.RandomState(2).randint(0, 256, (5, 7, channels)).astype(np.uint8)
    path = images.save_png(tmp_path / "a" / "b.png", picture)
    with Image.open(path) as image:
        assert image.mode == ("L" if channels == 1 else "RGB")
        np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)
    images.save_png(path, picture[:2])
    with Image.open(path) as image:
        assert image.size == (7, 2)
    assert os.listdir(tmp_path / "a") == ["b.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path, batch, monkeypatch):
    path = images.save_npz(tmp_path / "x.npz", batch)
    before = path.read_bytes()

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(UserError, match="No space left on device") as caught:
        images.save_npz(path, batch)
    assert caught.value.__cause__.errno == 28
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.npz"]


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path, batch):
    (tmp_path / "file").write_text("")
    for save in (images.save_npz, images.save_gif, images.save_folder):
        with pytest.raises(UserError, match="cannot write") as caught:
            save(tmp_path / "file" / "x", batch)
        assert "\n" not in str(caught.value)


def test_folder_holds_every_image_at_its_own_size(tmp_path, batch):
    paths = images.save_folder(tmp_path / "deep" / "samples", batch)
    assert [path.name for path in paths] == [f"{k:05d}.png" for k in range(13)]
    assert sorted(os.listdir(tmp_path / "deep" / "samples")) == [path.name for path in paths]
    for path, expected in zip(paths, batch, strict=True):
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), expected[..., 0])
    assert os.listdir(tmp_path / "deep") == ["samples"]


def test_folder_in_use_is_refused_and_untouched(tmp_path, batch):
    (tmp_path / "empty").mkdir()
    assert len(images.save_folder(tmp_path / "empty", batch)) == 13
    with pytest.raises(UserError, match="not empty"):
        images.save_folder(tmp_path / "empty", batch[:2])
    assert len(os.listdir(tmp_path / "empty")) == 13
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="is a file"):
        images.save_folder(tmp_path / "file", batch)
    assert (tmp_path / "file").read_text() == "kept"


def test_folder_interrupted_leaves_nothing(tmp_path, batch, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        images.save_folder(tmp_path / "samples", batch)
    assert os.listdir(tmp_path) == []


def test_npz_round_trip(tmp_path, batch):
    latents = np.random.RandomState(3).uniform(size=(13, 5)).astype(np.float32)
    path = images.save_npz(tmp_path / "samples.npz", batch, latents=latents)
    with np.load(path) as archive:
        assert sorted(archive) == ["images", "latents"]
        np.testing.assert_array_equal(archive["images"], batch)
        np.testing.assert_array_equal(archive["latents"], latents)
    with pytest.raises(UserError, match="'labels' of shape .2,."):
        images.save_npz(path, batch, labels=[1, 2])


def test_latent_path_passes_through_its_keypoints():
    keypoints = np.random.RandomState(4).uniform(size=(3, 2, 5)).astype(np.float32)
    closed = images.latent_path(keypoints, 4)
    assert closed.shape == (12, 2, 5) and closed.dtype == np.float32
    np.testing.assert_array_equal(closed[::4], keypoints)
    # The midpoint is one rounding of float32 away from its formula: 6e-8 near 1.
    np.testing.assert_allclose(closed[10], (keypoints[2] + keypoints[0]) / 2, atol=1e-7)
    opened = images.latent_path(keypoints, 4, closed=False)
    np.testing.assert_array_equal(opened, np.concatenate([closed[:8], keypoints[2:]]))
    assert closed.min() >= keypoints.min() and closed.max() <= keypoints.max()
    with pytest.raises(UserError, match="two latent vectors"):
        images.latent_path(keypoints[:1], 4)
    with pytest.raises(UserError, match="whole number from 1 up"):
        images.latent_path(keypoints, 0)


def read_gif(path):
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        frames, durations = [], []
        for frame in range(image.n_frames):
            image.seek(frame)
            durations.append(image.info["duration"])
            frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames), durations


def test_grey_gif_loses_nothing(tmp_path):
    frames = np.random.RandomState(5).randint(0, 256, (6, 9, 8, 1)).astype(np.uint8)
    path = images.save_gif(tmp_path / "walk.gif", frames, frames_per_second=20, factor=2)
    result, durations = read_gif(path)
    np.testing.assert_array_equal(result, np.repeat(images.enlarge(frames, 2), 3, axis=-1))
    assert durations == [50] * 6


def test_gif_of_grids_in_colour(tmp_path):
    # 4 frames of 2 images, each of one of 8 plain colours: few enough for the palette to be exact
    # up to the median cut's own rounding.
    colours = np.random.RandomState(6).randint(0, 256, (4, 2, 1, 1, 3)).astype(np.uint8)
    frames = np.broadcast_to(colours, (4, 2, 6, 6, 3))
    path = images.save_gif(tmp_path / "walk.gif", frames, columns=2, factor=1)
    result, durations = read_gif(path)
    assert result.shape == (4, 8, 15, 3) and len(durations) == 4
    expected = np.stack([images.grid(frame, columns=2, factor=1) for frame in frames])
    assert np.abs(result.astype(int) - expected).max() <= 4


def test_gif_refuses_an_impossible_rate(tmp_path, batch):
    with pytest.raises(UserError, match="1..50"):
        images.save_gif(tmp_path / "walk.gif", batch, frames_per_second=60)


@pytest.mark.parametrize(
    "write",
    [
        lambda place, found: images.save_png(place / "a.png", images.grid(found)),
        lambda place, found: images.save_gif(place / "a.gif", found),
        lambda place, found: images.save_npz(place / "a.npz", found),
        lambda place, found: images.save_folder(place / "a", found),
    ],
    ids=["png", "gif", "npz", "folder"],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, write):
    noise = np.random.RandomState(0).randint(0, 256, (5, 40, 40, 3)).astype(np.uint8)
    with file_size_limit(2000), pytest.raises(UserError, match=r"cannot write .*a(\.\w+)?: File"):
        write(tmp_path, noise)
    assert not os.listdir(tmp_path)
