// What is shown large while the pointer rests on a small picture or an excerpt, or the focus is on it.
export type Peeked = { i: number; label: string; beside: DOMRect }

export const peek = $state<{ at: Peeked | null }>({ at: null })

/** Handlers for the element that stands for example `i`. */
export function peeking(i: number, label: string) {
  const show = (event: Event) => {
    peek.at = { i, label, beside: (event.currentTarget as HTMLElement).getBoundingClientRect() }
  }
  const hide = () => {
    if (peek.at?.i === i) peek.at = null
  }
  return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }
}
