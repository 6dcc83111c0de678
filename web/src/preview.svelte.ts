// The example that is shown large while its small picture or excerpt is under the pointer or has the focus.
/** `left` is the left edge of the panel around the element, so that the preview does not cover the panel. */
export type Previewed = { i: number; label: string; left: number; right: number; top: number }

export const preview = $state<{ at: Previewed | null }>({ at: null })

/** Handlers for the element of example `i`. */
export function previewed(i: number, label: string) {
  const show = (event: Event) => {
    const here = event.currentTarget as HTMLElement
    const around = (here.closest('aside') ?? here).getBoundingClientRect()
    preview.at = {
      i,
      label,
      left: around.left,
      right: here.getBoundingClientRect().right,
      top: here.getBoundingClientRect().top,
    }
  }
  const hide = () => {
    if (preview.at?.i === i) preview.at = null
  }
  return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }
}
