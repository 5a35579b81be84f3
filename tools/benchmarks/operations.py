"""The arithmetic of a training step: its operations, and the matrix products of a dense one."""

from collections import Counter


def step_operations(gan, batch):
    """Floating-point operations of one training step: matrix products and convolutions alone.

    A forward pass costs 2 operations per multiplication and image; the gradient of the weights
    costs as much again, and so does the gradient of the input.

    * The discriminator's step needs all three for three batches (no gradient of the first layer's
      input), and a forward pass of the generator.
    * A generator step needs the features of real images; those of generated images, with the
      gradient of their input; and the generator's forward pass with both gradients.
    * ImageNet's single update needs all three for the discriminator's joint batch, the gradient of
      its input once more for the generator, and the generator's three, in which a reference image
      costs as much as a live one.
    """
    disc = _multiplications(gan.discriminator)
    gen = _multiplications(gan.generator)
    d, g = sum(disc), sum(gen)
    if not hasattr(gan, "features"):
        reference = gan.generator.get_layer("z_reference").reference_size
        return 2 * (2 * batch * (4 * d - disc[0]) + (batch + reference) * (3 * g - gen[0]))
    features = _multiplications(gan.features)
    f = sum(features)
    if gan.objective == "supervised":
        return 2 * batch * (3 * d - disc[0])
    total = 3 * (3 * d - disc[0]) + g
    matching = "features_real" in gan.objective_needs  # of an objective of several terms too
    seen, real = (f, f) if matching else (d, 0)
    total += gan.generator_steps * (real + 2 * seen + 3 * g - gen[0])
    return 2 * batch * total


def _multiplications(model):
    """Multiplications per image of each layer with a kernel, in the order of the layers."""
    found = []
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        kernel = getattr(inner, "kernel", None)
        if kernel is None:
            if hasattr(inner, "theta"):
                found.append(int(inner.theta.shape[0] * inner.num_kernels * inner.dim_per_kernel))
            continue
        size = 1
        for n in kernel.shape:
            size *= n
        # A convolution uses its kernel once per position of its output, a transposed one per
        # position of its input.
        transposed = "Transpose" in type(inner).__name__
        positions = (layer.input if transposed else layer.output).shape[1:-1]
        for n in positions:
            size *= n
        found.append(size)
    return found


def dense_products(gan, batch):
    """Counts the matrix products of a step with dense networks and feature matching.

    What `step_operations` counts, one by one: for a layer of k inputs and n outputs on m examples
    "forward" is (m, k) (k, n), "weights" the gradient of its kernel, (k, m) (m, n), and "inputs"
    that of its input, (m, n) (n, k).

    Returns:
        {(kind, m, k, n): how often}; each is 2 m k n operations.
    """
    found = Counter()

    def add(model, m, *kinds, first_inputs=True):
        layers = (getattr(layer, "layer", layer) for layer in model.layers)
        kernels = [layer.kernel for layer in layers if hasattr(layer, "kernel")]
        for i, kernel in enumerate(kernels):
            for kind in kinds:
                if kind != "inputs" or i or first_inputs:
                    found[kind, m, *kernel.shape] += 1

    whole = ("forward", "weights", "inputs")
    add(gan.generator, batch, "forward")
    add(gan.discriminator, 3 * batch, *whole, first_inputs=False)
    for _ in range(gan.generator_steps):
        add(gan.features, batch, "forward")  # of real images
        add(gan.features, batch, "forward", "inputs")
        add(gan.generator, batch, *whole, first_inputs=False)
    return found
