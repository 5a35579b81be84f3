"""What an `ImageNetRecipe` stands for: its data, model, training, testing and results."""

import keras
import tensorflow as tf

from improved_gan_tf import data as data_sets
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import distribution
from improved_gan_tf.models import ImageNetGAN


def load_data(recipe, data_dir):
    """`data.load_stream` by the recipe."""
    return data_sets.load_stream(
        recipe.data,
        image_size=recipe.image_size,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        data_dir=data_dir,
        skip_unreadable=recipe.skip_unreadable,
    )


def model(recipe, pair, seed):
    """The model of the pair (generator, discriminator), not compiled."""
    image_range = data_sets.Scaling(recipe.scaling).range
    return ImageNetGAN(*pair, seed=seed, image_range=image_range, noise=recipe.noise)


def optimizers(recipe, data):
    """[the generator's, the discriminator's]."""
    values = {"beta_1": recipe.beta_1, "epsilon": 1e-8}
    return [keras.optimizers.Adam(recipe.learning_rate, **values) for _ in range(2)]


def compile_model(gan, recipe, optimizers, data):
    """Compiles the model.

    Raises:
        UserError: jit_compile where TensorFlow cannot.
    """
    try:
        gan.compile(
            *optimizers,
            smoothing=recipe.smoothing,
            generator_target=recipe.generator_target,
            jit_compile=recipe.jit_compile,
        )
    except ValueError as error:
        raise UserError(f"{recipe.name}: {error}") from error


def fit(gan, recipe, data, first, callbacks, strategy):
    """Trains from epoch `first` on; see `training.train`.

    Raises:
        WorkerLost: another worker of the cluster has gone.
        UserError: an image or record that cannot be read; its file is named.
    """
    epoch, step = divmod(first * recipe.steps_per_epoch, data.steps_per_epoch)

    def dataset(replicas, workers, worker):
        return data.train(epoch, workers, worker, replicas, step)

    try:
        gan.fit(
            distribution.distributed(strategy, dataset),
            epochs=recipe.epochs,
            initial_epoch=first,
            steps_per_epoch=recipe.steps_per_epoch,
            validation_data=data.test,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        data.check()  # TensorFlow's error names no file, this one does
        raise
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise distribution.WorkerLost(
            "another worker is gone; start every worker again with --resume"
        ) from error


def title(recipe):
    """What the progress bar calls it."""
    return recipe.name


def results(gan, recipe, data, folder):
    """What results.json holds of a finished run: the last row of its log."""
    last = folder.rows()[-1]
    return {
        "recipe": recipe.name,
        "epochs": recipe.epochs,
        "steps": int(last["steps"]),
        "train_images": data.num_train,
        "seconds": round(folder.seconds(), 1),
        **{name: float(last[name]) for name in gan.reported if last[name]},
    }


def trained(results):
    """Lines that tell the results of a run."""
    yield f"running top-1 error of {results['train_images']} images, and the last losses:"
    yield f"  {'top-1 error':22s}{100 * results['running_error']:6.2f} %"
    yield from _losses(results)


def evaluated(found):
    """Lines that tell the error and losses on the held-out images."""
    yield f"  {'top-1 error':22s}{100 * found['error']:6.2f} %"
    yield from _losses(found)


def _losses(values):
    for name in ("real", "fake", "class", "generator"):
        yield f"  {name + ' loss':22s}{values[f'{name}_loss']:8.4f}"


def evaluate(gan, data):
    """Losses and top-1 error on the held-out images, beside generated ones, without noise.

    Raises:
        UserError: the data have no held-out images, or fewer than a batch.
    """
    if data.test is None:
        raise UserError(
            f"{data.name} has no held-out images (or fewer than a batch): expected a test or "
            "validation split, DIR/test or DIR/val"
        )
    logs = gan.evaluate(data.test, verbose=0, return_dict=True)
    return {"test_images": data.num_test // data.batch_size * data.batch_size, **logs}
