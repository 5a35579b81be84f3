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
from improved_gan_tf.experiments import building
from improved_gan_tf.layers import couples_examples, walk
from improved_gan_tf.networks import players
from improved_gan_tf.optimizers import InnerEpsilonAdam, debiased, update_average


class Players:
    """Two networks, their optimizers and the averages: the variables of one run, in a fixed order.

    Args:
        recipe: The recipe; its seed initializes the networks.
        data: The run's data.

    Attributes:
        couples_examples: Whether an output of the discriminator depends on other examples.
        convolutional: Whether the discriminator has a convolution.
    """

    def __init__(self, recipe: Any, data: Any):
        keras.utils.set_random_seed(recipe.seed)
        chosen = building.experiment(recipe)
        shapes = data.image_shape, data.num_classes
        self.generator, self.discriminator = building.networks(chosen, *shapes)
        self.features = players.features(self.discriminator, "features")
        self.couples_examples = couples_examples(self.discriminator)
        layers = walk(self.discriminator)
        self.convolutional = any(isinstance(layer, keras.layers.Conv2D) for layer in layers)
        self.seeds = keras.random.SeedGenerator(recipe.seed)
        chosen.initialize(self, data)
        # The rates are variables that are set before every epoch.
        self.optimizers = [
            InnerEpsilonAdam(1.0, each.beta_1, each.beta_2) for each in chosen.optimizers(None)
        ]
        trained = self.generator.trainable_variables, self.discriminator.trainable_variables
        for optimizer, variables in zip(self.optimizers, trained, strict=True):
            optimizer.build(variables)
        self.averages = [keras.Variable(np.zeros(v.shape, "float32")) for v in trained[1]]
        self.average_steps = keras.Variable(0, dtype="int32")

    def latent(self, n: int, source: keras.random.SeedGenerator | None = None) -> Any:
        """Returns n latent vectors of a source or, as `SemiSupervisedGAN.latent`, fresh ones."""
        shape = players.inputs(self.generator)[0].shape[1:]
        return random.uniform((n, *shape), source or self.seeds, self.generator.input_dtype)

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


def place(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> int:
    """Returns the place of a variable of an optimizer's own among all of them."""
    return [v is variable for v in optimizer.variables].index(True)


class Step:
    """A training step of `models.SemiSupervisedGAN`, as a function of values.

    Args:
        made: The networks and optimizers of some run; their values are not used.
        recipe: The recipe of all runs.
    """

    def __init__(self, made: Players, recipe: Any):
        self.made, self.recipe = made, recipe

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
        found = []
        for _ in range(self.recipe.generator_steps):
            (loss, states), slopes = jax.value_and_grad(self._generator_loss, has_aux=True)(
                values["generator"], values, batch
            )
            trained, optimizer = made.optimizers[0].stateless_apply(
                values["generator_optimizer"], slopes, values["generator"]
            )
            values |= {"states": states, "generator": trained, "generator_optimizer": optimizer}
            found.append(loss)
        return values, report | {"generator_loss": sum(found) / len(found)}

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

    def _logits(self, *batches):
        """The logits of several batches, in one pass where that is the same."""
        made = self.made
        if made.couples_examples:
            return [_full(made.discriminator(batch, training=True)) for batch in batches]
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        logits = made.discriminator(jnp.concatenate(batches), training=True)
        return jnp.split(_full(logits), ends)

    def _drawn(self, latents):
        return _full(self.made.generator(latents, training=True))

    def _discriminator_loss(self, trained, values, options, batch):
        made, (x, y), u = self.made, batch["labeled"], batch["unlabeled"]
        report = {}
        with self._scope(values | {"discriminator": trained}) as scope:
            latents = made.latent(len(u))
            fake = self._drawn(latents)
            logits, logits_unlabeled, logits_fake = self._logits(x, u, fake)
            report["supervised_loss"] = losses.supervised(y, logits)
            report["unsupervised_loss"] = losses.unsupervised(logits_unlabeled, logits_fake)
            loss = report["supervised_loss"]
            loss += options["unlabeled_weight"] * report["unsupervised_loss"]
            terms = {
                "conditional_entropy": lambda: losses.conditional_entropy(logits_unlabeled),
                "consistency": lambda: smoothness.generated_consistency(
                    _full(latents),
                    logits_fake,
                    self._drawn,
                    lambda images: self._logits(images)[0],
                    made.seeds,
                    options["consistency_distance"],
                ),
                "transformed": lambda: self._transformed(values, options, x, y, u),
            }
            found = [
                options[name] * term() for name, term in terms.items() if getattr(self.recipe, name)
            ]
            if found:
                report["additional_loss"] = sum(found)
                loss += report["additional_loss"]
            states = self._states(scope)
        report["error"] = losses.error_rate(y, logits)
        return loss, (states, report)

    def _transformed(self, values, options, x, y, u):
        averaged = jax.lax.stop_gradient(self.classified(values, u))
        chosen = ("shift", "zoom", "shear", "threshold")
        return smoothness.transformed(
            y,
            x,
            u,
            lambda images: averaged,
            lambda images: self._logits(images)[0],
            self.made.seeds,
            **{name: options[f"transformed_{name}"] for name in chosen},
        )

    def _generator_loss(self, trained, values, batch):
        made, v = self.made, batch["unlabeled_generator"]
        with self._scope(values | {"generator": trained}) as scope:
            if self.recipe.objective == "feature_matching":
                real = _full(made.features(v, training=True))
                fake = self._drawn(made.latent(len(v)))
                fake = _full(made.features(fake, training=True))
                loss = losses.feature_matching(real, fake, self.recipe.feature_distance)
            else:
                (logits,) = self._logits(self._drawn(made.latent(len(v))))
                loss = losses.minibatch_generator(logits)
            return loss, self._states(scope)

    def _averaged(self, values):
        made, (*before, steps) = self.made, values["averages"]
        optimizer = made.optimizers[1]
        updates = values["discriminator_optimizer"][place(optimizer, optimizer.iterations)]
        begun = updates >= self.recipe.average_start
        rate = self.recipe.average_rate
        with self._scope(values, ("averages", "discriminator")) as scope:
            update_average(made.averages, made.discriminator.trainable_variables, rate)
            after = [scope.get_current_value(v) for v in made.averages]
        found = [jnp.where(begun, a, b) for a, b in zip(after, before, strict=True)]
        return [*found, steps + jnp.where(begun, 1, 0)]

    def classified(self, values: Any, images: Any, averaged: bool = True) -> Any:
        """Returns the logits of images by the averaged or the current parameters."""
        made, (*averages, steps) = self.made, values["averages"]
        trained = values["discriminator"]
        if averaged:
            trained = debiased(averages, trained, self.recipe.average_rate, steps)
        with self._scope(values | {"discriminator": trained}):
            return _full(made.discriminator(images, training=False))

    def sampled(self, values: Any, latents: Any) -> Any:
        """Returns the generator's images of latent vectors, normalized by its running averages."""
        with self._scope(values):
            return _full(self.made.generator(latents, training=False))


def _full(x):
    """x in float32 at least, as the losses of the models are computed."""
    return x.astype(jnp.promote_types(x.dtype, "float32"))
