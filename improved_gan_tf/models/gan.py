"""What the paper's GANs have in common: two networks, an optimizer each, files that keep both."""

import keras
import tensorflow as tf


class GAN(keras.Model):
    """A generator and a discriminator with an optimizer each; the base of the models here.

    A subclass sets `built`, implements `train_step` and `default_optimizer`, and extends `compile`,
    `get_compile_config` and `get_config` by what it adds.

    Args:
        generator: model latent vectors -> images.
        discriminator: model images -> logits.
        seed: of the latent vectors; None draws it from Keras' global seed.

    Attributes:
        latent_range: ends of the latent vectors' uniform distribution.
        REPORTED: names of the reported losses and errors, in the order of the log.

    Raises:
        ValueError: networks that do not fit together.
    """

    latent_range = (0.0, 1.0)
    REPORTED = ()

    def __init__(self, generator, discriminator, seed=None, **kwargs):
        super().__init__(**kwargs)
        if generator.output_shape[1:] != discriminator.input_shape[1:]:
            raise ValueError(
                f"The generator draws images of shape {generator.output_shape[1:]}, but the "
                f"discriminator takes {discriminator.input_shape[1:]}."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.seed = seed

    @staticmethod
    def default_optimizer():
        """A new optimizer, for a player that `compile` is given none for."""
        raise NotImplementedError

    def compile(self, generator_optimizer=None, discriminator_optimizer=None, **kwargs):
        """Sets both optimizers: objects, names or configs; default `default_optimizer`.

        Raises:
            ValueError: one optimizer given for both networks.
        """
        generator_optimizer = self._optimizer(generator_optimizer)
        discriminator_optimizer = self._optimizer(discriminator_optimizer)
        if generator_optimizer is discriminator_optimizer:
            raise ValueError("The generator and the discriminator need an optimizer each.")
        super().compile(optimizer=None, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        # Built now: a state that does not exist when weights are loaded would be left out.
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    def _optimizer(self, optimizer):
        return self.default_optimizer() if optimizer is None else keras.optimizers.get(optimizer)

    @property
    def trains_generator(self):
        """Whether training, as compiled, changes the generator."""
        return True

    def serving_generator(self):
        """The generator as it is exported: an image must not depend on its neighbours."""
        return self.generator

    def get_config(self):
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        networks = {
            name: keras.saving.deserialize_keras_object(config.pop(name), custom_objects)
            for name in ("generator", "discriminator")
        }
        return cls(**networks, **config)

    def get_compile_config(self):
        if not self.compiled:
            return None
        return {
            "generator_optimizer": keras.saving.serialize_keras_object(self.generator_optimizer),
            "discriminator_optimizer": keras.saving.serialize_keras_object(
                self.discriminator_optimizer
            ),
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def full(x):
    """x in float32 at least: losses and means are not for the low type of mixed precision."""
    return tf.cast(x, keras.backend.result_type(x.dtype, "float32"))


def watch(tape, variables):
    """Has the tape record what is done with `variables`; returns their tensors."""
    values = [v.value for v in variables]
    tape.watch(values)
    return values
