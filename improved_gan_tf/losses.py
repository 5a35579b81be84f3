"""The objectives of the paper's semi-supervised GAN (sections 3.1, 3.2 and 5).

The classifier has K logits l_1 .. l_K; the "generated" class K+1 has its logit fixed at 0, which
loses nothing because a softmax is unchanged by a common shift. With Z(x) = sum_k exp l_k(x):

    p(y = k | x, k <= K) = exp l_k / Z          p(y = K+1 | x) = 1 / (Z + 1)
    D(x) = 1 - p(y = K+1 | x) = Z / (Z + 1)     log D = log Z - softplus(log Z)

Source: openai/improved-gan, mnist_svhn_cifar10/train_mnist_feature_matching.py and its siblings
(the expressions loss_lab, loss_unl, loss_gen, train_err) and nn.py (log_sum_exp).
"""

import keras
from keras import ops


def log_sum_exp(logits):
    """log Z(x) = max_k l_k + log sum_k exp(l_k - max_k l_k), over the last axis.

    Args:
        logits: l(x), float (N, K).

    Returns:
        float (N,).
    """
    return ops.logsumexp(logits, axis=-1)


@keras.saving.register_keras_serializable("improved_gan_tf")
def supervised(labels, logits):
    """L_supervised = -mean log p(y | x, y <= K) = mean(log Z(x) - l_y(x)); section 5.

    Args:
        labels: y, integers (N,) in 0 .. K-1.
        logits: l(x) of the labelled images, float (N, K).

    Returns:
        Scalar, in nats.
    """
    chosen = ops.take_along_axis(logits, ops.expand_dims(ops.cast(labels, "int32"), -1), axis=-1)
    return ops.mean(log_sum_exp(logits)) - ops.mean(chosen)


def unsupervised(logits_unlabeled, logits_fake):
    """L_unsupervised = -1/2 mean log D(x) - 1/2 mean log(1 - D(G(z))); section 5.

    With log D = log Z - softplus(log Z) and log(1 - D) = -softplus(log Z). The factor 1/2 on each
    half is the original code's.

    Args:
        logits_unlabeled: l(x) of the unlabelled images, float (N, K).
        logits_fake: l(G(z)), float (M, K).

    Returns:
        Scalar, in nats.
    """
    real = log_sum_exp(logits_unlabeled)
    fake = log_sum_exp(logits_fake)
    return (
        0.5 * (ops.mean(ops.softplus(real)) - ops.mean(real)) + 0.5 * ops.mean(ops.softplus(fake))
    )


def feature_matching(features_real, features_fake, distance="squared"):
    """|| E f(x) - E f(G(z)) ||, the generator's loss of section 3.1.

    Args:
        features_real: f(x), an intermediate layer of the discriminator on real images, (N, F).
        features_fake: f(G(z)), float (M, F).
        distance: "squared", the mean over features of the squared difference of means (the
            MNIST script); "absolute", of the absolute difference (CIFAR-10 and SVHN).

    Returns:
        Scalar.

    Raises:
        ValueError: another `distance`.
    """
    difference = ops.mean(features_fake, axis=0) - ops.mean(features_real, axis=0)
    if distance == "squared":
        return ops.mean(ops.square(difference))
    if distance == "absolute":
        return ops.mean(ops.abs(difference))
    raise ValueError(f'distance must be "squared" or "absolute", not {distance!r}.')


def minibatch_generator(logits_fake):
    """-mean softplus(log Z(G(z))), the generator's loss beside minibatch discrimination.

    It maximises -log(1 - D(G(z))), the non-saturating direction in which D is fooled
    (train_cifar_minibatch_discrimination.py).

    Args:
        logits_fake: l(G(z)), float (N, K).

    Returns:
        Scalar, in nats.
    """
    return -ops.mean(ops.softplus(log_sum_exp(logits_fake)))


@keras.saving.register_keras_serializable("improved_gan_tf")
def error_rate(labels, logits):
    """The share of rows whose largest logit is not the label's, in 0 .. 1.

    Args:
        labels: integers (N,) in 0 .. K-1.
        logits: float (N, K).

    Returns:
        Scalar of the logits' dtype.
    """
    wrong = ops.not_equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
    return ops.mean(ops.cast(wrong, logits.dtype))
