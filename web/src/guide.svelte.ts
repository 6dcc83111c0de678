// The meaning of the classes: names for codes, and guidelines.
import type { Meaning } from './api'

const kept = $state<{ of: Record<string, Meaning> }>({ of: {} })

export const learn = (guide: Record<string, Meaning>) => (kept.of = guide)
export const meaning = (label: string | null): Meaning | undefined => (label === null ? undefined : kept.of[label])
export const guided = () => Object.keys(kept.of).length > 0

/** A class in full: its code, and its name if it has one. */
export function named(label: string | null): string {
  const name = meaning(label)?.name
  return label === null ? '' : name && name !== label ? `${label} · ${name}` : label
}

/** A class in short: its name alone. */
export const brief = (label: string | null): string => meaning(label)?.name || label || ''

/** The tooltip of a class: its name and its guideline. */
export function hint(label: string | null): string {
  const guideline = meaning(label)?.guideline
  return guideline ? `${named(label)}\n${guideline}` : named(label)
}
