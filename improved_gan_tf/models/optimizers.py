"""Both optimizers of a GAN as the one that callbacks of Keras read and set."""

import math
from typing import Any

import keras


class BothOptimizers:
    """`gan.optimizer`: the learning rate of both players as one value.

    It is the discriminator's. Setting it multiplies the rate of every player in `players` by the
    same factor, so that two rates keep their ratio.

    Args:
        generator, discriminator: The optimizers.

    Attributes:
        players: Whose rate is set: ("generator", "discriminator") by default, or one of them, as
            in `gan.optimizer.players = ("discriminator",)`.
        built: Whether both have their variables: always true.

    Example:
    >>> pair = BothOptimizers(keras.optimizers.SGD(0.4), keras.optimizers.SGD(0.2))
    >>> pair.learning_rate = 0.1
    >>> [round(float(each.learning_rate), 3) for each in (pair.generator, pair.discriminator)]
    [0.2, 0.1]
    """

    built = True

    def __init__(self, generator: Any, discriminator: Any):
        self.generator = generator
        self.discriminator = discriminator
        self.players: tuple[str, ...] = ("generator", "discriminator")

    def _optimizers(self) -> list[Any]:
        pair = {"generator": self.generator, "discriminator": self.discriminator}
        unknown = set(self.players) - set(pair)
        if unknown or not self.players:
            raise ValueError(f"players must be of generator, discriminator, not {self.players!r}")
        return [pair[name] for name in self.players]

    @property
    def learning_rate(self) -> Any:
        """The discriminator's rate, or that of the one player in `players`."""
        return self._optimizers()[-1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        optimizers = self._optimizers()
        rates = [float(keras.ops.convert_to_numpy(x.learning_rate)) for x in optimizers]
        for optimizer, rate in zip(optimizers, rates, strict=True):
            ratio = rate / rates[-1] if rates[-1] else 1.0
            new = float(value) * (ratio if math.isfinite(ratio) and ratio else 1.0)
            try:
                optimizer.learning_rate = new
            except TypeError as error:
                raise ValueError(
                    "the learning rate follows a schedule and cannot be set by a callback; compile "
                    "with optimizers of constant rate"
                ) from error

    @property
    def iterations(self) -> Any:
        """The discriminator's count of updates."""
        return self.discriminator.iterations

    @property
    def variables(self) -> list[Any]:
        """The variables of both."""
        return [*self.generator.variables, *self.discriminator.variables]
