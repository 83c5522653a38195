/** The URL of a request, as the web writes it: without dots that go up, default ports and characters that a URL cannot hold. */

import { HTTPError } from '../errors'

/** What may be written otherwise in a URL. Anything else stands in one as it was sent. */
const ODD = /[^\w\-~!$&()*+,;=:@/?.%[\]]|\/\.|%2e/i

/** The host that was last seen, and what a URL with it begins with: most requests have the same. */
const last = { host: '', origin: '' }

/** @throws HTTPError (400) if the target and the host make no URL. */
export function urlOf(target: string, host: string): string {
  const isPath = target.startsWith('/')
  if (!isPath && target !== '*') return parsed(target).href
  const whole = isPath ? `${originOf(host)}${target}` : `${originOf(host)}/`
  return ODD.test(target) ? parsed(whole).href : whole
}

/** The path of a target, as it was sent. */
export function pathOf(target: string): string {
  const path = target.startsWith('/') || target === '*' ? target : target.replace(/^[^/]*:\/\/[^/?]*/, '')
  const mark = path.indexOf('?')
  return (mark < 0 ? path : path.slice(0, mark)) || '/'
}

function originOf(host: string): string {
  if (host !== last.host) {
    const url = parsed(`http://${host}/`)
    if (url.href !== `${url.origin}/`) throw unreadable(host)
    last.origin = url.origin
    last.host = host
  }
  return last.origin
}

function parsed(text: string): URL {
  if (!URL.canParse(text)) throw unreadable(text)
  return new URL(text)
}

function unreadable(text: string): HTTPError {
  return new HTTPError(400, `the request's URL ${JSON.stringify(text)} cannot be read`)
}
