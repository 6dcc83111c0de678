// Preferences, kept in this browser.
import { reviewer } from './api'

const KEY = 'labelsieve.prefs'
const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}')
  } catch {
    return {}
  }
}

export const prefs = $state({
  reviewer: '',
  theme: '',
  language: '',
  size: 1,
  likely: false,
  crop: false,
  guide: true,
  ...kept(),
}) as {
  reviewer: string
  theme: '' | 'light' | 'dark'
  language: '' | 'en' | 'zh-CN' // '' takes the browser's language
  size: number // of the pictures in the grid: 0, 1, 2
  likely: boolean // class keys by likelihood
  crop: boolean // whether a box is shown alone, without its picture
  guide: boolean // whether the meaning of the classes is unfolded
}
reviewer.name = prefs.reviewer

export function prefer(change: Partial<typeof prefs>) {
  Object.assign(prefs, change)
  reviewer.name = prefs.reviewer
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs))
  } catch {
    // the page works without storage
  }
}
