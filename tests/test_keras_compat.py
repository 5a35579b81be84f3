"""The private Keras API that the package relies on, by what it is to do."""

import keras
import numpy as np
import pytest

from improved_gan_tf import keras_compat


def test_flatten_layers_yields_each_layer_once():
    shared = keras.layers.Dense(3)
    model = keras.Sequential([keras.Sequential([shared]), shared])
    found = keras_compat.flatten_layers(model)
    assert found[0] is model and len(found) == 3 and found.count(shared) == 1


def test_is_functional():
    inputs = keras.Input((3,))
    functional = keras.Model(inputs, keras.layers.Dense(2)(inputs))

    class Own(keras.Model):
        pass

    assert keras_compat.is_functional(functional)
    assert keras_compat.is_functional(keras.models.clone_model(functional))
    for other in (keras.Sequential([inputs, keras.layers.Dense(2)]), Own(), keras.layers.Dense(2)):
        assert not keras_compat.is_functional(other)


def test_variable_index():
    variables = [keras.Variable(np.zeros(2)) for _ in range(3)]
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    assert [keras_compat.variable_index(optimizer, v) for v in variables] == [0, 1, 2]
    with pytest.raises(KeyError):
        keras_compat.variable_index(optimizer, keras.Variable(np.zeros(2)))


def test_what_saving_skips_is_looked_up_once():
    """Otherwise every save makes new optimizers, which cost memory for good."""
    from keras.src.saving.saving_lib import get_attr_skipset

    for _ in range(2):
        keras_compat.keep_what_saving_skips()
        for kind in ("Layer", "Metric", "Optimizer"):
            assert get_attr_skipset(kind) is get_attr_skipset(kind)
        keras.utils.clear_session()
    assert "trainable" in get_attr_skipset("Layer")


def test_built_in_init_replaces_a_method_of_keras():
    """The name must be one that `fit` calls; otherwise the mixin would do nothing."""
    (name,) = (n for n in vars(keras_compat.BuiltInInit) if n.startswith("_maybe"))
    assert callable(getattr(keras.Model, name))


def test_without_updates():
    """Values of an outer scope are seen, and what is assigned inside is not kept anywhere."""
    variable = keras.Variable(1.0)
    with keras_compat.without_updates():
        variable.assign(2.0)
        assert float(variable) == 2.0
    assert float(variable) == 1.0
    with keras.StatelessScope(state_mapping=[(variable, keras.ops.convert_to_tensor(3.0))]):
        with keras_compat.without_updates():
            assert float(variable) == 3.0
            variable.assign(4.0)
        assert float(variable) == 3.0
    assert float(variable) == 1.0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_variables_as_stored(policy):
    class Layer(keras.layers.Layer):
        def build(self, input_shape):
            self.v = self.add_weight((), "ones")

        def call(self, inputs):
            with keras_compat.variables_as_stored(self):
                self.found = self.v.dtype, keras.ops.convert_to_tensor(self.v).dtype
            self.cast = keras.ops.convert_to_tensor(self.v).dtype
            return inputs

    layer = Layer(dtype=policy)
    layer(np.zeros((1, 2)))
    assert layer.found == (layer.variable_dtype, layer.variable_dtype)
    assert layer.cast == layer.compute_dtype
