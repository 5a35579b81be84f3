"""The rules of the source tree: which module may import which, and what may stand where."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

PACKAGE = ROOT / "improved_gan_tf"
FILES = sorted(PACKAGE.rglob("*.py"))
# Each room and the rooms that it may import; a top-level file is a room of its own.
ALLOWED = {
    "errors": set(),
    "version": set(),
    "registration": set(),
    "files": {"errors"},
    "limits": {"errors"},
    "numpy_files": {"errors", "limits"},
    "tar_files": {"errors", "limits"},
    "quantities": set(),
    "keras_compat": set(),
    "in_memory": set(),
    "pipelines": set(),
    "random": set(),
    "replicas": set(),
    "losses": set(),
    "optimizers": {"keras_compat"},
    "regularizers": {"keras_compat"},
    "images": {"errors", "files"},
    "export": {"errors", "files", "layers", "networks"},
    "products": {"replicas"},
    "transformations": {"random"},
    "smoothness": {"keras_compat", "losses", "random", "transformations"},
    "layers": {"products", "random", "replicas", "keras_compat"},
    "networks": {"layers", "errors", "keras_compat"},
    "models": {
        "export", "in_memory", "keras_compat", "layers", "losses", "networks", "optimizers",
        "pipelines", "random", "regularizers", "replicas", "smoothness",
    },
    "data": {
        "errors", "files", "images", "in_memory", "limits", "numpy_files", "pipelines", "tar_files",
    },
    "inception": {"errors", "files", "numpy_files", "tar_files"},
    "metrics": {
        "data", "errors", "export", "files", "images", "inception", "numpy_files", "quantities",
        "version",
    },
    "runs": {
        "errors", "files", "images", "keras_compat", "numpy_files", "quantities", "version",
    },
    "progress": {"quantities"},
    "callbacks": {"errors", "files", "images", "progress", "quantities", "runs"},
    "turing_test": {"data", "errors", "files", "images", "numpy_files", "version"},
    "experiments": {
        "callbacks", "data", "errors", "export", "files", "images", "in_memory", "layers", "losses",
        "metrics", "models", "networks", "optimizers", "quantities", "runs", "version",
    },
}  # fmt: skip
WHOLE_PACKAGE = {"cli", "examples", "__main__", "__init__"}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in FILES}


def _imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


GRAPH = {
    name: {found for found in _imports(path) if found in MODULES and found != name}
    for name, path in MODULES.items()
}


def _room(module: str) -> str:
    return (module.split(".") + ["__init__"])[1]


def test_no_two_files_import_each_other():
    """Nor do more of them in a circle. A package's __init__ may gather what its files define."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in GRAPH[name]:
                visit(other, [*path, name])
            done.add(name)

    for name, path in MODULES.items():
        if path.name != "__init__.py":
            visit(name, [])


@pytest.mark.parametrize("room", sorted({_room(name) for name in MODULES} - WHOLE_PACKAGE))
def test_dependencies_point_one_way(room):
    for name, found in GRAPH.items():
        if _room(name) == room:
            rooms = {_room(other) for other in found if other != "improved_gan_tf"} - {room}
            assert rooms <= ALLOWED[room], f"{name} imports {sorted(rooms - ALLOWED[room])}"


@pytest.mark.parametrize(
    "pattern, exceptions",
    [
        (r"isinstance\(recipe", ()),
        (r"importlib\.import_module", ("__init__.py",)),
        (r"getattr\((recipe|data|self\.data|gan), [^)]*None\)", ()),
        (r"\btools/", ()),
        # A private name of an object of Keras or TensorFlow; one's own are on self or cls.
        (
            r"\b(keras|layer|model|optimizer|tf|variable|inner|strategy|discriminator|generator)"
            r"(\.\w+)*\._[a-z]",
            ("keras_compat.py",),
        ),
        (r"from (keras\.src|tensorflow\.python)", ("keras_compat.py",)),
        (r"self\.(_flatten_layers|_layers|_get_variable_index|_maybe_symbolic_build|_kernel)\b",
         ("keras_compat.py",)),
    ],
)  # fmt: skip
def test_what_must_not_stand_in_the_package(pattern, exceptions):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if str(path.relative_to(PACKAGE)) not in exceptions
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, "\n".join(found)


def test_files_are_short():
    folders = (PACKAGE, ROOT / "tests", ROOT / "tools", ROOT / "reference")
    long = {
        str(path.relative_to(ROOT)): count
        for folder in folders
        for path in folder.rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def _public_functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions, and public methods of public classes, with their qualified names."""

    def within(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{prefix}{node.name}", node
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from within(node.body, f"{prefix}{node.name}.")

    yield from within(ast.parse(path.read_text(encoding="utf-8")).body, "")


# Methods that Keras calls: their signatures are Keras' own.
KERAS_METHODS = {
    "add_loss", "build", "call", "compile", "compile_from_config", "compute_output_shape",
    "from_config", "get_compile_config", "get_config", "load_own_variables", "metrics",
    "on_batch_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end",
    "on_train_begin", "on_train_end", "result", "save_own_variables", "test_step", "train_step",
    "update_state", "update_step",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MODULES))
def test_public_functions_have_types(name):
    """Checked by mypy in continuous integration; here, that there is something to check."""
    bare = []
    for function, node in _public_functions(MODULES[name]):
        if node.name in KERAS_METHODS:
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        missing = [
            a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")
        ]
        if missing or node.returns is None:
            bare.append(f"{function}: {', '.join(missing) or 'what it returns'}")
    assert not bare, "\n".join(bare)


def test_public_names_are_documented():
    bare = [
        f"{name}.{node.name}"
        for name, path in MODULES.items()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare


def test_error_lines_have_no_full_stop():
    """A UserError is one line, printed as it is."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError":
                last = node.args[0] if node.args else None
                if isinstance(last, ast.JoinedStr) and last.values:
                    last = last.values[-1]
                if isinstance(last, ast.Constant) and str(last.value).endswith("."):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found
