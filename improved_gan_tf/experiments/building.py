"""From a recipe to data and to a compiled model."""

import dataclasses

import keras

from improved_gan_tf import data as data_sets
from improved_gan_tf import networks
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.recipes import ImageNetRecipe
from improved_gan_tf.layers import initialize_from_data
from improved_gan_tf.models import ImageNetGAN, SemiSupervisedGAN
from improved_gan_tf.optimizers import Adam, FinalDecay


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What of the data the networks depend on, where the data themselves are not needed."""

    image_shape: tuple
    num_classes: int


def load_data(recipe, data_dir=None):
    """The recipe's data; see `data.load` and, for ImageNet, `data.load_stream` for the errors."""
    if isinstance(recipe, ImageNetRecipe):
        return data_sets.load_stream(
            recipe.data,
            image_size=recipe.image_size,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            data_dir=data_dir,
            skip_unreadable=recipe.skip_unreadable,
        )
    # Minibatch features grow with the rows of a batch: tested at the size they were trained at.
    coupled = bool(recipe.discriminator.get("minibatch_kernels"))
    return data_sets.load(
        recipe.data,
        recipe.labels_per_class,
        seed=recipe.seed,
        seed_data=recipe.seed_data,
        batch_size=recipe.batch_size,
        data_dir=data_dir,
        scaling=recipe.scaling,
        initialization=recipe.initialization,
        initialization_size=recipe.initialization_size,
        labels_file=recipe.labels_file,
        balance=recipe.balance,
        test_batch_size=recipe.batch_size if coupled else 500,
    )


def value_range(recipe):
    """The generator's values for black and for full brightness."""
    name = "symmetric" if isinstance(recipe, ImageNetRecipe) else recipe.scaling
    return data_sets.Scaling(name).range


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
    if isinstance(recipe, str):
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
    if isinstance(recipe, ImageNetRecipe):
        return _imagenet(recipe, pair, seed)
    return _semi_supervised(recipe, pair, data, seed)


def _semi_supervised(recipe, pair, data, seed):
    gan = SemiSupervisedGAN(*pair, seed=seed, average_rate=recipe.average_rate)
    trains = hasattr(data, "steps_per_epoch")
    steps = data.steps_per_epoch if trains else None
    gan.compile(
        _scaled(_adam(recipe, steps, recipe.generator_steps), recipe),
        _scaled(_adam(recipe, steps), recipe),
        objective=recipe.objective,
        feature_distance=recipe.feature_distance,
        generator_steps=recipe.generator_steps,
        unlabeled_weight=recipe.unlabeled_weight,
        jit_compile=recipe.jit_compile,
    )
    if trains:
        initialize_from_data(gan.discriminator, data.initialization_images)
        if recipe.initialize_generator:
            initialize_from_data(gan.generator, gan.latent(recipe.batch_size))
    return gan


def _imagenet(recipe, pair, seed):
    gan = ImageNetGAN(*pair, seed=seed, noise=recipe.noise)
    optimizers = (
        keras.optimizers.Adam(recipe.learning_rate, beta_1=recipe.beta_1, epsilon=1e-8)
        for _ in pair
    )
    try:
        gan.compile(
            *(_scaled(optimizer, recipe) for optimizer in optimizers),
            smoothing=recipe.smoothing,
            generator_target=recipe.generator_target,
            jit_compile=recipe.jit_compile,
        )
    except ValueError as error:  # jit_compile where TensorFlow cannot
        raise UserError(f"{recipe.name}: {error}") from error
    return gan


def _networks(recipe, data):
    module = getattr(networks, recipe.network, None)
    if module is None:
        known = ", ".join(networks.__all__)
        raise UserError(f"no network {recipe.network!r}; choose one of {known}")
    generator, discriminator = dict(recipe.generator), dict(recipe.discriminator)
    if data is not None:
        generator["image_shape"] = discriminator["image_shape"] = data.image_shape
        discriminator["num_classes"] = data.num_classes
    try:
        return module.generator(**generator), module.discriminator(**discriminator)
    except (TypeError, ValueError) as error:
        raise UserError(f"the {recipe.network} networks cannot be made: {error}") from error


def _adam(recipe, steps_per_epoch, updates=1):
    """Adam by the recipe, for a network that is updated `updates` times a step of training."""
    rate = recipe.learning_rate
    if recipe.learning_rate_decay:
        steps = None if steps_per_epoch is None else updates * steps_per_epoch
        rate = FinalDecay(rate, steps, recipe.epochs, recipe.learning_rate_decay)
    return Adam(rate, beta_1=recipe.beta_1)


def _scaled(optimizer, recipe):
    if recipe.mixed_precision == "float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
