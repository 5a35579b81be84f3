"""The objectives of the paper's semi-supervised GAN (sections 3.1, 3.2 and 5) and of its ImageNet
model (sections 3.4 and 6.4).

The classifier has K logits l_1 .. l_K; the "generated" class K+1 has its logit fixed at 0, which
loses nothing because a softmax is unchanged by a common shift. With Z(x) = sum_k exp l_k(x):

    p(y = k | x, k <= K) = exp l_k / Z          p(y = K+1 | x) = 1 / (Z + 1)
    D(x) = 1 - p(y = K+1 | x) = Z / (Z + 1)     log D = log Z - softplus(log Z)

The ImageNet model has all K+1 logits, the last one of the generated class, so that log Z - l_{K+1}
takes the place of log Z (`gan_logits`), and its targets for D are softened on one side.

Source: openai/improved-gan, mnist_svhn_cifar10/train_mnist_feature_matching.py and its siblings
(the expressions loss_lab, loss_unl, loss_gen, train_err) and nn.py (log_sum_exp);
imagenet/model.py (sigmoid_kl_with_logits), discriminator.py (gan_logits) and build_model.py
(d_loss, g_loss).
"""

import math

import keras
from keras import ops

DISTANCES = ("squared", "absolute")


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
    return 0.5 * (ops.mean(ops.softplus(real)) - ops.mean(real)) + 0.5 * ops.mean(
        ops.softplus(fake)
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


def gan_logits(class_logits):
    """log Z(x) - l_{K+1}(x), the logit of D(x), of a classifier with K+1 logits.

    D(x) = 1 - p(y = K+1 | x) = sigmoid(log sum_{k <= K} exp l_k - l_{K+1}).

    Args:
        class_logits: float (N, K + 1), the generated class last.

    Returns:
        float (N,).
    """
    return log_sum_exp(class_logits[..., :-1]) - class_logits[..., -1]


def sigmoid_kl(logits, target):
    """KL(target || sigmoid(l)) of two Bernoulli distributions, for each l; no mean is taken.

        max(l, 0) - l t + log1p(exp(-|l|)) - H(t),    H(t) = -t log t - (1 - t) log(1 - t)

    That is the cross-entropy less its least value, so that 0 is reached at sigmoid(l) = t. The
    derivative with respect to l is sigmoid(l) - t.

    Args:
        logits: l, float of any shape.
        target: t, a Python float in 0 .. 1; H is 0 at both ends.

    Returns:
        float of the shape of `logits`, >= 0, in nats.

    Raises:
        ValueError: a target outside 0 .. 1.
    """
    _check_probability("target", target)
    entropy = -sum(p * math.log(p) for p in (target, 1 - target) if p > 0)
    return ops.softplus(logits) - target * logits - entropy


def one_sided_discriminator(logits_real, logits_fake, smoothing=0.25):
    """mean KL(1 - smoothing || D(x)) + mean KL(0 || D(G(z))); section 3.4.

    Only the target of real images is smoothed. With targets a on real and b on generated images the
    best discriminator is

        D(x) = (a p_data(x) + b p_model(x)) / (p_data(x) + p_model(x))

    and with b > 0 p_model stands in its numerator: where p_data is nearly 0 and p_model is large, D
    would be near b and flat, and nothing would move those samples towards the data. With b = 0 D is
    only scaled by a, and the discriminator is kept from extreme logits.

    Args:
        logits_real: logits of D (`gan_logits`) on real images, float (N,).
        logits_fake: on generated images, float (M,).
        smoothing: what is taken off the target 1, in 0 .. 1.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: a smoothing outside 0 .. 1.
    """
    _check_probability("smoothing", smoothing)
    real = sigmoid_kl(logits_real, 1 - smoothing)
    return ops.mean(real) + ops.mean(sigmoid_kl(logits_fake, 0.0))


def smoothed_generator(logits_fake, target=0.375):
    """mean KL(target || D(G(z))), the generator's loss of the ImageNet model.

    The generator is content with a D of `target`. The default is half of the .75 that real images
    are given, which is D's best answer where both densities are equal.

    Args:
        logits_fake: logits of D (`gan_logits`) on generated images, float (M,).
        target: in 0 .. 1.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: a target outside 0 .. 1.
    """
    return ops.mean(sigmoid_kl(logits_fake, target))


def _check_probability(name, value):
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in 0 .. 1, not {value!r}.")


@keras.saving.register_keras_serializable("improved_gan_tf")
def error_rate(labels, logits):
    """The share of rows whose largest logit is not the label's, in 0 .. 1.

    Args:
        labels: integers (N,) in 0 .. K-1.
        logits: float (N, K).

    Returns:
        Scalar of the logits' dtype.
    """
    return ops.mean(ops.cast(errors(labels, logits), logits.dtype))


def errors(labels, logits):
    """Which examples' largest logit is not the label's: booleans (N,); see `error_rate`."""
    return ops.not_equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
