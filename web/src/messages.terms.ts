// Explanations of the page's terms: shown under the pointer or with the focus.
export const termsEn = {
  curve_among: 'The loss is similar to that of its class: the curve supports the label.',
  curve_heart:
    'The models have memorised this label, and those of its class: every loss is near 0, so the curve says little.',
  curve_high: 'The loss ends higher than nine in ten of its class: the models do not fit the label.',
  curve_late:
    'The models have memorised this label, and those of its class. But at first its loss was higher than nine in ' +
      'ten of the class.',
  curve_slow:
    'The loss ends within its class, but at first it was higher than nine in ten of it: the models learnt this ' +
      'label slowly.',
  glossary: 'Terms',
  language: 'Language: {now}',
  term_agreement: 'How often other reviewers gave the same answer on the same example.',
  term_aum:
    'AUM, area under the margin: how far the given label is ahead of the best other one, on average over the training.',
  term_beta_mixture: 'Beta mixture: splits the losses into a low and a high group. The high group is suspicious.',
  term_blurry: 'Blurry loss: gives hard labels less weight. Labels that the models do not fit are suspicious.',
  term_confident_learning:
    'Confident learning: the given label is less probable than usual for its class, and another class is more ' +
      'probable than usual.',
  term_consensus:
    'Consensus: the agreement of all detectors. It sets the order and, after calibration, the probability that ' +
      'the label is wrong.',
  term_doubted:
    'Doubted: the label is more likely wrong than right (p(wrong) above one half), with the decisions so far.',
  term_duplicate: 'A duplicate or near-duplicate in the data has another label.',
  term_expected:
    'Expected wrong: the sum of the probabilities that the labels are wrong. Ten labels with p(wrong) 0.3 make three.',
  term_gaussian_mixture:
    'Gaussian mixture: splits the losses into a low and a high group. The high group is suspicious.',
  term_gce:
    'GCE, generalised cross-entropy: wrong labels have less influence. Labels that the models do not fit are ' +
      'suspicious.',
  term_given: 'Given: the label in the data.',
  term_interval:
    'A 95% interval contains the true number about 19 times in 20; it needs a reviewed random sample. Before that, the ' +
    'range depends on what is assumed: hard examples look like wrong labels.',
  term_kappa: 'κ (kappa): agreement beyond chance. 1 is always the same answer, 0 no more agreement than by chance.',
  term_placement: 'Placement: the box does not lie on its object as other boxes lie on theirs.',
  term_knn_vote: 'kNN vote: the labels of the nearest neighbours.',
  term_lda: 'LDA, linear discriminant analysis: how far the example is from the others of its class, against other classes.',
  term_likely: 'Likely: the most probable class other than the given one.',
  term_loss: 'Loss: how unexpected the label is to a model. Low: it expected this label; high: it expected another.',
  term_model: 'A held-out model: it was trained without this example, so it cannot have memorised its label.',
  term_neighbours: 'The examples with the most similar features. Their labels may be wrong too.',
  term_o2u:
    'O2U: the average loss while the learning rate goes up and down. Wrong labels are learnt and forgotten again.',
  term_p_wrong:
    'p(wrong): the estimated probability that the given label is wrong. Of ten labels with 0.3, about three are wrong.',
  term_piecewise_zero: 'Piecewise-zero loss: ignores labels with a low probability. Ignored labels are suspicious.',
  term_precision: 'The expected share of wrong labels among the examples at or above this p(wrong).',
  term_promix: 'ProMix: no model predicts the label with confidence, and its loss is not low within its class.',
  term_rate: 'Rate: expected wrong labels divided by the examples of the class.',
  term_reliability:
    'If the probabilities are right, the share of wrong labels equals the probability, and the dots are on the line.',
  term_similarity: 'Similarity: the cosine between the features; 100% is the same direction.',
  term_taken: 'The share of decisions that took the suggestion, where there was one.',
  term_votes:
    'Votes: what each annotator called this example. A dashed chip differs from the consensus, which weighs each ' +
      'annotator by how right and how independent he is.',
}

export const termsZh: Record<keyof typeof termsEn, string> = {
  curve_among: '它与同类样本的损失走势一致：曲线支持这个标签。',
  curve_heart: '模型已把这个标签背了下来，同类样本也都如此：所有损失都接近 0，因此曲线说明不了什么。',
  curve_high: '它最终高于同类中九成的样本：模型未能拟合这个标签。',
  curve_late: '模型最终背下了这个标签，同类样本也都如此；但起初它的损失高于同类中九成的样本。',
  curve_slow: '它最终与同类相近，但起初损失高于同类中九成的样本：模型接受这个标签较慢。',
  glossary: '名词解释',
  language: '语言：{now}',
  term_agreement: '其他人回答同一样本时给出相同答案的比例。',
  term_aum: 'AUM（间隔下面积）：训练过程中原标签平均领先其他最佳类别多少。',
  term_beta_mixture: 'Beta 混合：把损失分成低、高两组；高的一组可疑。',
  term_blurry: 'Blurry 损失：降低难学标签的权重；模型未能拟合的标签可疑。',
  term_confident_learning: '置信学习：原标签的概率低于该类别的通常水平，而另一类别的概率达到了。',
  term_consensus: '共识：所有检测器的一致意见；它决定排序，校准后就是标签有误的概率。',
  term_doubted: '受怀疑：按目前的决定，标签有误的概率大于二分之一。',
  term_duplicate: '同一样本（或几乎相同的样本）在数据中出现多次，而标签不同。',
  term_expected: '预计有误：标签有误概率之和。十个概率为 0.3 的标签合计为三个。',
  term_gaussian_mixture: '高斯混合：把损失分成低、高两组；高的一组可疑。',
  term_gce: 'GCE（广义交叉熵）：错误标签的影响较小；模型未能拟合的标签可疑。',
  term_given: '原标签：数据自带的标签。',
  term_interval:
    '95% 区间在二十次中约有十九次包含真实数量，需要先审核随机样本。在此之前，范围取决于所作的假设：难例看起来与错误标签相似。',
  term_kappa: 'κ（kappa）：扣除偶然后的一致程度。1 为始终一致，0 为不高于偶然。',
  term_placement: '位置：该边框与物体的位置关系和其他边框不同。',
  term_knn_vote: 'kNN 投票：最近邻带有哪些标签。',
  term_lda: 'LDA（线性判别分析）：样本离本类有多远，离其他类别又有多远。',
  term_likely: '可能类别：除原标签外概率最大的类别。',
  term_loss: '损失：模型对标签的意外程度。低：它预期的就是这个标签；高：它预期的是另一个。',
  term_model: '留出模型：训练时没有用到此样本，因此不可能把它的标签背下来。',
  term_neighbours: '特征最相似的样本。它们的标签同样未经核实。',
  term_o2u: 'O2U：学习率升降过程中的平均损失；错误的标签会学会又忘记。',
  term_p_wrong: '有误概率：估计原标签有误的概率。十个概率为 0.3 的标签中约有三个有误。',
  term_piecewise_zero: '分段零损失：忽略概率很低的标签；被忽略的标签可疑。',
  term_precision: '有误概率不低于此值的样本中，预计标签有误的比例。',
  term_promix: 'ProMix：模型没有以高置信度给出该标签，其损失在同类中也不低。',
  term_rate: '比例：某类别预计有误的标签数与样本数之比。',
  term_reliability: '若概率可信，实际有误的比例应与所给概率一致：点落在直线上。',
  term_similarity: '相似度：特征之间的余弦；100% 表示方向相同。',
  term_taken: '在有建议的情况下，采纳建议的决定所占比例。',
  term_votes: '投票：每位标注者给此样本的标签。虚线框表示与共识不同；共识按每位标注者的准确程度加权。',
}
