// The state of saving, the last message, and the progress of the review: every part of the page reads them.
import type { Progress } from './api'

export const desk = $state({
  unsaved: 0,
  message: '', // for the status line and the screen reader
  error: '',
  progress: null as Progress | null,
  readonly: false,
})
