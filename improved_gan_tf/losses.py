"""The objectives of the paper's semi-supervised GAN (sections 3.1, 3.2 and 5) and of its ImageNet
model (sections 3.4 and 6.4), with terms of later work, in `keras.ops` alone.

The classifier has K logits l_1 .. l_K; the "generated" class K+1 has its logit fixed at 0, which
loses nothing because a softmax is unchanged by a common shift. With Z(x) = sum_k exp l_k(x):

    p(y = k | x, k <= K) = exp l_k / Z          p(y = K+1 | x) = 1 / (Z + 1)
    D(x) = 1 - p(y = K+1 | x) = Z / (Z + 1)     log D = log Z - softplus(log Z)

The ImageNet model has all K+1 logits, the last one of the generated class, so that log Z - l_{K+1}
takes the place of log Z (`gan_logits`), and its targets for D are softened on one side.

Logits are float tensors (N, K). Losses are scalars in nats, means over the examples. Softplus is
exact, where Theano's cuts it short at large logits (D5).

Example, where D is 1/2 for all images:
>>> logits = np.zeros((6, 1), "float32")
>>> real, fake = logits[:4], logits[4:]
>>> [round(float(x), 4) for x in (unsupervised(real, fake), minibatch_generator(fake))]  # log 2
[0.6931, -0.6931]
>>> round(float(supervised([1, 0], np.zeros((2, 10)))), 4)  # log 10
2.3026
>>> float(feature_matching(np.ones((4, 2)), np.zeros((3, 2)) - 1, "absolute"))
2.0
>>> round(float(conditional_entropy(np.zeros((2, 10)))), 4)  # log 10
2.3026
>>> u = gan_logits(np.zeros((6, 2), "float32"))
>>> round(float(one_sided_discriminator(u, u)), 4), round(float(smoothed_generator(u)), 4)
(0.824, 0.0316)

Source: openai/improved-gan, mnist_svhn_cifar10/train_mnist_feature_matching.py and its siblings
(the expressions loss_lab, loss_unl, loss_gen, train_err) and nn.py (log_sum_exp);
imagenet/model.py (sigmoid_kl_with_logits), discriminator.py (gan_logits) and build_model.py
(d_loss, g_loss).
"""

import math
from typing import Any

import keras
from keras import ops

DISTANCES = ("squared", "absolute")


def log_sum_exp(logits: Any) -> Any:
    """log Z(x) = max_k l_k + log sum_k exp(l_k - max_k l_k): (N, K) -> (N,)."""
    return ops.logsumexp(logits, axis=-1)


@keras.saving.register_keras_serializable("improved_gan_tf")
def supervised(labels: Any, logits: Any) -> Any:
    """L_supervised = -mean log p(y | x, y <= K) = mean(log Z(x) - l_y(x)); section 5.

    Each example's largest logit is subtracted first, so that a common shift of the logits, however
    large, costs no precision.

    Args:
        labels: y, an integer tensor (N,) of classes in 0..K-1. Another number makes the loss NaN:
            compiled, it would otherwise count as some class without an error.
        logits: l(x) of the labeled images.
    """
    logits = ops.convert_to_tensor(logits)
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    labels = ops.cast(labels, "int32")
    known = ops.logical_and(labels >= 0, labels < logits.shape[-1])
    index = ops.expand_dims(ops.where(known, labels, 0), -1)
    chosen = ops.take_along_axis(logits, index, axis=-1)[..., 0]
    chosen = ops.where(known, chosen, float("nan"))
    return ops.mean(ops.log(ops.sum(ops.exp(logits), axis=-1)) - chosen)


def unsupervised(logits_unlabeled: Any, logits_fake: Any) -> Any:
    """L_unsupervised = -1/2 mean log D(x) - 1/2 mean log(1 - D(G(z))); section 5.

    With -log D = softplus(-log Z), -log(1 - D) = softplus(log Z), and the original's 1/2.

    Args:
        logits_unlabeled: l(x) of the unlabeled images.
        logits_fake: l(G(z)), of as many images or others.
    """
    real = log_sum_exp(logits_unlabeled)
    fake = log_sum_exp(logits_fake)
    return 0.5 * (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake)))


@keras.saving.register_keras_serializable("improved_gan_tf")
def feature_matching(features_real: Any, features_fake: Any, distance: str = "squared") -> Any:
    """|| E f(x) - E f(G(z)) ||, the generator's loss of section 3.1.

    Args:
        features_real: f(x), an intermediate layer of the discriminator on real images, (N, F).
        features_fake: f(G(z)), a float tensor (M, F).
        distance: "squared" (the default), the mean over features of the squared difference of means
            (the MNIST script); or "absolute", of the absolute difference (CIFAR-10 and SVHN).

    Raises:
        ValueError: `distance` is unknown.
    """
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}")
    difference = ops.mean(features_fake, axis=0) - ops.mean(features_real, axis=0)
    return ops.mean(ops.square(difference) if distance == "squared" else ops.abs(difference))


@keras.saving.register_keras_serializable("improved_gan_tf")
def minibatch_generator(logits_fake: Any) -> Any:
    """-mean softplus(log Z(G(z))), the generator's loss with minibatch discrimination.

    It maximizes -log(1 - D(G(z))), the non-saturating direction in which D is fooled
    (train_cifar_minibatch_discrimination.py).

    Args:
        logits_fake: l(G(z)).
    """
    return -ops.mean(ops.softplus(log_sum_exp(logits_fake)))


@keras.saving.register_keras_serializable("improved_gan_tf")
def conditional_entropy(logits_unlabeled: Any) -> Any:
    """mean H(p(y | x, y <= K)) = -mean sum_k p_k log p_k: how uncertain the classifier is.

    As a term of the discriminator's loss it keeps the classes' boundaries out of places where there
    are unlabeled images; the published weight is 0.1.

    Args:
        logits_unlabeled: l(x) of the unlabeled images.

    Source: Dai et al. (2017), Good Semi-supervised Learning that Requires a Bad GAN, section 4.
    """
    log_p = ops.log_softmax(logits_unlabeled, axis=-1)
    return -ops.mean(ops.sum(ops.exp(log_p) * log_p, axis=-1))


@keras.saving.register_keras_serializable("improved_gan_tf")
def pull_away(features_fake: Any) -> Any:
    """1 / (N (N - 1)) sum over i != j of cos(f_i, f_j)^2: how alike generated images are.

    Added to the generator's loss, it is a surrogate for the entropy of the generated images; the
    published weight is 0.8. A feature vector of zeros counts as orthogonal to all others.

    Args:
        features_fake: f(G(z)), a float tensor (N, ...), of N >= 2 images.

    Source: Zhao et al. (2016), Energy-based Generative Adversarial Networks, section 2.4; Dai et
    al. (2017), section 4.
    """
    n = ops.shape(features_fake)[0]
    f = ops.reshape(features_fake, (n, -1))
    f = f * ops.rsqrt(ops.maximum(ops.sum(ops.square(f), axis=1, keepdims=True), 1e-24))
    others = 1 - ops.eye(n, dtype=f.dtype)
    return ops.sum(others * ops.square(ops.matmul(f, ops.transpose(f)))) / (n * (n - 1))


@keras.saving.register_keras_serializable("improved_gan_tf")
def latent_likelihood(latents: Any, encoded: Any) -> Any:
    """mean sum_j (log s_j + (z_j - m_j)^2 / (2 s_j^2)) = -mean log q(z | G(z)), less a constant.

    q is a Gaussian; an encoder predicts its means m and log standard deviations log s from the
    generated image. Minimizing the term over generator and encoder maximizes a lower bound on the
    entropy of the generated images, because z must be recoverable from them. The published weight
    is 0.01.

    Args:
        latents: z, a float tensor (N, ...) of Z values each.
        encoded: m and log s side by side, a float tensor (N, 2 Z).

    Source: Dai et al. (2017), section 4; its `gaussian_nll`.
    """
    z = ops.reshape(latents, (ops.shape(encoded)[0], -1))
    mean, log_s = ops.split(encoded, 2, axis=-1)
    terms = log_s + 0.5 * ops.square((z - mean) * ops.exp(-log_s))
    return ops.mean(ops.sum(terms, axis=-1))


def consistency(logits: Any, logits_near: Any) -> Any:
    """mean || l - l' ||^2, the squared distance of the logits of two versions of each image.

    Args:
        logits, logits_near: Float tensors (N, K). Gradients flow through both.

    Source: Lecouat et al. (2018), Semi-Supervised Learning with GANs: Revisiting Manifold
    Regularization, section 2.
    """
    return ops.mean(ops.sum(ops.square(logits - logits_near), axis=-1))


def divergence(logits: Any, logits_near: Any) -> Any:
    """mean KL(p(y | x, y <= K) || p(y | x', y <= K)) of two versions of each image.

    Args:
        logits: l(x), a float tensor (N, K).
        logits_near: l(x'), likewise.

    Source: Miyato et al. (2017), Virtual Adversarial Training, section 3.
    """
    log_p, log_q = (ops.log_softmax(x, axis=-1) for x in (logits, logits_near))
    return ops.mean(ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1))


def gan_logits(class_logits: Any) -> Any:
    """log Z(x) - l_{K+1}(x), the logit of D(x) = 1 - p(y = K+1 | x), where l has K+1 logits.

    Args:
        class_logits: A float tensor (N, K + 1), the generated class last; or (N, 1), the logit of D
            itself, of a GAN without classes.

    Returns:
        A float tensor (N,).
    """
    if class_logits.shape[-1] == 1:
        return class_logits[..., 0]
    return log_sum_exp(class_logits[..., :-1]) - class_logits[..., -1]


def sigmoid_kl(logits: Any, target: float) -> Any:
    """KL(target || sigmoid(l)) of two Bernoulli distributions, for each l; no mean is taken.

        max(l, 0) - l t + log1p(exp(-|l|)) - H(t),    H(t) = -t log t - (1 - t) log(1 - t)

    That is the cross-entropy less its least value, so that 0 is reached at sigmoid(l) = t. The
    derivative with respect to l is sigmoid(l) - t.

    Args:
        logits: l, a float tensor of any shape, which is that of the result.
        target: t, a Python float in 0..1; H is 0 at both ends.

    Raises:
        ValueError: The target is outside 0..1.
    """
    _check_probability("target", target)
    entropy = -sum(p * math.log(p) for p in (target, 1 - target) if p > 0)
    return ops.softplus(logits) - target * logits - entropy


def one_sided_discriminator(logits_real: Any, logits_fake: Any, smoothing: float = 0.25) -> Any:
    """mean KL(1 - smoothing || D(x)) + mean KL(0 || D(G(z))); section 3.4.

    It is the discriminator's loss of any GAN of two classes, whose logit is that of D; without
    smoothing, the usual -mean log D(x) - mean log(1 - D(G(z))).

    Only the target of real images is smoothed. With targets alpha on real and beta on generated
    images the best discriminator is

        D*(x) = (alpha p_data(x) + beta p_model(x)) / (p_data(x) + p_model(x))

    With beta > 0 p_model stands in its numerator: where p_data is nearly 0 and p_model is large, D*
    is near beta and flat, and nothing moves those samples towards the data. Hence beta = 0: D* is
    the usual one scaled by alpha = 1 - smoothing, and the discriminator is kept from extreme logits
    on real images.

    Args:
        logits_real: Logits of D on real images (one per image, or `gan_logits` of K + 1), a float
            tensor (N,) or (N, 1).
        logits_fake: Those on generated images, a float tensor (M,) or (M, 1).
        smoothing: 1 - alpha, what is taken off the target 1, a float in 0..1, 0.25 by default; 0:
            no smoothing.

    Raises:
        ValueError: The smoothing is outside 0..1.

    Example, in the training step of a GAN of one's own, whose D is at 0.9 on all images:
    >>> real, fake = np.full((4, 1), np.log(9.0)), np.full((4, 1), np.log(9.0))
    >>> [round(float(one_sided_discriminator(real, fake, s)), 3) for s in (0.0, 0.1)]
    [2.408, 2.303]
    """
    _check_probability("smoothing", smoothing)
    real = sigmoid_kl(logits_real, 1 - smoothing)
    return ops.mean(real) + ops.mean(sigmoid_kl(logits_fake, 0.0))


def smoothed_generator(logits_fake: Any, target: float = 0.375) -> Any:
    """mean KL(target || D(G(z))), the generator's loss of the ImageNet model.

    The loss is 0 where D(G(z)) equals `target`. The default is half of 0.75, the target of real
    images with smoothing 0.25; that is the optimal D where both densities are equal. Without
    smoothing the corresponding value is 0.5. With 1 the loss is -mean log D(G(z)), as in an
    ordinary GAN.

    Args:
        logits_fake: Logits of D on generated images, a float tensor (M,) or (M, 1).
        target: A float in 0..1, 0.375 by default; a `ValueError` otherwise.
    """
    return ops.mean(sigmoid_kl(logits_fake, target))


def _check_probability(name, value):
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in 0..1, not {value!r}")


@keras.saving.register_keras_serializable("improved_gan_tf")
def error_rate(labels: Any, logits: Any) -> Any:
    """The share of examples whose largest logit is not the label's, in 0..1.

    Args:
        labels: An integer tensor (N,) of classes in 0..K-1.
        logits: A float tensor (N, K), whose dtype is that of the result.
    """
    wrong = errors(labels, logits)
    return ops.mean(ops.cast(wrong, logits.dtype))


def errors(labels: Any, logits: Any) -> Any:
    """Returns which examples are misclassified: whose largest logit is not that of the label.

    Args:
        labels: An integer tensor (N,) of classes in 0..K-1.
        logits: A float tensor (N, K).

    Returns:
        A boolean tensor (N,).
    """
    return ops.not_equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
