// The keys of the classes, and the addresses of pictures.
import type { Cell, Detail, Run } from './api'

/** The classes that have a key, in class order: all if there are at most 20, else the ten most frequent of the view.
 *  They do not change within a view. */
export function keyed(run: Run, cells: Cell[]): string[] {
  if (run.classes.length <= 20) return run.classes
  const weight = new Map<string, number>()
  for (const cell of cells.length ? cells : run.cells) {
    weight.set(cell.given, (weight.get(cell.given) ?? 0) + cell.count)
    weight.set(cell.other, (weight.get(cell.other) ?? 0) + cell.count)
  }
  const most = [...weight].sort((a, b) => b[1] - a[1]).map(([label]) => label)
  const ten = new Set([...most, ...run.classes.slice(0, 10)].slice(0, 10))
  return run.classes.filter((label) => ten.has(label))
}

/** The answer "no" to the question about a class, as core/questions.py writes it. */
export const no = (asked: string) => `not ${asked}`

/** The classes of one example, most likely first: by its probabilities if known, else by the labels of its neighbours.
 *  */
export function likely(run: Run, detail: Detail): string[] {
  const votes = new Map<string, number>()
  for (const near of detail.neighbours) votes.set(near.given, (votes.get(near.given) ?? 0) + (near.similarity ?? 0))
  const near = [...votes].sort((a, b) => b[1] - a[1]).map(([label]) => label)
  const known = (detail.top ?? []).map((each) => each.label)
  return [...new Set([...known, detail.other, detail.given, ...near, ...run.classes.slice(0, 20)])]
    .filter((label) => label !== null)
    .slice(0, run.classes.length <= 20 ? 20 : 10)
}

/** The key of each class. A class named by a digit has that digit. The others get the free ones of 1 to 9 and 0, then
 *  shift with a digit. Further classes have no key. */
export function keysOf(labels: string[]): Map<string, string> {
  const own = new Map(labels.filter((label) => /^[0-9]$/.test(label)).map((label) => [label, label]))
  const digits = [...'1234567890']
  const free = [...digits.filter((digit) => !own.has(digit)), ...digits.map((digit) => `shift+${digit}`)]
  const rest = labels.filter((label) => !own.has(label)).map((label, at) => [label, free[at]] as const)
  return new Map([...own, ...rest].filter((pair): pair is [string, string] => pair[1] !== undefined))
}

const version = (run: Run) => encodeURIComponent(run.id)
export const thumb = (run: Run, i: number) => `/thumb/${i}.webp?v=${version(run)}`
export const image = (run: Run, i: number) => `/image/${i}?v=${version(run)}`
