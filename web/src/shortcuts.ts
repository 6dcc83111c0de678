// All keys arrive here. A component binds a map of keys while it is shown; the last map bound comes first.
type Bindings = Record<string, (event: KeyboardEvent) => void>
const bound: Bindings[] = []
const REPEATABLE = /^(shift\+)?(arrow|page|home|end|[hjkl]$)/ // a key that is held down must not decide many examples

export function bind(keys: Bindings): () => void {
  bound.push(keys)
  return () => {
    bound.splice(bound.indexOf(keys), 1)
  }
}

/** The name of a key: "q", "shift+u", "ctrl+z", "?", "arrowleft". Without Latin letters, the key's position counts. */
function name(event: KeyboardEvent): string {
  let key = event.key.toLowerCase()
  if (key.length === 1 && key > '~' && /^Key[A-Z]$/.test(event.code)) key = event.code.slice(3).toLowerCase()
  if (key === ' ') key = 'space'
  const ctrl = event.ctrlKey || event.metaKey ? 'ctrl+' : ''
  const digit = /^Digit(\d)$/.exec(event.code)
  if (digit && event.shiftKey && !/[0-9/?]/.test(key)) return `${ctrl}shift+${digit[1]}`
  const shift = event.shiftKey && (key.length > 1 || /[a-z]/.test(key)) ? 'shift+' : ''
  return ctrl + shift + key
}

const FIELDS = 'input, select, textarea, [contenteditable]'
/** Leave a field, so that the next key is a key of the page again. */
export function leave(field: HTMLElement) {
  field.blur()
  document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true })
}

/** A key in a field, in an open dialog, or with Ctrl, Alt or Meta never decides anything. With Ctrl or Meta only keys
 *  that are bound by that name ("ctrl+z") are handled; the others are left to the browser. */
export function onkey(event: KeyboardEvent) {
  const target = event.target as HTMLElement
  if (event.isComposing || event.altKey || event.getModifierState?.('AltGraph') || event.defaultPrevented) return
  if (target.matches?.(FIELDS)) {
    if (event.key === 'Escape') leave(target)
    return
  }
  const key = name(event)
  if (target.matches?.('button, a, summary') && (key === 'enter' || key === 'space')) return
  const keys = bound.findLast((map) => key in map || '*' in map)
  if (!keys || !(key in keys)) return
  if (document.querySelector('dialog[open]') && !('*' in keys)) return
  event.preventDefault()
  if (!event.repeat || REPEATABLE.test(key)) keys[key](event)
}
