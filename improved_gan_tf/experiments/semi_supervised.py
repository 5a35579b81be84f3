"""What a `SemiSupervisedRecipe` stands for: its data, model, training, testing and results."""

from improved_gan_tf import data as data_sets
from improved_gan_tf.errors import UserError
from improved_gan_tf.layers import initialize_from_data
from improved_gan_tf.models import SemiSupervisedGAN
from improved_gan_tf.optimizers import FinalDecay, InnerEpsilonAdam


def load_data(recipe, data_dir):
    """`data.load` by the recipe."""
    if recipe.name == "mnist-custom-labels" and recipe.labels_file is None:
        raise UserError(f"{recipe.name} needs a file of labels: --labels-file FILE")
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
        image_size=recipe.image_size,
        test_batch_size=recipe.batch_size if coupled else 500,
    )


def model(recipe, pair, seed):
    """The model of the pair (generator, discriminator), not compiled."""
    image_range = data_sets.Scaling(recipe.scaling).range
    rate = recipe.average_rate
    return SemiSupervisedGAN(*pair, seed=seed, image_range=image_range, average_rate=rate)


def optimizers(recipe, data):
    """[the generator's, the discriminator's]; constant rates where the steps are not known."""
    steps = getattr(data, "steps_per_epoch", None)
    return [_adam(recipe, steps, recipe.generator_steps), _adam(recipe, steps, 1)]


def compile_model(gan, recipe, optimizers, data):
    """Compiles the model, and initialises it from the data where these are there."""
    gan.compile(
        *optimizers,
        objective=recipe.objective,
        feature_distance=recipe.feature_distance,
        generator_steps=recipe.generator_steps,
        unlabeled_weight=recipe.unlabeled_weight,
        jit_compile=recipe.jit_compile,
    )
    images = getattr(data, "initialization_images", None)
    if images is not None:
        initialize_from_data(gan.discriminator, images)
        if recipe.initialize_generator:
            initialize_from_data(gan.generator, gan.latent(recipe.batch_size))


def _adam(recipe, steps_per_epoch, updates):
    """Adam by the recipe, for a network that is updated `updates` times a step of training."""
    rate = recipe.learning_rate
    if recipe.learning_rate_decay:
        steps = None if steps_per_epoch is None else updates * steps_per_epoch
        rate = FinalDecay(rate, steps, recipe.epochs, recipe.learning_rate_decay)
    return InnerEpsilonAdam(rate, beta_1=recipe.beta_1)


def fit(gan, recipe, data, first, callbacks, strategy=None):
    """Trains from epoch `first` on; see `training.train`."""
    data.start_epoch = first
    gan.fit(
        data.train,
        epochs=recipe.epochs,
        initial_epoch=first,
        validation_data=data.test,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
    )


def title(recipe):
    """What the progress bar calls it."""
    supervised = recipe.objective == "supervised"
    return "the same classifier, labels alone" if supervised else recipe.name


def results(gan, recipe, data, folder):
    """What results.json holds of a finished run."""
    return {
        "recipe": recipe.name,
        "objective": recipe.objective,
        "epochs": recipe.epochs,
        "steps": recipe.epochs * data.steps_per_epoch,
        "labels": len(data.labeled_indices),
        "seconds": round(folder.seconds(), 1),
        **evaluate(gan, data),
        "baseline": None,
    }


def trained(results):
    """Lines that tell the results of a run."""
    images, labels = results["test_images"], results["labels"]
    yield f"error on {images} test images with {labels} labels, parameters averaged (and not):"
    rows = [("semi-supervised GAN", results), ("labelled images only", results["baseline"])]
    if results["objective"] == "supervised":
        rows = [("labelled images only", results)]
    for name, row in rows:
        if row is not None:
            averaged, current = 100 * row["test_error"], 100 * row["test_error_current"]
            yield f"  {name:22s}{averaged:6.2f} % ({current:6.2f} %)"


def evaluated(found):
    """Lines that tell the errors on the test set."""
    for name, key in (
        ("averaged parameters", "test_error"),
        ("the original's average", "test_error_original_average"),
        ("current parameters", "test_error_current"),
    ):
        count = round(found[key] * found["test_images"])
        yield f"  {name:24s}{100 * found[key]:6.2f} %  ({count} errors)"


def evaluate(gan, data):
    """Error rates on the test set with each of three sets of parameters.

    Returns:
        {"test_images": N, "test_error": debiased average, "test_error_original_average": the
        average as the original has it, "test_error_current": parameters without averaging}, each in
        0 .. 1.
    """
    found = gan.error_rates(data.test)
    return {"test_images": found.pop("images"), **{f"test_{k}": v for k, v in found.items()}}
