"""What the pages of detectors and methods say beside their cards: the formula, and what the figure shows.

The formulae stand here and not in the docstrings, where LaTeX would be hard to read. `docs/write_cards.py` puts them on
the pages, `docs/draw_cards.py` draws the figures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Markdown of at most 120 characters a line."""

    formula: str
    figure: str


DETECTORS = {
    "aum": Text(
        r"""
With the logits $z$ of the training step in epoch $e$, the margin of the given label $y$ and its mean are

$$
m_e(x) = z_y - \max_{k \ne y} z_k, \qquad \mathrm{AUM}(x) = \frac{1}{E - 1} \sum_{e=2}^{E} m_e(x)
$$

The suspicion is $-\mathrm{AUM}$. Threshold samples are right examples that train with a class $K + 1$ that does not
exist. A label is flagged if its AUM is at most the 99th percentile of theirs, in each run in which it was not one of
them.
""",
        r"""
Left: margins by epoch, the median and the middle 80 %. Right: their mean. What lies left of the line, the 99th
percentile of the threshold samples of one run, is flagged.
""",
    ),
    "beta_mixture": Text(
        r"""
$\ell$ is the mean cross-entropy of an example over the epochs, mapped so that the 5th percentile is 0 and the 95th
is 1. With Beta densities $B$, the probability of the component with the larger mean is

$$
w(\ell) = \frac{\pi_1 B(\ell; a_1, b_1)}{\pi_0 B(\ell; a_0, b_0) + \pi_1 B(\ell; a_1, b_1)}
$$

Ten steps of EM fit it by moments: with the mean $m$ and the variance $v$ of the losses, weighted by the current
probabilities of the component,

$$
a = m \left( \frac{m (1 - m)}{v} - 1 \right), \qquad b = \frac{a (1 - m)}{m}
$$

The suspicion is $w$. A label is flagged if $w > 0.5$.
""",
        r"""
The losses, the two components that were fitted without knowing the colours, and the probability $w$ of the upper one
(right axis).
""",
    ),
    "blurry": Text(
        r"""
$$
L = -\, p_y^{\gamma} \ln p_y
$$

$p_y$ is the probability of the given label. With respect to the logits, the gradient is that of cross-entropy times

$$
p_y^{\gamma} \left( 1 + \gamma \ln p_y \right)
$$

which is negative where $p_y < e^{-1/\gamma}$, 0.135 with $\gamma = 0.5$: such an example is pushed away from its
label. The suspicion is $1 - p_y$, from a head that has not seen the example. [Confident
learning](confident_learning.md) on the same probabilities flags.
""",
        r"""
Top: the weight of an example in training. Below: how many held-out labels have that probability.
""",
    ),
    "confident_learning": Text(
        r"""
$p_j(x)$ is the out-of-sample probability of class $j$, and $t_j$ its mean over the $n_j$ examples labelled $j$. The
confident joint counts the examples labelled $i$ that look like class $j$:

$$
t_j = \frac{1}{n_j} \sum_{x : y = j} p_j(x), \qquad
C_{ij} = \left| \{ x : y = i, \; p_j(x) \ge t_j \} \right|
$$

Where several classes pass, the likeliest counts; where none does, the example is not counted. Each row is scaled to
$n_i$. For each pair $i \ne j$ the $C_{ij}$ examples labelled $i$ with the largest $p_j - p_i$ are flagged
(`prune_by_noise_rate`). The suspicion is $1 - p_y$.
""",
        r"""
Left: the confident joint outside its diagonal, from the given labels alone. Right: the labels that were really
changed. Classes are digits.
""",
    ),
    "consensus": Text(
        r"""
Each judge $r$ with probabilities $p^{(r)}$ gets a weight $a_r$ and a temperature $t_r$ that suits the given labels:

$$
\ln p_k = \sum_r \frac{a_r}{\sum_s a_s} \, \ln \mathrm{softmax}_k \left( t_r \ln p^{(r)} \right) + \mathrm{const}
$$

The suspicion is the log-odds that another class explains the example:

$$
s = \ln \frac{\sum_{k \ne y} p_k \, e^{\lambda_{ky}}}{p_y} + o_y
$$

$\lambda_{ky}$ is large where class $k$ is called $y$ more often than the other way round, and $o_y$ is a tenth of the
log-odds of the noise of class $y$. Both come from the noise transition matrix, which EM fits to the pool, and are
small.
""",
        r"""
Left: how often the likeliest class of each judge, and of the pool, is the true one. Right: the suspicion.
""",
    ),
    "gaussian_mixture": Text(
        r"""
$\ell$ is the mean cross-entropy of an example over the epochs, mapped so that the smallest is 0 and the largest is 1.
With normal densities $N$, the probability of the component with the larger mean is

$$
w(\ell) = \frac{\pi_1 N(\ell; \mu_1, \sigma_1^2)}{\pi_0 N(\ell; \mu_0, \sigma_0^2) + \pi_1 N(\ell; \mu_1, \sigma_1^2)}
$$

The suspicion is $w$. A label is flagged if $w > 0.5$.
""",
        r"""
The losses, the two components that were fitted without knowing the colours, and the probability $w$ of the upper one
(right axis).
""",
    ),
    "gce": Text(
        r"""
$$
L_q = \frac{1 - p_y^{q}}{q}
$$

$p_y$ is the probability of the given label. With respect to the logits, the gradient is that of cross-entropy times
$p_y^{q}$. The suspicion is $1 - p_y$, from a head that has not seen the example.
""",
        r"""
Top: the weight of an example in training. Below: how many held-out labels have that probability.
""",
    ),
    "knn_vote": Text(
        r"""
The voters are the example itself and its $k - 1$ nearest neighbours, with cosines $s_1 \ge s_2 \ge \ldots$ A neighbour
weighs its cosine, the example itself $2 s_1 - s_2$; nothing weighs less than 0. With the votes $v_c$ of all classes

$$
v_c = \sum_{j : y_j = c} w_j, \qquad \mathrm{suspicion} = -\ln \frac{v_y}{\sqrt{\sum_c v_c^2}}
$$

A label is flagged if another class has more votes.
""",
        r"""
Left: examples whose label is flagged and their six nearest neighbours, each below its given label. Right: the share of
neighbours that have the same label.
""",
    ),
    "lda": Text(
        r"""
With the class means $\mu_k$, the counts $c_k$ and the covariance $S$ within the classes, pooled over all of them and
shrunk,

$$
S_s = (1 - s)\, S + s\, \frac{\mathrm{tr}\, S}{d}\, I, \qquad
z_k = x^\top S_s^{-1} \mu_k - \tfrac12\, \mu_k^\top S_s^{-1} \mu_k + \ln c_k, \qquad p = \mathrm{softmax}(t z)
$$

All of it comes from the other folds. The suspicion is $1 - p_y$. [Confident learning](confident_learning.md) on the
same probabilities flags.
""",
        r"""
Three of the ten digits in the plane that separates them best. Each class is one cloud of the same shape (circle), and
most wrong labels (crosses) lie outside the cloud of their class.
""",
    ),
    "o2u": Text(
        r"""
In each cycle of $c = 10$ epochs the learning rate falls from $r_1$ to $r_2$:

$$
r(e) = (1 - t)\, r_1 + t\, r_2, \qquad t = \frac{(e \bmod c) + 1}{c}
$$

The suspicion is the loss of an example in its training steps, centred in each epoch and averaged over the cycles:

$$
s_i = \frac1E \sum_{e=1}^{E} \left( L_{i,e} - \frac1n \sum_{j=1}^{n} L_{j,e} \right)
$$
""",
        r"""
The loss of right and of wrong labels through the cycles, the median and the middle 80 %, above the learning rate.
""",
    ),
    "piecewise_zero": Text(
        r"""
$$
L = \begin{cases} -\ln p_y & \text{if } p_y \ge c \\ 0 & \text{else} \end{cases}
$$

$p_y$ is the probability of the given label. With respect to the logits, the gradient is that of cross-entropy where
$p_y \ge c$, and zero elsewhere. The suspicion is $1 - p_y$, from a head that has not seen the example. [Confident
learning](confident_learning.md) on the same probabilities flags.
""",
        r"""
Top: the weight of an example in training. Below: how many held-out labels have that probability.
""",
    ),
    "placement": Text(
        r"""
A linear discriminant tells a box from crops that were moved beside it, cut out of its inside and made too large. With
its out-of-sample probability $p$ that the box lies well,

$$
\mathrm{suspicion} = \ln \frac{1 - p}{p}
$$
""",
        r"""
Left: boxes around digits on a noisy ground, the most suspicious of those that lie well or badly. Right: the suspicion
of all boxes.
""",
    ),
    "promix": Text(
        r"""
In each of the last epochs the labels of class $j$ are ordered by their loss, the smallest first, and a label is
selected by one of two rules:

$$
\mathrm{rank}(x) \le \lceil \rho\, n_j \rceil \quad \text{(class-wise small loss)} \qquad \text{or} \qquad
p_y > \tau \quad \text{(matched high confidence)}
$$

The suspicion is the mean of $\mathrm{rank}(x) / n_j$, the smallest $\rho$ at which the label would be selected, and 0
where the second rule holds. A label is flagged if neither rule selects it in most of these epochs.
""",
        r"""
The share of the right and of the wrong labels of each digit that is selected in the last epoch. The line is $\rho$.
""",
    ),
    "votes": Text(
        r"""
$T_a[k, l]$ is the probability that annotator $a$ calls class $k$ by the name $l$, and $p$ the pool of the classifiers.
The probability of each class to be the true one is

$$
q_k(x) \propto p_k(x)^{t} \, \left( \prod_{a} T_a[k, l_a(x)] \right)^{w}, \qquad
T_a[k, l] = \frac{N_a[k, l] + s\, M_a[k, l]}{\sum_{l'} N_a[k, l'] + s}
$$

$N_a$ are the expected numbers of votes, $M_a$ is the matrix of all annotators with the errors scaled to those of $a$,
and EM fits $q$, $T$, $t$, $w$ and $s$. The suspicion is $\ln \frac{1 - q_y}{q_y}$. A label is flagged if another class
is likelier.
""",
        r"""
Six made-up annotators of different skill give three votes to each digit. Left: how right each is, estimated without the
true labels and in truth. Right: the suspicion of the majority's label.
""",
    ),
}

METHODS = {
    "blurry": Text(
        r"""
Cross-entropy for `delay` epochs, then

$$
L = -\, p_y^{\gamma} \ln p_y
$$

$p_y$ is the probability of the given label. The gradient is that of cross-entropy times
$p_y^{\gamma} (1 + \gamma \ln p_y)$, which is negative where $p_y < e^{-1/\gamma}$.
""",
        r"""
Left: the weight of an example in training, and the labels by their probability when the loss takes over. Right: the
course of the training.
""",
    ),
    "co_teaching": Text(
        r"""
Each network computes its losses of the batch $B$. In epoch $e$ it passes the examples with the smallest ones, a share
$R(e)$ of the batch, to the other network, which takes its step on them:

$$
R(e) = 1 - \tau \min \left( \frac{e}{\mathrm{ramp}}, 1 \right), \qquad
B_{1 \to 2} = \operatorname*{argmin}_{S \subset B,\; |S| = R(e) |B|} \; \sum_{x \in S} -\ln p_y^{(1)}(x)
$$

$\tau$ is the share of wrong labels.
""",
        r"""
Left: the share of each batch that is passed on, and the wrong labels in it. Right: the course of the training.
""",
    ),
    "dividemix": Text(
        r"""
A Gaussian mixture on the losses of the *other* network gives the probability $w$ that a label is right. Targets are
sharpened: $\mathrm{sharpen}(q)_k \propto q_k^{1/T}$. With the mean prediction $\bar p$ over two views, of one network
where the label is believed and of both where it is not,

$$
t = \begin{cases}
\mathrm{sharpen}(w\, \mathbf{1}_y + (1 - w)\, \bar p) & \text{if } w > 0.5 \text{ (labelled, } X) \\
\mathrm{sharpen}(\bar p) & \text{else (unlabelled, } U)
\end{cases}
$$

All inputs and targets are mixed by mixup, the own part $\lambda' = \max(\lambda, 1 - \lambda)$ with
$\lambda \sim \mathrm{Beta}(\alpha, \alpha)$. The loss is

$$
L = \frac{1}{|X|} \sum_{X} \sum_k -t_k \ln p_k + \lambda_u \frac{1}{K |U|} \sum_{U} \lVert p - t \rVert^2
+ \mathrm{KL} \left( \tfrac1K \;\Vert\; \frac1n \sum p \right)
$$
""",
        r"""
Left: the probability that each label is right, after the training. Right: the course of the training.
""",
    ),
    "elr": Text(
        r"""
Each example keeps a running mean $t$ of its predictions $p$, which gets no gradient:

$$
t \leftarrow \beta\, t + (1 - \beta)\, p, \qquad L = -\ln p_y + \lambda \ln \left( 1 - \langle t, p \rangle \right)
$$

$\lambda$ is the setting `strength`.
""",
        r"""
Left: what the memory $t$ of the examples with a *wrong* label holds, on average. Right: the course of the training.
""",
    ),
    "gce": Text(
        r"""
Cross-entropy for `delay` epochs, then

$$
L_q = \frac{1 - p_y^{q}}{q}
$$

$p_y$ is the probability of the given label. The gradient is that of cross-entropy times $p_y^{q}$.
""",
        r"""
Left: the weight of an example in training, and the labels by their probability when the loss takes over. Right: the
course of the training.
""",
    ),
    "lip": Text(
        r"""
$W$ (features by classes) is the head, $X$ its inputs for the training examples, $Y$ the given labels as one-hot rows,
and $u_i$, $s_i$, $v_i$ the singular components of $W$. The first $k$ stay; in the others $s_i$ is replaced by

$$
\sigma_i = \frac{u_i^\top X^\top Y v_i}{\lVert X u_i \rVert^2}, \qquad
W^* = \sum_{i \le k} s_i\, u_i v_i^\top + \sum_{i > k} \sigma_i\, u_i v_i^\top
$$

which is the least-squares fit of $Y$ over these entries: no training, one SVD.
""",
        r"""
The singular values of a head that was trained on digits with 40 % wrong labels, before and after `--keep 0.5`.
""",
    ),
    "m_dyr": Text(
        r"""
After every epoch a Beta mixture is fitted to the losses (as [`beta_mixture`](../detectors/beta_mixture.md) does), and
$w$ is the probability that a label is wrong. Inputs are mixed in pairs $a$, $b$ by mixup. With
$\lambda \sim \mathrm{Beta}(\alpha, \alpha)$, the prediction $p$ of the mixture, and the prediction $g$ of the unmixed
example, which gets no gradient,

$$
L = \lambda\, \ell_a + (1 - \lambda)\, \ell_b + R, \qquad
\ell = -(1 - w) \ln p_y - w \sum_k g_k \ln p_k, \qquad
R = \sum_k \frac1K \ln \frac{1/K}{\bar p_k}
$$

where $\bar p$ is the mean prediction of the batch. M-DYR-H takes the predicted class for $g$ (one-hot), M-DYR-S the
probabilities. MD-DYR-SH takes the softmax of the logits divided by a temperature that falls from 1 to 0.001, one half
for $\lambda$, and mixes the inputs in proportion to $1 - w$.
""",
        r"""
Left: the weight $w$ of each label after the training. Right: the course of the training.
""",
    ),
    "mixup": Text(
        r"""
A batch is paired with a permutation of itself. With $\lambda \sim \mathrm{Beta}(\alpha, \alpha)$, drawn once per batch,

$$
\tilde x = \lambda\, x_a + (1 - \lambda)\, x_b, \qquad
L = -\lambda \ln p_{y_a}(\tilde x) - (1 - \lambda) \ln p_{y_b}(\tilde x)
$$
""",
        r"""
Left: two digits and what the network sees in their place, half of each. Right: the course of the training.
""",
    ),
    "o2u": Text(
        r"""
Stage 1 trains on everything. In stage 2 the learning rate falls from $r_1$ to $r_2$ in each cycle of $c$ epochs, and
the loss of each training step is centred in its epoch and summed:

$$
r(e) = (1 - t)\, r_1 + t\, r_2, \qquad t = \frac{(e \bmod c) + 1}{c}, \qquad
s_i = \sum_{e} \left( L_{i,e} - \frac1n \sum_{j=1}^{n} L_{j,e} \right)
$$

The examples with the largest $s_i$, as many as the share of wrong labels says, are removed, and stage 3 trains a fresh
network on the rest.
""",
        r"""
Left: the score of stage 2; what lies right of the line is removed. Right: the course of the training, stage after
stage.
""",
    ),
    "piecewise_zero": Text(
        r"""
Cross-entropy for `delay` epochs, then

$$
L = \begin{cases} -\ln p_y & \text{if } p_y \ge c \\ 0 & \text{else} \end{cases}
$$

$p_y$ is the probability of the given label. The mean is over all examples, those with a zero included.
""",
        r"""
Left: the weight of an example in training, and the labels by their probability when the loss takes over. Right: the
course of the training.
""",
    ),
    "promix": Text(
        r"""
A label is trusted if its loss is among the smallest of its class (CSS, a share $\rho$), or if its probability is above
$\tau$ (MHCS); late in the run a guess on which both networks agree with a probability above $\tau$ joins them (LGA).
With $\pi_A$ and $\pi_U$, the running class distributions of the trusted and of the other examples, losses of logits $z$
and pseudo-labels are

$$
D_\pi(z, t) = -\sum_k t_k \ln \mathrm{softmax}_k(z + \alpha \ln \pi), \qquad
g = \mathrm{sharpen} \left( \mathrm{softmax}(z - \alpha \ln \pi_U) \right)
$$

On the trusted examples $A$ both heads train, on the others $U$ the auxiliary head alone, with the guess $g$ of the
primary one. With a weak and a strong view $a$, $s$ of an example, and ramps $r$ and $\beta$ over the run,

$$
L = \sum_{A} \left( D_{\pi_A}(a, y) + r \left( D_{\pi_A}(s, y) + \text{mixup} + \text{FMix} \right) \right)
+ \beta \sum_{U} \left( D_{\pi_U}(a, g) + r\, D_{\pi_U}(s, g) \right)
$$
""",
        r"""
Left: the share of labels that one network selects, by their loss or their probability, the share with a probability
above $\tau$, and the wrong labels among the selected. Right: the course of the training.
""",
    ),
    "standard": Text(
        r"""
$$
L = -\ln p_y, \qquad \eta_e = \frac{\eta_0}{2} \left( 1 + \cos \frac{\pi e}{E} \right)
$$

$p_y$ is the probability of the given label, $\eta_e$ the learning rate of epoch $e$ of $E$.
""",
        r"""
Left: the probability of the given label by epoch, the median and the middle 80 %: the right ones are learnt first, then
the wrong ones. Right: accuracy on clean test data, and the share of wrong labels that the network predicts.
""",
    ),
}
