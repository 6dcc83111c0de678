// What this browser remembers of its reader.
import { who } from './api'

const KEY = 'labelsieve.prefs'
const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}')
  } catch {
    return {}
  }
}

export const prefs = $state({ reviewer: '', theme: '', language: '', size: 1, likely: false, guide: true, ...kept() }) as {
  reviewer: string
  theme: '' | 'light' | 'dark'
  language: '' | 'en' | 'zh-CN' // '' as the browser says
  size: number // of the pictures in the grid: 0, 1, 2
  likely: boolean // class keys by likelihood
  guide: boolean // whether what the classes mean is unfolded
}
who.name = prefs.reviewer

export function prefer(change: Partial<typeof prefs>) {
  Object.assign(prefs, change)
  who.name = prefs.reviewer
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs))
  } catch {
    // a browser that keeps nothing still works
  }
}
