"""A training step of `models.SemiSupervisedGAN` under JAX, as a function of values.

`Players` makes the networks, optimizers and averages of one run; `Step` takes their values to those
after a step, so that `jax.vmap` can map it over several runs. See train_together.py.
"""

from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp

from improved_gan_tf import losses, random, smoothness
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import building
from improved_gan_tf.layers import couples_examples, initialize_from_data
from improved_gan_tf.networks import players
from improved_gan_tf.optimizers import InnerEpsilonAdam, debiased, update_average


class Players:
    """Two networks, their optimizers and the averages: the variables of one run, in a fixed order.

    Args:
        recipe: The recipe; its seed initializes the networks.
        data: The run's data.
    """

    def __init__(self, recipe: Any, data: Any):
        keras.utils.set_random_seed(recipe.seed)
        chosen = building.experiment(recipe)
        self.generator, self.discriminator = chosen.networks(data.image_shape, data.num_classes)
        self.features = players.features(self.discriminator, "features")
        if recipe.initialization != "none":
            initialize_from_data(self.discriminator, data.initialization_images)
        if couples_examples(self.discriminator):
            raise UserError(
                f"{recipe.name}: the discriminator relates the examples of a batch, which is not "
                "supported here; train it with improved-gan train"
            )
        self.latent_shape = players.inputs(self.generator)[0].shape[1:]
        self.seeds = keras.random.SeedGenerator(recipe.seed)
        # The rates are variables that are set before every epoch.
        self.optimizers = [
            InnerEpsilonAdam(1.0, each.beta_1, each.beta_2) for each in chosen.optimizers(None)
        ]
        trained = self.generator.trainable_variables, self.discriminator.trainable_variables
        for optimizer, variables in zip(self.optimizers, trained, strict=True):
            optimizer.build(variables)
        self.averages = [keras.Variable(np.zeros(v.shape, "float32")) for v in trained[1]]
        self.average_steps = keras.Variable(0, dtype="int32")

    @property
    def groups(self) -> dict[str, list[Any]]:
        """The variables by what they are of."""
        states = [*self.generator.non_trainable_variables]
        states += [*self.discriminator.non_trainable_variables, self.seeds.state]
        return {
            "generator": self.generator.trainable_variables,
            "discriminator": self.discriminator.trainable_variables,
            "states": states,
            "generator_optimizer": self.optimizers[0].variables,
            "discriminator_optimizer": self.optimizers[1].variables,
            "averages": [*self.averages, self.average_steps],
        }

    def values(self) -> dict[str, list[Any]]:
        """The values of the variables, by the same names."""
        return {key: [jnp.asarray(v.value) for v in found] for key, found in self.groups.items()}


class Step:
    """A training step of `models.SemiSupervisedGAN`, as a function of values.

    Args:
        made: The networks and optimizers of some run; their values are not used.
        recipe: The recipe of all runs.
    """

    def __init__(self, made: Players, recipe: Any):
        self.made = made
        self.has_entropy = recipe.conditional_entropy > 0
        self.has_transformed = recipe.transformed > 0
        self.rate, self.average_start = recipe.average_rate, recipe.average_start
        self.distance = recipe.feature_distance

    def __call__(self, values: Any, options: Any, batch: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the values after the step, and the losses and the error before it.

        Args:
            values: As `Players.values`.
            options: The run's numbers, by the names of `VARYING`.
            batch: Images and classes as `SemiSupervisedGAN.fit` takes them.
        """
        made = self.made
        slopes, (states, report) = jax.grad(self._discriminator_loss, has_aux=True)(
            values["discriminator"], values, options, batch
        )
        averages = self._averaged(values)
        trained, optimizer = made.optimizers[1].stateless_apply(
            values["discriminator_optimizer"], slopes, values["discriminator"]
        )
        values = values | {
            "states": states,
            "averages": averages,
            "discriminator": trained,
            "discriminator_optimizer": optimizer,
        }
        (loss, states), slopes = jax.value_and_grad(self._generator_loss, has_aux=True)(
            values["generator"], values, batch
        )
        trained, optimizer = made.optimizers[0].stateless_apply(
            values["generator_optimizer"], slopes, values["generator"]
        )
        values |= {"states": states, "generator": trained, "generator_optimizer": optimizer}
        return values, report | {"generator_loss": loss}

    def _scope(self, values: Any, names: Sequence[str] = ()) -> keras.StatelessScope:
        groups = self.made.groups
        pairs = [
            pair
            for key in names or ("generator", "discriminator", "states")
            for pair in zip(groups[key], values[key], strict=True)
        ]
        return keras.StatelessScope(state_mapping=pairs)

    def _states(self, scope: keras.StatelessScope) -> list[Any]:
        return [scope.get_current_value(v) for v in self.made.groups["states"]]

    def _discriminator_loss(self, trained, values, options, batch):
        made, (x, y), u = self.made, batch["labeled"], batch["unlabeled"]
        report = {}

        def discriminator(images):
            return made.discriminator(images, training=True)

        with self._scope(values | {"discriminator": trained}) as scope:
            latents = random.uniform((len(u), *made.latent_shape), made.seeds)
            fake = jax.lax.stop_gradient(made.generator(latents, training=True))
            logits = discriminator(jnp.concatenate([x, u, fake]))
            logits, logits_unlabeled, logits_fake = jnp.split(logits, [len(x), len(x) + len(u)])
            report["supervised_loss"] = losses.supervised(y, logits)
            report["unsupervised_loss"] = losses.unsupervised(logits_unlabeled, logits_fake)
            loss = report["supervised_loss"]
            loss += options["unlabeled_weight"] * report["unsupervised_loss"]
            terms = []
            if self.has_entropy:
                weight = options["conditional_entropy"]
                terms.append(weight * losses.conditional_entropy(logits_unlabeled))
            if self.has_transformed:
                averaged = jax.lax.stop_gradient(self.classified(values, u))
                chosen = ("shift", "zoom", "shear", "threshold")
                found = smoothness.transformed(
                    y,
                    x,
                    u,
                    lambda images: averaged,
                    discriminator,
                    made.seeds,
                    **{name: options[f"transformed_{name}"] for name in chosen},
                )
                terms.append(options["transformed"] * found)
            if terms:
                report["additional_loss"] = sum(terms)
                loss += report["additional_loss"]
            states = self._states(scope)
        report["error"] = losses.error_rate(y, logits)
        return loss, (states, report)

    def _generator_loss(self, trained, values, batch):
        made, v = self.made, batch["unlabeled_generator"]
        with self._scope(values | {"generator": trained}) as scope:
            real = made.features(v, training=True)
            latents = random.uniform((len(v), *made.latent_shape), made.seeds)
            fake = made.features(made.generator(latents, training=True), training=True)
            return losses.feature_matching(real, fake, self.distance), self._states(scope)

    def _averaged(self, values):
        made, (*before, steps) = self.made, values["averages"]
        optimizer = made.optimizers[1]
        index = [v is optimizer.iterations for v in optimizer.variables].index(True)
        begun = values["discriminator_optimizer"][index] >= self.average_start
        with self._scope(values, ("averages", "discriminator")) as scope:
            update_average(made.averages, made.discriminator.trainable_variables, self.rate)
            after = [scope.get_current_value(v) for v in made.averages]
        found = [jnp.where(begun, a, b) for a, b in zip(after, before, strict=True)]
        return [*found, steps + jnp.where(begun, 1, 0)]

    def classified(self, values: Any, images: Any, averaged: bool = True) -> Any:
        """Returns the logits of images by the averaged or the current parameters."""
        made, (*averages, steps) = self.made, values["averages"]
        trained = values["discriminator"]
        if averaged:
            trained = debiased(averages, trained, self.rate, steps)
        with self._scope(values | {"discriminator": trained}):
            return made.discriminator(images, training=False)
