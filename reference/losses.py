"""The objectives of sections 3.1, 3.2, 3.4 and 5, their gradients, and the explicit (K+1)-way form.

Source: the expressions loss_lab, loss_unl, loss_gen and train_err of the training scripts, and
log_sum_exp of nn.py; in imagenet/: model.py (sigmoid_kl_with_logits), discriminator.py
(gan_logits) and build_model.py (d_loss, g_loss). Logits are (N, K), labels (N,), features (N, F),
log Z = log sum_k exp l_k and D = sigmoid(log Z).
"""

import numpy as np

from .activations import sigmoid, softplus


def log_sum_exp(logits):
    """log sum_k exp l_k over the last axis, with the largest logit subtracted first."""
    top = np.max(logits, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(logits - top), axis=-1))


def softmax(logits):
    """exp(l_k - log Z), which is also the derivative of log Z with respect to l_k."""
    return np.exp(logits - log_sum_exp(logits)[..., None])


def _one_hot(labels, classes):
    return np.eye(classes)[labels]


def supervised(labels, logits):
    """mean(log Z - l_y)."""
    return np.mean(log_sum_exp(logits)) - np.mean(logits[np.arange(len(labels)), labels])


def supervised_gradient(labels, logits):
    """(softmax - one hot) / N."""
    return (softmax(logits) - _one_hot(labels, logits.shape[1])) / len(labels)


def unsupervised(unlabeled, fake):
    """-1/2 mean log D(x) - 1/2 mean log(1 - D(G(z))), log D = -softplus(-log Z)."""
    real, generated = log_sum_exp(unlabeled), log_sum_exp(fake)
    return 0.5 * np.mean(softplus(-real)) + 0.5 * np.mean(softplus(generated))


def unsupervised_gradients(unlabeled, fake):
    """With respect to both: -1/2 (1 - D) softmax / N and 1/2 D softmax / M, D = sigmoid(log Z)."""
    real, generated = log_sum_exp(unlabeled), log_sum_exp(fake)
    return (
        -0.5 * sigmoid(-real)[:, None] * softmax(unlabeled) / len(unlabeled),
        0.5 * sigmoid(generated)[:, None] * softmax(fake) / len(fake),
    )


def feature_matching(real, fake, distance="squared"):
    """The mean over features of the squared or absolute difference of the two batches' means."""
    difference = fake.mean(0) - real.mean(0)
    return np.mean(difference**2) if distance == "squared" else np.mean(np.abs(difference))


def feature_matching_gradient(real, fake, distance="squared"):
    """With respect to `fake`: every example has the same gradient."""
    difference = fake.mean(0) - real.mean(0)
    slope = 2 * difference if distance == "squared" else np.sign(difference)
    return np.tile(slope / fake.size, (len(fake), 1))


def minibatch_generator(fake):
    """-mean softplus(log Z)."""
    return -np.mean(softplus(log_sum_exp(fake)))


def minibatch_generator_gradient(fake):
    """-D softmax / N."""
    return -sigmoid(log_sum_exp(fake))[:, None] * softmax(fake) / len(fake)


def gan_logits(class_logits):
    """log sum_{k <= K} exp l_k - l_{K+1}; class_logits (N, K + 1)."""
    return log_sum_exp(class_logits[:, :-1]) - class_logits[:, -1]


def gan_logits_gradient(class_logits, upstream):
    """With respect to class_logits; `upstream` (N,) is the gradient at the `gan_logits`."""
    return upstream[:, None] * np.concatenate(
        [softmax(class_logits[:, :-1]), -np.ones((len(class_logits), 1))], axis=1
    )


def sigmoid_kl(logits, target):
    """t log(t / D) + (1 - t) log((1 - t) / (1 - D)), D = sigmoid(l), without terms of weight 0.

    Elementwise. log D = -softplus(-l) and log(1 - D) = -softplus(l). The derivative is D - t.
    """
    divergence = np.zeros(np.shape(logits))
    for p, log_q in ((target, -softplus(-logits)), (1 - target, -softplus(logits))):
        if p > 0:
            divergence += p * (np.log(p) - log_q)
    return divergence


def one_sided_discriminator(real, fake, smoothing=0.25):
    """mean KL(1 - smoothing || D) on real logits + mean KL(0 || D) on fake ones."""
    return np.mean(sigmoid_kl(real, 1 - smoothing)) + np.mean(sigmoid_kl(fake, 0))


def one_sided_discriminator_gradients(real, fake, smoothing=0.25):
    """With respect to both: (D - t) / their number."""
    return (sigmoid(real) - (1 - smoothing)) / len(real), sigmoid(fake) / len(fake)


def smoothed_generator(fake, target=0.375):
    """mean KL(target || D)."""
    return np.mean(sigmoid_kl(fake, target))


def smoothed_generator_gradient(fake, target=0.375):
    """(D - target) / N."""
    return (sigmoid(fake) - target) / len(fake)


def error_rate(labels, logits):
    """The fraction of the examples whose largest logit is not the label's."""
    return np.mean(np.argmax(logits, axis=1) != labels)


def explicit_log_probabilities(logits):
    """log p(y = 1 .. K+1 | x) of the (K+1)-way softmax whose last logit is 0; (N, K + 1).

    The paper states the model in this form. The losses above follow from it:
        supervised   = -mean(log p_y - log(1 - p_{K+1}))
        unsupervised = -1/2 mean log(1 - p_{K+1}(x)) - 1/2 mean log p_{K+1}(G(z))
    """
    extended = np.concatenate([logits, np.zeros((len(logits), 1))], axis=1)
    return extended - log_sum_exp(extended)[:, None]
