// What is shown large while the pointer rests on a small picture or an excerpt, or the focus is on it.
/** `left` is the left edge of the panel that the element is in, so that nothing of it is covered. */
export type Peeked = { i: number; label: string; left: number; right: number; top: number }

export const peek = $state<{ at: Peeked | null }>({ at: null })

/** Handlers for the element that stands for example `i`. */
export function peeking(i: number, label: string) {
  const show = (event: Event) => {
    const here = event.currentTarget as HTMLElement
    const around = (here.closest('aside') ?? here).getBoundingClientRect()
    peek.at = { i, label, left: around.left, right: here.getBoundingClientRect().right, top: here.getBoundingClientRect().top }
  }
  const hide = () => {
    if (peek.at?.i === i) peek.at = null
  }
  return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }
}
