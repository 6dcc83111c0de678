// Why an example is suspected, in the reader's language: the server sends codes and numbers.
import type { Detail, Reason } from './api'
import { percent, t } from './messages'

const voters = (why: { agree: number; of?: number }) =>
  why.of ? t('share_of', { part: Math.round(why.agree * why.of), all: why.of }) : percent(why.agree)

export const inWords = (why: Reason, detail: Detail): string => {
  if (why.code === 'model')
    return t('why_model', {
      likely: percent(why.likely),
      own: percent(why.given),
      other: detail.other ?? '',
      given: detail.given ?? '',
    })
  if (why.code === 'neighbours')
    return why.agree === 0 ? t('why_neighbours_none') : t('why_neighbours', { share: voters(why) })
  if (why.code === 'votes') return t('why_votes', { share: t('share_of', { part: why.agree, all: why.of }) })
  if (why.code === 'no_neighbours') return t('why_no_neighbours')
  if (why.code === 'placement') return t(`why_${why.kind}`, { p: percent(why.p) })
  return t('why_duplicate')
}
