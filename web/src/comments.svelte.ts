// Comments that are typed but not saved: kept in this browser until the next decision on the example is sent with them.
import { SvelteMap } from 'svelte/reactivity'

let prefix = 'labelsieve.note.'
const drafts = new SvelteMap<number, string>()

/** Load the comments of this run that an earlier page kept. */
export function recall(run: string) {
  prefix = `labelsieve.note.${run}.`
  for (let at = 0; at < localStorage.length; at++) {
    const key = localStorage.key(at)!
    if (key.startsWith(prefix)) drafts.set(Number(key.slice(prefix.length)), localStorage.getItem(key)!)
  }
}

export const draft = (i: number): string | undefined => drafts.get(i)

export function keep(i: number, text: string) {
  drafts.set(i, text)
  try {
    localStorage.setItem(prefix + i, text)
  } catch {
    // without storage the comment is still sent with the decision
  }
}

export function forget(i: number) {
  drafts.delete(i)
  localStorage.removeItem(prefix + i)
}
