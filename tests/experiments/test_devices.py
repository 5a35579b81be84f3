"""What depends on the device: compilation by XLA, deterministic operations."""

import pytest
import tensorflow as tf

from improved_gan_tf import experiments
from improved_gan_tf.models import compilation

NARROW = {"generator": {"width": 0.0625}, "discriminator": {"width": 0.0625}}


def _compiled(monkeypatch, name, gpus, **values):
    """Whether the training step is compiled where so many GPUs are seen."""
    seen = tf.config.list_physical_devices
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: gpus if kind == "GPU" else seen(kind)
    )
    return experiments.build(name, **NARROW, **values).jit_compile


@pytest.mark.parametrize(
    "name, on_cpu", [("digits", True), ("svhn-feature-matching", False), ("imagenet", False)]
)
def test_xla_by_device_and_networks(name, on_cpu, monkeypatch):
    """On a CPU only without convolutions; on a GPU always; as it is told where it is told."""
    assert experiments.get(name).jit_compile == "auto"
    assert _compiled(monkeypatch, name, []) is on_cpu
    assert _compiled(monkeypatch, name, ["a GPU"]) is True
    assert _compiled(monkeypatch, name, ["a GPU"], jit_compile=False) is False
    assert _compiled(monkeypatch, name, [], jit_compile=True) is True


def test_models_without_a_recipe(monkeypatch):
    """The same rule, for `compile` that says nothing of it."""
    for name in ("svhn-feature-matching", "imagenet"):
        gan = experiments.build(name, **NARROW)
        for gpus in ([], ["a GPU"]):
            monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None, n=gpus: n)
            gan.compile()
            assert gan.jit_compile is bool(gpus)
        gan.compile(jit_compile=False)
        assert gan.jit_compile is False


def test_several_replicas_are_not_compiled(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU", "a GPU"])

    class Two:
        num_replicas_in_sync = 2

    class Distributed:
        distribute_strategy = Two

    assert compilation.pays(Distributed) is False


def test_layers_that_cannot_be_compiled():
    gan = experiments.build("digits", **NARROW)
    assert gan.jit_compile is True
    gan.discriminator.layers[-1].supports_jit = False
    gan.compile()
    assert gan.jit_compile is False


def test_deterministic_operations(monkeypatch):
    """Switched on by the recipe's value alone, before the networks are made."""
    calls = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: calls.append(1))
    assert experiments.get("digits").deterministic is False
    experiments.build("digits", **NARROW)
    assert calls == []
    experiments.build("digits", **NARROW, deterministic=True)
    assert calls == [1]
