"""Recipes in the user's own Python files: how one is found, executed and described.

Only a file that the user names is executed, or the copy that a run has of it.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.recipe import Recipe

FUNCTIONS = ("generator", "discriminator", "encoder", "data", "losses")
"""The functions that a file may have beside its recipe."""
GROUP = "improved_gan_tf.recipes"
"""The entry points by which an installed package names its recipes."""


class RecipeFile:
    """A Python file with a recipe, executed.

    A function that the file defines is used in place of what the recipe's values name:
    `generator(image_shape)` and `discriminator(image_shape, num_classes)`, which return a
    `keras.Model` and also take the recipe's `generator` and `discriminator` by keyword,
    `encoder(image_shape, latent_dim)` likewise where `encoder_weight` is not 0,
    `data(recipe, data_dir)`, which returns what `data.load` takes or returns, and `losses()`, which
    takes the recipe's `losses` by keyword and returns the generator's objective as
    `SemiSupervisedGAN.compile` takes it.

    Args:
        name: The file as the user named it: a path or package.module:recipe.
        content: The bytes of the file. The same bytes are executed once per process.
        path: The file that errors name.
        package: The package that its relative imports begin in; "" (default): none.
        attribute: The name of the recipe in the file. Default "recipe".

    Attributes:
        recipe: The recipe, as the file has it.
        functions: Those of `FUNCTIONS` that the file defines. Their errors name the file's line.
        sha256: The SHA-256 of the content, in hexadecimal digits.

    Raises:
        UserError: The file raises an error, or has no such recipe.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        path: str | os.PathLike,
        package: str = "",
        attribute: str = "recipe",
    ):
        self.name, self.content, self.path = name, content, str(path)
        self.package, self.attribute = package, attribute
        self.sha256: str = hashlib.sha256(content).hexdigest()
        found = vars(self._execute())
        if attribute not in found:
            raise UserError(f"{path} has no {attribute!r}; expected {attribute} = a Recipe in it")
        self.recipe: Any = found[attribute]
        if not isinstance(self.recipe, Recipe):
            raise UserError(
                f"{attribute} in {path} is a {type(self.recipe).__name__}; expected a recipe, for "
                "example a SemiSupervisedRecipe"
            )
        self.functions: Mapping[str, Callable] = {
            part: self._reporting(part, found[part])
            for part in FUNCTIONS
            # `from improved_gan_tf import data` defines no function.
            if not isinstance(found.get(part), types.ModuleType | None)
        }

    def loaded(self) -> Any:
        """The recipe, which carries the file's code with it."""
        return dataclasses.replace(self.recipe, code=self)

    def described(self) -> dict[str, str]:
        """What config.json says of the file; `RunFolder.code` checks the SHA-256."""
        names = ("name", "package", "attribute", "sha256")
        return {name: getattr(self, name) for name in names}

    def _execute(self) -> types.ModuleType:
        name = f"{__name__}_{self.sha256}_{self.package}"
        if name in sys.modules:
            return sys.modules[name]
        # Classes in the file look their module up there, so that it must be there beforehand.
        module = sys.modules[name] = types.ModuleType(name)
        module.__file__, module.__package__ = self.path, self.package
        try:
            with self.errors():
                exec(compile(self.content, self.path, "exec", dont_inherit=True), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        return module

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns an error of the file's code into a `UserError` that names where it was raised."""
        try:
            yield
        except (Exception, SystemExit) as error:
            line = _line(error, self.path)
            where = f"{self.path}, line {line}" if line else self.path
            what = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            reason = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
            raise UserError(f"{where}: {what}{reason[:300]}".rstrip(" :.")) from error

    def _reporting(self, name: str, function: Any) -> Callable:
        if not callable(function):
            raise UserError(f"{name} in {self.path} is no function; define {name}(), or rename it")

        @functools.wraps(function)
        def reporting(*args: Any, **kwargs: Any) -> Any:
            with self.errors():
                return function(*args, **kwargs)

        return reporting


def _line(error: BaseException, path: str) -> int | None:
    """The last line of the file that an error came through, or where its syntax is wrong."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == path else None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            line = step.tb_lineno
        step = step.tb_next
    return line


def load(name: str) -> Any:
    """Loads the recipe that FILE.py or package.module:recipe names, with its `code`.

    Raises:
        UserError: There is no such file or module; see also `RecipeFile`.
    """
    package, attribute = "", "recipe"
    path = Path(name)
    if not name.endswith(".py"):
        path, package, attribute = _module(name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"no such file: {path}; `improved-gan recipes --new {path}` writes one to begin with"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return RecipeFile(name, content, path, package, attribute).loaded()


def _module(name: str) -> tuple[Path, str, str]:
    """The file of package.module:recipe, its package and the name of the recipe."""
    module, _, attribute = name.partition(":")
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:  # whatever the packages around it raise while they are imported
        raise UserError(f"{name}: {type(error).__name__}: {error}") from error
    if spec is None or not str(spec.origin).endswith(".py"):
        raise UserError(
            f"there is no module {module!r} with a source file; install its package, or name the "
            "recipe by its file: FILE.py"
        )
    return Path(str(spec.origin)), spec.parent or "", attribute or "recipe"


def installed() -> dict[str, str]:
    """The recipes of installed packages, {name: package.module:recipe}; none is executed."""
    from importlib.metadata import entry_points

    return {entry.name: entry.value for entry in entry_points(group=GROUP)}
