// The explanation that is open, and its position.
export const tooltip = $state<{ at: { text: string; x: number; y: number } | null }>({ at: null })

export function explained(text: () => string) {
  const show = (event: Event) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect()
    tooltip.at = { text: text(), x: box.left, y: box.bottom }
  }
  const hide = () => (tooltip.at = null)
  return { onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }
}
