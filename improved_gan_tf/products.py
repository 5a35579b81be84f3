"""Matrix products in float32 of factors that are rounded to bfloat16."""

import functools
from typing import Any

import keras
from keras import ops

from improved_gan_tf import replicas

PRECISIONS = ("float32", "bfloat16")
"""The precisions of the factors of a product."""


def rounded_product(a: Any, b: Any) -> Any:
    """Returns the matrix product a b of factors rounded to bfloat16, summed in float32.

    Both gradients are such products too, of the rounded gradient of the result and of the rounded
    other factor. Rounding changes a number by at most 1 part in 256. A processor with bfloat16
    instructions takes about half the time; XLA under TensorFlow uses them here, and JAX on a GPU.
    The other backends compute the same without a gain. PyTorch calls this the "medium" precision
    of float32 products. Keras' mixed precision rounds results as well.

    Args:
        a, b: Float32 tensors (N, K) and (K, M), K and M known.

    Returns:
        A float32 tensor (N, M).

    Example:
    >>> x, w = np.random.rand(2, 300).astype("float32"), np.random.rand(300, 4).astype("float32")
    >>> bool(np.allclose(rounded_product(x, w), x @ w, rtol=0.01))
    True
    """
    return _differentiable(a, b, "ab")


def _differentiable(a: Any, b: Any, form: str) -> Any:
    """The product of that form, with the gradients of a and of b, which are such products."""

    @ops.custom_gradient
    def product(a, b):
        def gradients(*args, upstream=None):
            (d,) = args if upstream is None else (upstream,)
            if form == "ab":
                return _differentiable(d, b, "ab'"), _differentiable(a, d, "a'b")
            if form == "ab'":
                return _differentiable(d, b, "ab"), _differentiable(d, a, "a'b")
            return _differentiable(b, d, "ab'"), _differentiable(a, d, "ab")

        return _product(a, b, form), gradients

    return product(a, b)


def _product(a: Any, b: Any, form: str) -> Any:
    """a b, a b' or a' b, where ' is the transpose; not differentiable."""
    a, b = ops.stop_gradient(a), ops.stop_gradient(b)
    # XLA compiles for no more than one of several CPU devices.
    if keras.backend.backend() == "tensorflow" and replicas.count() == 1:
        return _compiled(form)(a, b)
    if keras.backend.backend() == "jax":
        return _of_jax(a, b, form)
    a, b = (ops.cast(ops.cast(x, "bfloat16"), "float32") for x in (a, b))
    transposed = ops.transpose(a) if form == "a'b" else a
    return ops.matmul(transposed, ops.transpose(b) if form == "ab'" else b)


def _of_jax(a: Any, b: Any, form: str) -> Any:
    """The product of that form by JAX, which sums products of bfloat16 numbers in float32."""
    import jax
    from jax import numpy as jnp

    of_a, of_b = {"ab": (1, 0), "ab'": (1, 1), "a'b": (0, 0)}[form]  # the axes that are summed over
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    axes: Any = ([of_a], [of_b]), ([], [])
    return jax.lax.dot_general(a, b, axes, preferred_element_type=jnp.float32)


@functools.cache
def _compiled(form: str) -> Any:
    """The product of that form as a function of (a, b); TensorFlow alone has no kernel for it."""
    import tensorflow as tf

    def product(a, b):
        a, b = tf.cast(a, tf.bfloat16), tf.cast(b, tf.bfloat16)
        if form == "a'b":
            a = tf.transpose(a)
            # Forces XLA to materialize the transpose: it would otherwise fuse it into the product,
            # and its fast CPU kernel does not support a first factor in column-major order.
            a = tf.gather(a, tf.range(tf.shape(a)[0]))
        return tf.raw_ops.BatchMatMulV3(x=a, y=b, Tout=tf.float32, adj_y=form == "ab'")

    return tf.function(product, jit_compile=True, autograph=False)
