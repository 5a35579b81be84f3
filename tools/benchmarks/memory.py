"""Memory over a long training: a small model, short epochs, everything that a run writes."""

import tempfile

SUMMARY = "growth of the process over a day's steps, with checkpoints, log, grids and TensorBoard"
_POINTS = 10


def add_arguments(parser):
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=14, help="of 1,297 images: 92 steps each")


def run(options):
    """Prints, and returns as a dictionary, what was measured."""
    import keras

    from improved_gan_tf import callbacks, data, experiments

    class Watch(keras.callbacks.Callback):
        sizes: list[float] = []

        def on_epoch_end(self, epoch, logs=None):
            self.sizes.append(_resident())
            if (epoch + 1) % max(1, options.epochs // _POINTS) == 0:
                print(f"epoch {epoch + 1}: {self.sizes[-1]:.1f} MiB", flush=True)

    small = {"generator": {"units": [16, 16]}, "discriminator": {"units": [32, 16]}}
    digits = data.load("digits", batch_size=options.batch_size)
    values = {**small, "batch_size": options.batch_size, "jit_compile": False}
    gan = experiments.build("digits", digits, **values)
    with tempfile.TemporaryDirectory() as folder:
        made = [*callbacks.standard(folder), Watch()]
        gan.fit(
            digits,
            epochs=options.epochs,
            validation_data=digits.test,
            callbacks=made,
            verbose=0,
            shuffle=False,
        )
    # What is made once is there after a twentieth of the epochs.
    first = max(1, options.epochs // 20)
    steps = (options.epochs - first) * digits.steps_per_epoch
    growth = Watch.sizes[-1] - Watch.sizes[first - 1]
    result = {
        "epochs": options.epochs,
        "steps_per_epoch": digits.steps_per_epoch,
        "steps": steps,
        "resident_mib": [round(size, 1) for size in Watch.sizes[first - 1 :: first]],
        "growth_mib": growth,
        "growth_bytes_per_step": growth * 2**20 / steps,
    }
    for name, value in result.items():
        print(f"{name:24s}{value if isinstance(value, list) else f'{value:.6g}'}")
    return result


def _resident():
    """MiB of memory that the process holds (Linux)."""
    with open("/proc/self/status", encoding="ascii") as stream:
        (line,) = (line for line in stream if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
