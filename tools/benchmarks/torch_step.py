"""The training step of a dense recipe with feature matching in plain PyTorch: the peer of `train`.

The same networks, noise, losses, batches and number of passes, as one writes them with PyTorch's
own layers, Adam and averages; nothing is tuned but the number of threads.
"""

import importlib.util
import itertools
import math
import os


def peer(recipe, batch, num_classes):
    """Returns a function that makes a step; None for other recipes, and without PyTorch.

    Args:
        recipe: The recipe.
        batch: A batch of its data.
        num_classes: Integer, the number of classes.
    """
    if recipe.network != "dense" or recipe.objective != "feature_matching":
        return None
    if recipe.mixed_precision != "none":
        return None
    if importlib.util.find_spec("torch") is None:
        print("without PyTorch's step: torch is not installed")
        return None
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return training_step(recipe, batch, num_classes)


def training_step(recipe, batch, num_classes):
    """Returns a function that trains both networks on the batch once and returns both losses."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    class Noise(nn.Module):
        def __init__(self, stddev):
            super().__init__()
            self.stddev = stddev

        def forward(self, x):
            return x + self.stddev * torch.randn_like(x)

    class Discriminator(nn.Module):
        def __init__(self, pixels, classes, units, input_noise, hidden_noise):
            super().__init__()
            layers, noise = [nn.Flatten()], input_noise
            for inputs, outputs in zip([pixels, *units], units, strict=False):
                layers += [Noise(noise), _normalized(inputs, outputs, False), nn.ReLU()]
                noise = hidden_noise
            self.features = nn.Sequential(*layers)
            self.logits = nn.Sequential(Noise(noise), _normalized(units[-1], classes, True))

        def forward(self, x):
            return self.logits(self.features(x))

    (x, y), u, v = batch["labeled"], batch["unlabeled"], batch["unlabeled_generator"]
    x, u, v = (torch.from_numpy(images.numpy()) for images in (x, u, v))
    y = torch.from_numpy(y.numpy()).long()
    n, pixels = len(x), math.prod(x.shape[1:])
    latent_dim = recipe.generator["latent_dim"]
    values = {name: recipe.discriminator[name] for name in ("input_noise", "hidden_noise")}
    discriminator = Discriminator(pixels, num_classes, recipe.discriminator["units"], **values)
    layers = []
    sizes = [latent_dim, *recipe.generator["units"]]
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, bias=False)]
        layers += [nn.BatchNorm1d(outputs), nn.Softplus()]
    layers += [_normalized(sizes[-1], pixels, True), nn.Sigmoid()]
    generator = nn.Sequential(*layers, nn.Unflatten(1, x.shape[1:]))
    average = AveragedModel(discriminator, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
    of_generator = list(generator.parameters())
    adam = {"lr": recipe.learning_rate, "betas": (0.5, 0.999)}
    generator_optimizer = torch.optim.Adam(of_generator, **adam)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), **adam)

    def step():
        with torch.no_grad():
            fake = generator(torch.rand(n, latent_dim))
        labeled, unlabeled, generated = discriminator(torch.cat([x, u, fake])).split(n)
        z = unlabeled.logsumexp(1)
        loss = functional.cross_entropy(labeled, y)
        loss = loss + 0.5 * (functional.softplus(z) - z).mean()
        loss = loss + 0.5 * functional.softplus(generated.logsumexp(1)).mean()
        discriminator_optimizer.zero_grad()
        loss.backward()
        discriminator_optimizer.step()
        average.update_parameters(discriminator)

        with torch.no_grad():
            real = discriminator.features(v).mean(0)
        fake = discriminator.features(generator(torch.rand(n, latent_dim))).mean(0)
        matching = (real - fake).square().mean()
        generator_optimizer.zero_grad()
        matching.backward(inputs=of_generator)
        generator_optimizer.step()
        return loss.item(), matching.item()

    return step


def _normalized(inputs, outputs, train_scale):
    """A weight-normalized linear layer."""
    from torch import nn
    from torch.nn.utils import parametrizations

    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.1)
    layer = parametrizations.weight_norm(layer)
    scale = layer.parametrizations.weight.original0
    nn.init.ones_(scale)
    scale.requires_grad_(train_scale)
    return layer
