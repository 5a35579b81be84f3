"""Training and testing by an `ImageNetRecipe`."""

import tensorflow as tf

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import distribution


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
        **{name: float(last[name]) for name in gan.REPORTED if last[name]},
    }


def test_losses(gan, data):
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
