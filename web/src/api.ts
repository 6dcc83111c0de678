// How the page talks to the server. The types of the answers are written from src/labelsieve/page/api.py.
import type { Answers, Choice } from './api.types'

export type * from './api.types'
/** A choice for an example, and whose it is where that is known. */
export type Decision = Choice & { reviewer?: string }

/** The server refused a request. `temporary` is true where the same request may be accepted later. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
  get temporary() {
    return this.status >= 500 || [401, 403, 408, 429].includes(this.status)
  }
}

/** The reviewer that every request names. */
export const reviewer = { name: '' }

/** Ask one route; `rest` is what follows it in the address. With a body it is a POST. */
export async function ask<Route extends keyof Answers>(
  route: Route,
  rest = '',
  body?: unknown,
  name = reviewer.name,
): Promise<Answers[Route]> {
  const json: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' }
  const response = await fetch(route + rest, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'X-Reviewer': encodeURIComponent(name), ...json },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const answer = await response.json().catch(() => ({ error: response.statusText }))
  if (!response.ok) throw new Refused(response.status, answer.error ?? response.statusText)
  return answer
}

/** A random id. `crypto.randomUUID` is missing where the page is served to another machine without TLS. */
export function uuid(): string {
  const b = crypto.getRandomValues(new Uint8Array(16))
  b[6] = (b[6] & 15) | 64
  b[8] = (b[8] & 63) | 128
  return [...b].map((x, at) => ([4, 6, 8, 10].includes(at) ? '-' : '') + x.toString(16).padStart(2, '0')).join('')
}
