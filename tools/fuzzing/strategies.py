"""What files are made of: any bytes, damaged copies of valid files, any JSON, any array header."""

import io
import re
import struct
import zipfile
from random import Random

from hypothesis import strategies as st

_INTEGERS = (0, 1, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS = (0, 1, 2, 3, 4, 7, 12, 2**20, 10**12, 2**63, -1, -4)
_SIZES = st.sampled_from(_NUMBERS) | st.integers(-2, 9)


def damaged(valid: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """One of the contents, with up to five changes: bits, bytes, numbers, cuts, copies."""
    return st.builds(_damaged, st.just(valid), st.integers(0, 2**64 - 1))


def _damaged(valid, seed):
    # One drawn number is many times faster than a drawn number for each of these choices.
    random = Random(seed)
    content = bytearray(random.choice(valid))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5))):
        at, length = random.randrange(len(content) + 1), random.randint(1, 40)
        change = random.randrange(9)
        if change == 0 and at < len(content):
            content[at] ^= 1 << random.randrange(8)
        elif change == 1:
            content[at : at + length] = random.randbytes(random.randint(0, 40))
        elif change == 2:
            del content[at:]
        elif change == 3:
            del content[at : at + length]
        elif change == 4:
            content[at:at] = random.randbytes(length)
        elif change == 5:
            content[at:at] = content[at : at + length]
        elif change == 6:
            number, size = random.choice(_INTEGERS), random.choice((2, 4, 8))
            order = random.choice(("little", "big"))
            content[at : at + size] = (number % 256**size).to_bytes(size, order)
        elif change == 7:  # a number in a text
            found = list(re.finditer(rb"\d+", content))
            if found:
                match = random.choice(found)
                content[match.start() : match.end()] = str(random.choice(_NUMBERS)).encode()
        elif change == 8:
            content[at : at + length] = random.randbytes(1) * length
    return bytes(content)


def contents(*valid: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, also after a valid beginning; mostly damaged copies of valid files."""
    begun = st.builds(lambda a, n, b: a[:n] + b, st.sampled_from(valid), st.integers(0, 64),
                      st.binary(max_size=100))  # fmt: skip
    copies = damaged(valid)
    return st.one_of(copies, copies, copies, st.binary(max_size=200), begun)


@st.composite
def array_files(draw) -> bytes:
    """A .npy file with any header, right or forged, and any number of bytes after it."""
    shape = draw(st.lists(_SIZES, max_size=5))
    kinds = "<f4 <f8 |u1 <i4 <i8 >i4 <u8 |b1 <c8 <U3 |S2 |O |V4 <M8[D] <f2 <f16 nonsense".split()
    dtype = draw(st.sampled_from(kinds))
    text = f"{{'descr': {dtype!r}, 'fortran_order': {draw(st.booleans())}, "
    text += f"'shape': ({''.join(f'{n}, ' for n in shape)}), }}"
    if draw(st.integers(0, 9)) == 0:
        text = draw(
            st.sampled_from(("[" * 3000, "(" * 90 + ")" * 90, "{}", text + " " * 70000, ""))
        )
    version = draw(st.sampled_from(((1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (9, 9))))
    header = text.encode() + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", min(len(header), 65535))
    plausible = 1
    for n in shape:
        plausible *= max(min(n, 9), 0)
    length = draw(st.sampled_from((plausible, plausible * 4, plausible * 8, 0, 7)))
    filling = draw(st.sampled_from((b"\0", b"\1", b"\xff", b"\x3f", b"\x7f", b"\xc0\x7f")))
    return b"\x93NUMPY" + bytes(version) + size + header + (filling * min(length, 4096))[:4096]


@st.composite
def archives_of_arrays(draw, names: tuple[str, ...], valid: tuple[bytes, ...] = ()) -> bytes:
    """A .npz file with some of the arrays, each right, forged or anything."""
    content = array_files() | st.binary(max_size=50)
    if valid:
        content = st.one_of(content, st.sampled_from(valid), damaged(valid))
    stream = io.BytesIO()
    method = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in draw(st.lists(st.sampled_from(names), unique=True)):
            archive.writestr(f"{name}.npy", draw(content))
    return stream.getvalue()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@st.composite
def changed_json(draw, valid):
    """A JSON value with up to three of its parts replaced by anything, or removed."""

    def paths(value, here=()):
        yield here
        inner = value.items() if isinstance(value, dict) else ()
        inner = enumerate(value) if isinstance(value, list) else inner
        for key, item in inner:
            yield from paths(item, (*here, key))

    def replaced(value, path, new):
        if not path:
            return new
        copy = dict(value) if isinstance(value, dict) else list(value)
        if new is _REMOVED and len(path) == 1:
            del copy[path[0]]
        else:
            copy[path[0]] = replaced(value[path[0]], path[1:], new)
        return copy

    value = valid
    numbers = st.sampled_from((-1, 0, 1, 2**31, 2**63, 1e400, 0.5, float("nan"), True))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(paths(value))))
        new = draw(st.one_of(JSON, numbers, st.just(_REMOVED)))
        value = replaced(value, path, None if new is _REMOVED and not path else new)
    return value


_REMOVED = object()
