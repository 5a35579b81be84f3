"""Files of weights: every format gives the same arrays, and no other file is accepted."""

import json
import tarfile
import zipfile

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception import graph_def, names, network, pth, published, weights
from improved_gan_tf.inception.random_weights import random_weights
from tests.helpers import pth_writer


@pytest.fixture(scope="module")
def arrays():
    return random_weights(1, random_gamma=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, arrays):
    """The same arrays in every kind of file."""
    folder = tmp_path_factory.mktemp("weights")
    state = {
        other: pth_writer.to_pytorch(arrays[name]) for name, other in names.pytorch_names().items()
    }
    pth_writer.write(folder / "zip.pth", state)
    pth_writer.write(folder / "legacy.pth", state, legacy=True)
    graph_def.write_graph(folder / published.GRAPH_FILE, arrays)
    with tarfile.open(folder / "archive.tgz", "w:gz", compresslevel=0) as archive:
        archive.add(folder / published.GRAPH_FILE, arcname=f"./{published.GRAPH_FILE}")
    weights.save_weights(folder / "own.npz", arrays)
    return folder


KINDS = ("zip.pth", "legacy.pth", published.GRAPH_FILE, "archive.tgz", "own.npz")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_arrays(folder, arrays, kind):
    found = weights.load_weights(folder / kind, check=False)
    assert list(found) == list(network.parameters())
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert not found.published and found.digest
    assert weights.fingerprint(found) == weights.fingerprint(arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_not_the_published_ones_are_refused(folder, kind):
    with pytest.raises(UserError, match="published file of Inception weights.*any-weights"):
        weights.load_weights(folder / kind)


def test_a_published_file_is_recognized_by_its_hash(folder, monkeypatch):
    digest = published.file_hash(folder / "zip.pth")
    monkeypatch.setattr(published, "PTH_SHA256", digest)
    monkeypatch.setenv(published.VARIABLE, str(folder / "zip.pth"))
    found = weights.load_weights()
    assert found.published and found.digest == f"sha256:{digest}"
    graph = published.GRAPH_FILE
    digest = published.graph_hash((folder / graph).read_bytes())
    monkeypatch.setattr(published, "GRAPH_MD5", digest)
    for kind in (graph, "archive.tgz"):
        found = weights.load_weights(folder / kind)
        assert found.published and found.digest == f"md5:{digest}"


def _with_statement(path, arrays, **about):
    """Our own format with forged notes."""
    about = {"format": weights._FORMAT, "fingerprint": weights.fingerprint(arrays), **about}
    np.savez(path, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


def test_our_own_format_is_never_published(folder, monkeypatch, tmp_path, arrays):
    """Neither when it was made from a published file, nor when it says so itself."""
    digest = published.file_hash(folder / "zip.pth")
    monkeypatch.setattr(published, "PTH_SHA256", digest)
    found = weights.load_weights(folder / "zip.pth")
    weights.save_weights(tmp_path / "own.npz", found)
    _with_statement(tmp_path / "forged.npz", arrays, published=True, digest=f"sha256:{digest}")
    for name in ("own.npz", "forged.npz"):
        with pytest.raises(UserError, match="cannot prove .*fingerprint.*any-weights"):
            weights.load_weights(tmp_path / name)
        again = weights.load_weights(tmp_path / name, check=False)
        assert not again.published
        assert again.digest == f"arrays:{weights.fingerprint(found)}"


@pytest.mark.parametrize("kind", ["own.npz", "zip.pth"])
def test_an_expected_fingerprint_takes_the_place_of_the_hash(folder, arrays, kind):
    expected = weights.fingerprint(arrays)
    found = weights.load_weights(folder / kind, fingerprint=expected)
    assert not found.published
    np.testing.assert_array_equal(found["softmax/biases"], arrays["softmax/biases"])
    for check in (True, False):
        with pytest.raises(UserError, match=f"of the fingerprint {expected}, not 00"):
            weights.load_weights(folder / kind, check, fingerprint="00")


@pytest.mark.parametrize("about", [b"[1]", b"[" * 100_000, b"\xff", b"{}"])
def test_our_own_format_with_other_notes(tmp_path, about):
    np.savez(tmp_path / "x.npz", about=np.frombuffer(about, np.uint8))
    with pytest.raises(UserError, match="damaged or not a file of Inception weights"):
        weights.load_weights(tmp_path / "x.npz", check=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", (0.999, 0.01))
def test_truncated_files_are_never_used(folder, tmp_path, kind, part):
    data = (folder / kind).read_bytes()
    path = tmp_path / kind
    path.write_bytes(data[: int(part * len(data))])
    for check in (True, False):
        with pytest.raises(UserError) as error:
            weights.load_weights(path, check=check)
        assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_one_changed_bit_of_our_own_format_is_noticed(folder, tmp_path):
    data = bytearray((folder / "own.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "own.npz").write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        weights.load_weights(tmp_path / "own.npz", check=False)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    """The file names os.system: reading it fails before anything is called."""
    marker = tmp_path / "ran"
    call = b"cos\nsystem\n" + b"(" + pth_writer._text(f"touch {marker}") + b"tR"
    for legacy in (False, True):
        path = pth_writer.write(
            tmp_path / "evil.pth",
            {"a": np.zeros(3)},
            legacy,
            extra=pth_writer._text("b") + call,
        )
        with pytest.raises(UserError, match=r"it names os\.system"):
            pth.read(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "value, reason",
    [
        (b"Nr\xff\xff\xff\xff", None),  # Python's own interpreter would take 64 GB for this memo
        (b")" + b"q\x070h\x07h\x07\x86" * 40, "the operation POP"),
        (b")" + 60 * b"q\x07h\x07\x86" + b"N", "a key of type tuple"),  # 2^60 steps to hash it
        (b"}\x5d}s", "a key of type list"),
        (b"}Nb" * 400_000, "more operations than any file of weights needs"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "missing"),
    ],
)
def test_pickles_that_would_take_memory_or_time(tmp_path, value, reason):
    extra = value if reason and "key of type tuple" in reason else pth_writer._text("b") + value
    path = pth_writer.write(tmp_path / "evil.pth", {"a": np.zeros(3)}, extra=extra)
    if reason is None:
        assert list(pth.read(path)) == ["a"]
        return
    with pytest.raises(UserError, match=reason) as caught:
        pth.read(path)
    assert len(str(caught.value)) < 500


def test_tensors_beyond_their_storage_are_refused(tmp_path):
    shape = pth_writer._tuple(pth_writer._number(4), pth_writer._number(5))
    larger = pth_writer._tuple(pth_writer._number(400), pth_writer._number(5))
    pairs = [("a", np.zeros((4, 5), np.float32))]
    pickled = pth_writer.state_pickle(pairs, False).replace(shape, larger, 1)
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", pickled)
        archive.writestr("w/data/0", np.zeros(20, "<f4").tobytes())
    with pytest.raises(UserError, match="beyond its storage"):
        pth.read(path)


def test_pytorch_reads_what_the_tests_write_and_the_reverse(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    state = {"x": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "y": np.float32([1, 2])}
    for legacy in (False, True):
        path = pth_writer.write(tmp_path / "ours.pth", state, legacy)
        for name, value in torch.load(path, weights_only=True).items():
            np.testing.assert_array_equal(value.numpy(), state[name])
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        tensors["view"] = tensors["x"][:, 1:].transpose(0, 2)
        tensors["count"] = torch.tensor(7)
        torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
        found = pth.read(path)
        assert set(found) == set(tensors)
        for name, value in found.items():
            np.testing.assert_array_equal(value, tensors[name].numpy())


def test_graphs_of_the_original_s_time(arrays):
    """Constants as lists, one value for all, and a batch normalization that ignores its gamma."""
    graph = graph_def.graph_def(arrays)
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    gamma = constants["conv/batchnorm/gamma"].attr["value"].tensor
    gamma.tensor_content = b""
    gamma.float_val.append(1.5)
    beta = constants["conv/batchnorm/beta"].attr["value"].tensor
    beta.tensor_content = b""
    beta.float_val.extend(arrays["conv/batchnorm/beta"].tolist())
    for node in graph.node:
        if node.name == "conv_1/batchnorm":
            node.op = "BatchNormWithGlobalNormalization"
            node.attr["scale_after_normalization"].b = False
    found = graph_def.read(graph.SerializeToString(), "test")
    assert (found["conv/batchnorm/gamma"] == 1.5).all()
    np.testing.assert_array_equal(found["conv/batchnorm/beta"], arrays["conv/batchnorm/beta"])
    assert (found["conv_1/batchnorm/gamma"] == 1).all()


def test_other_files_and_other_networks(tmp_path, arrays):
    with pytest.raises(UserError, match="no such file"):
        weights.load_weights(tmp_path / "absent.pb")
    with pytest.raises(UserError, match="is a folder"):
        weights.load_weights(tmp_path)
    (tmp_path / "x.pb").write_text("<html>not found</html>" * 10)
    with pytest.raises(UserError, match="not a complete GraphDef|lacks 472"):
        weights.load_weights(tmp_path / "x.pb", check=False)
    few = {other: np.zeros(3) for other in ("fc.bias", "fc.weight")}
    pth_writer.write(tmp_path / "x.pth", {"fc.weight": few["fc.weight"]})
    with pytest.raises(UserError, match="lacks 471 of the network's 472 arrays"):
        weights.load_weights(tmp_path / "x.pth", check=False)
    pth_writer.write(tmp_path / "x.pth", {o: np.zeros(3) for o in names.pytorch_names().values()})
    with pytest.raises(UserError, match="another network"):
        weights.load_weights(tmp_path / "x.pth", check=False)
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(UserError, match="not a file of Inception weights"):
        weights.load_weights(tmp_path / "x.npz", check=False)
    with pytest.raises(UserError, match="not finite"):
        weights.save_weights(
            tmp_path / "y.npz", {**arrays, "conv/batchnorm/beta": np.full(32, np.nan)}
        )
    assert not (tmp_path / "y.npz").exists()
