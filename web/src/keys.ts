// One place where keys arrive. A part of the page binds a map of keys while it is shown; the last one bound is asked first.
type Bindings = Record<string, (event: KeyboardEvent) => void>
const bound: Bindings[] = []
const REPEATABLE = /^(shift\+)?(arrow|page|home|end|[hjkl]$)/ // a key held down must not decide example after example

export function bind(keys: Bindings): () => void {
  bound.push(keys)
  return () => {
    bound.splice(bound.indexOf(keys), 1)
  }
}

/** The name of a key: "q", "shift+u", "ctrl+z", "?", "arrowleft". A keyboard without Latin letters is read by position. */
function name(event: KeyboardEvent): string {
  let key = event.key.toLowerCase()
  if (key.length === 1 && key > '~' && /^Key[A-Z]$/.test(event.code)) key = event.code.slice(3).toLowerCase()
  if (key === ' ') key = 'space'
  const digit = /^Digit(\d)$/.exec(event.code)
  if (digit && event.shiftKey && !/[0-9/?]/.test(key)) return `shift+${digit[1]}`
  const shift = event.shiftKey && (key.length > 1 || /[a-z]/.test(key)) ? 'shift+' : ''
  return (event.ctrlKey || event.metaKey ? 'ctrl+' : '') + shift + key
}

export function onkey(event: KeyboardEvent) {
  const target = event.target as HTMLElement
  if (event.isComposing || event.altKey) return
  if (target.matches('input, select, textarea') && event.key !== 'Escape') return
  const key = name(event)
  if (target.matches('button, a, summary') && (key === 'enter' || key === 'space')) return
  const keys = bound.findLast((map) => key in map || '*' in map)
  if (!keys || !(key in keys)) return
  event.preventDefault()
  if (!event.repeat || REPEATABLE.test(key)) keys[key](event)
}
