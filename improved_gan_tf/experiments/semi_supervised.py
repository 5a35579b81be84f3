"""Training and testing by a `SemiSupervisedRecipe`."""


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
        **test_errors(gan, data),
        "baseline": None,
    }


def test_errors(gan, data):
    """Error rates on the test set with each of three sets of parameters.

    Returns:
        {"test_images": N, "test_error": debiased average, "test_error_original_average": the
        average as the original has it, "test_error_raw": parameters without averaging}, each in
        0 .. 1.
    """
    found = {"test_images": data.num_test}
    chosen = gan.average
    names = {"debiased": "test_error", "original": "test_error_original_average"}
    try:
        for gan.average, name in names.items():
            # The choice is compiled into the test function, so that is made anew.
            gan.make_test_function(force=True)
            logs = gan.evaluate(data.test, verbose=0, return_dict=True)
            # Whole errors over whole images: float32 means are off in the last digits.
            found[name] = round(logs["error"] * data.num_test) / data.num_test
            found["test_error_raw"] = round(logs["error_raw"] * data.num_test) / data.num_test
    finally:
        gan.average = chosen
        gan.make_test_function(force=True)
    return found
