// The explanation that is open, and beside what.
export const tip = $state<{ at: { text: string; x: number; y: number } | null }>({ at: null })

export function tipping(text: () => string) {
  const show = (event: Event) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect()
    tip.at = { text: text(), x: box.left, y: box.bottom }
  }
  const hide = () => (tip.at = null)
  return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }
}
