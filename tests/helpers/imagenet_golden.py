"""The recorded ImageNet networks: building ours at their size with their weights, and comparing."""

import keras
import numpy as np

from improved_gan_tf import keras_compat, models, networks
from tests.helpers.golden import arrays, imagenet_index

INDEX = imagenet_index()
HYPER = INDEX["h_train"]["hyper"]
LATENTS = ("z", "h0z", "h1z", "h2z", "h3z", "h4z", "h5z")
# The original's names of a layer's parameters: ours.
_PARAMETERS = {"w": "kernel", "biases": "bias", "Matrix": "kernel"}


def load(file):
    """The arrays of a file of golden/imagenet, float16 and float32 ones in float64."""
    found = arrays(f"imagenet/{file}")
    return {k: v.astype("float64") if v.dtype.kind == "f" else v for k, v in found.items()}


def variable(network, name):
    """The variable that the original calls `name`, such as "g_h1/w"."""
    layer, parameter = name.split("/")
    return getattr(network.get_layer(layer), _PARAMETERS.get(parameter, parameter))


def recorded_networks():
    """Generator and discriminator at the recorded size, with the recorded weights."""
    generator = networks.imagenet.generator(
        latent_dim=HYPER["zd"], channels=HYPER["gf"], reference_size=HYPER["B"]
    )
    discriminator = networks.imagenet.discriminator(
        channels=HYPER["df"], minibatch_kernels=HYPER["nk"], minibatch_dims=HYPER["dk"]
    )
    for network, file in ((generator, "weights_g"), (discriminator, "weights_d")):
        weights = load(file)
        assert len(weights) == len(network.trainable_variables)
        for name, value in weights.items():
            variable(network, name).assign(value)
    inputs = load("inputs")
    for name in LATENTS:
        generator.get_layer(f"{name}_reference").reference.assign(inputs[f"ref/{name}"])
    return generator, discriminator


class Float64Adam(keras.optimizers.Adam):
    """Keras' Adam with its decays in float64, as in the original's graph; Keras rounds them to
    float32, which changes a first step by 4e-5 of its length."""

    def update_step(self, gradient, variable, learning_rate):
        index = keras_compat.variable_index(self, variable)
        m, v = self._momentums[index], self._velocities[index]
        t = keras.ops.cast(self.iterations + 1, "float64")
        one, two = (keras.ops.convert_to_tensor(b, "float64") for b in (self.beta_1, self.beta_2))
        m.assign(one * m + (1 - one) * gradient)
        v.assign(two * v + (1 - two) * gradient**2)
        rate = 4e-4 * keras.ops.sqrt(1 - two**t) / (1 - one**t)
        variable.assign(variable - rate * m / (keras.ops.sqrt(v) + self.epsilon))


def recorded_gan():
    """An `ImageNetGAN` of the recorded networks, with the original's optimizers."""
    gan = models.ImageNetGAN(*recorded_networks(), seed=0, noise=0.0)
    adam = Float64Adam if keras.config.floatx() == "float64" else keras.optimizers.Adam
    gan.compile(*(adam(4e-4, beta_1=0.5, epsilon=1e-8) for _ in range(2)))
    return gan


def batch(t=0):
    """(images, labels, latents) of the recorded run "varied" at iteration t."""
    inputs = load("inputs")
    latents = [inputs[f"live/{name}"] for name in LATENTS]
    # As the original decodes: the factor in float32.
    images = inputs["real_u8"].astype("float32") * np.float32(2.0 / 255) - np.float32(1.0)
    labels = inputs["labels"]
    if t == 1:
        images, latents, labels = images[:, :, ::-1], [-z for z in latents], labels + 7
    if t == 2:
        images, latents, labels = images[:, ::-1], [z[..., ::-1] for z in latents], labels + 14
    tensor = keras.ops.convert_to_tensor
    floatx = keras.config.floatx()
    return (
        tensor(images.astype(floatx)),
        tensor((labels % 1000).astype("int32")),
        [tensor(z.astype(floatx)) for z in latents],
    )


def grid(x, n):
    """n values of x at equal distances, as the recordings have them."""
    flat = np.asarray(x, "float64").ravel()
    return flat[np.linspace(0, flat.size - 1, n).astype(int)]


def stats(x):
    """Mean, standard deviation, sum, sum of magnitudes, minimum, maximum."""
    x = np.asarray(x, "float64")
    return np.array([x.mean(), x.std(), x.sum(), np.abs(x).sum(), x.min(), x.max()])


class Comparison:
    """Collects how far arrays are from their recordings, in units of what is allowed.

    In float64 the recordings themselves are rounded to float32, hence 1e-7 of the largest value;
    in float32 the index's rule holds, 10 noise + 1e-6 of the largest value. The noise of a norm,
    one number's luck, is taken from the array's own recording where that is larger.

    Args:
        case: of the index.
    """

    def __init__(self, case):
        self.precise = keras.config.floatx() == "float64"
        self.arrays = load(f"f64/{case}" if self.precise else case)
        self.noise = {k: v.get("noise", 0) for k, v in INDEX[case]["arrays"].items()}
        for key in [k for k in self.noise if "_norm/" in k]:
            of, _, parameter = key.partition("/")
            array = of.replace("_delta", "").removesuffix("_norm")
            for twin in (f"{array}/{parameter}", f"{array}_grid/{parameter}"):
                self.noise[key] = max(self.noise[key], self.noise.get(twin, 0))
        self.deviations = {}

    def __contains__(self, name):
        return name in self.arrays

    def add(self, name, ours, more=0.0):
        """Compares `ours` with the recording `name`; in float32 `more` is allowed in addition."""
        recorded = self.arrays[name]
        ours = np.asarray(ours, "float64")
        assert ours.shape == recorded.shape, name
        largest = np.abs(recorded).max()
        allowed = 1e-7 * largest
        if not self.precise:
            allowed = 10 * self.noise[name] + 1e-6 * largest + more
        self.deviations[name] = np.abs(ours - recorded).max() / allowed

    def check(self, least):
        """Asserts that nothing is further off than allowed, of at least `least` arrays."""
        worst = max(self.deviations, key=self.deviations.get)
        assert self.deviations[worst] <= 1, f"{worst}: {self.deviations[worst]:.2f} of the allowed"
        assert len(self.deviations) >= least
