// The loss curve of an example described in one sentence.
import type { Detail } from './api'
import type { Message } from './messages'

const NEAR = 0.1 // a loss up to this is near 0: the label has a probability of 90 % or more
const LATE = 0.05 // an early loss below this is low, whatever the losses of the class are

const mean = (series: (number | null)[]) => {
  const known = series.filter((x): x is number => x !== null)
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN
}

export function described(curve: NonNullable<Detail['curve']>): Message | null {
  const epochs = curve.loss.length
  if (epochs < 3) return null
  const last = Math.max(1, Math.round(epochs / 5)) // the last fifth
  const first = Math.max(1, Math.round(epochs / 3))
  const [end, endMedian, endHigh] = [curve.loss, curve.median, curve.high].map((series) => mean(series.slice(-last)))
  const [early, earlyHigh] = [curve.loss, curve.high].map((series) => mean(series.slice(0, first)))
  if (![end, endMedian, endHigh, early, earlyHigh].every(Number.isFinite)) return null
  const slow = early > Math.max(LATE, earlyHigh)
  if (end <= NEAR && endMedian <= NEAR) return slow ? 'curve_late' : 'curve_heart'
  if (end > Math.max(endHigh, NEAR)) return 'curve_high'
  return slow ? 'curve_slow' : 'curve_among'
}
