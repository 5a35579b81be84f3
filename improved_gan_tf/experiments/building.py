"""From a recipe to data and to a compiled model."""

import keras

from improved_gan_tf import data as data_sets
from improved_gan_tf import networks
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.layers import initialize_from_data
from improved_gan_tf.models import SemiSupervisedGAN
from improved_gan_tf.optimizers import Adam


def load_data(recipe, data_dir=None):
    """The recipe's data; see `improved_gan_tf.data.load`, whose errors it raises."""
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


def build(recipe, data=None, seed=None):
    """A compiled `SemiSupervisedGAN`.

    Args:
        recipe: a `Recipe` or a recipe's name.
        data: what `load_data` or `improved_gan_tf.data.load` gave. Image shape and number of
            classes are then its, and the data-dependent initialisation is done on its
            `initialization_images`. Without it the networks keep their own default sizes and are
            left uninitialised (`layers.initialize_from_data`).
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
        gan = SemiSupervisedGAN(
            *_networks(recipe, data), seed=seed, average_rate=recipe.average_rate
        )
    finally:
        keras.config.set_dtype_policy(policy)
    gan.compile(
        _optimizer(recipe),
        _optimizer(recipe),
        objective=recipe.objective,
        feature_distance=recipe.feature_distance,
        generator_steps=recipe.generator_steps,
        unlabeled_weight=recipe.unlabeled_weight,
        jit_compile=recipe.jit_compile,
    )
    if data is not None:
        initialize_from_data(gan.discriminator, data.initialization_images)
        if recipe.initialize_generator:
            initialize_from_data(gan.generator, gan.latent(recipe.batch_size))
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


def _optimizer(recipe):
    adam = Adam(recipe.learning_rate, beta_1=recipe.beta_1)
    if recipe.mixed_precision == "float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam
