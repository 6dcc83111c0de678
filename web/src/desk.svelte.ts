// What is saved, what was said, and how far the review is: read by every part of the page.
import type { Calibrated } from './api'

export const desk = $state({
  unsaved: 0,
  said: '', // for the status line and the screen reader
  error: '',
  decided: 0,
  progress: null as Calibrated | null,
  readonly: false,
})
