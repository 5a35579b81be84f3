"""From a recipe to data and to a compiled model."""

import dataclasses
import importlib
import inspect

import keras

from improved_gan_tf import networks
from improved_gan_tf.data import Scaling
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.recipe import unknown


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What of the data the networks depend on, where the data themselves are not needed."""

    image_shape: tuple
    num_classes: int


def experiment(recipe):
    """The module of what differs between kinds of recipes: `semi_supervised` or `imagenet`."""
    return importlib.import_module(f"improved_gan_tf.experiments.{recipe.kind}")


def load_data(recipe, data_dir=None):
    """The recipe's data; see `data.load` and, for ImageNet, `data.load_stream` for the errors."""
    return experiment(recipe).load_data(recipe, data_dir)


def value_range(recipe):
    """The generator's values for black and for full brightness."""
    return Scaling(recipe.scaling).range


def build(recipe, data=None, seed=None):
    """A compiled `SemiSupervisedGAN`, or for ImageNet `ImageNetGAN`.

    Args:
        recipe: a `Recipe` or a recipe's name.
        data: what `load_data`, `improved_gan_tf.data.load` or `load_stream` gave. Image shape and
            number of classes are then its, and the data-dependent initialisation is done on its
            `initialization_images`. Without it the networks keep their own default sizes and are
            left uninitialised (`layers.initialize_from_data`), and the learning rate stays
            constant, since it is not known how many steps an epoch has. So are they with `Sizes`
            in its place.
        seed: in place of the recipe's. It also seeds Keras, NumPy and Python's `random`, from
            which the initial weights and the seeds of noise and dropout are drawn.

    Raises:
        UserError: no such recipe, or a network that the given values do not make.
    """
    recipe = recipes.get(recipe)
    seed = recipe.seed if seed is None else seed
    keras.utils.set_random_seed(seed)
    policy = keras.config.dtype_policy()
    if recipe.mixed_precision != "none":
        keras.config.set_dtype_policy(f"mixed_{recipe.mixed_precision}")
    try:
        pair = _networks(recipe, data)
    finally:
        keras.config.set_dtype_policy(policy)
    kind = experiment(recipe)
    gan = kind.model(recipe, pair, seed)
    optimizers = kind.optimizers(recipe, data)
    if recipe.mixed_precision == "float16":
        optimizers = [keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in optimizers]
    kind.compile_model(gan, recipe, optimizers, data)
    return gan


def _networks(recipe, data):
    if recipe.network not in networks.NETWORKS:
        raise unknown("no network", recipe.network, networks.NETWORKS)
    module = networks.NETWORKS[recipe.network]
    generator, discriminator = dict(recipe.generator), dict(recipe.discriminator)
    if data is not None:
        generator["image_shape"] = discriminator["image_shape"] = tuple(data.image_shape)
        discriminator["num_classes"] = data.num_classes
    for name, given in (("generator", generator), ("discriminator", discriminator)):
        known = inspect.signature(getattr(module, name)).parameters
        for key in given:
            if key not in known:
                raise unknown(f"the {recipe.network} {name} has no value", key, known)
    try:
        return module.generator(**generator), module.discriminator(**discriminator)
    except (TypeError, ValueError) as error:
        raise UserError(f"the {recipe.network} networks cannot be made: {error}") from error
