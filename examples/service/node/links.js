/** Links: what they are, which are valid and where they are kept. */

import { randomInt } from 'node:crypto'

const URL_LENGTH = 2048
const CODE = /^[0-9A-Za-z_-]{1,32}$/
const CODE_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const CODE_LENGTH = 7 // 62**7 is 3.5e12 codes
const COLUMNS = 'code, url, clicks, created_at, expires_at'
const RESERVED = ['health', 'links']
const MOMENT = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/

/** Another link has this code. */
export class CodeTakenError extends Error {}

/** Lists what keeps a body from becoming a link: one fault for each wrong value. */
export function faultsOf(body) {
  const faults = []
  const fault = (name, wanted) => faults.push({ in: 'body', name, got: body[name] ?? null, wanted })
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return [{ in: 'body', name: null, got: body, wanted: 'an object' }]
  }
  const { url, code = null, expires_at: moment = null } = body
  if (typeof url !== 'string') fault('url', 'a string')
  else if (!isWebAddress(url)) fault('url', `an absolute http or https URL of at most ${URL_LENGTH} ASCII characters`)
  if (code !== null) {
    if (typeof code !== 'string') fault('code', 'a string')
    else if (!CODE.test(code)) fault('code', '1 to 32 letters, digits, dashes and underscores')
    else if (RESERVED.includes(code)) fault('code', `a code other than ${RESERVED.join(' and ')}`)
  }
  if (moment !== null) {
    if (typeof moment !== 'string') fault('expires_at', 'a string')
    else if (momentOf(moment) === null) fault('expires_at', 'a moment as in RFC 3339, 2031-01-02T03:04:05Z')
  }
  return faults
}

/** The links of one database. */
export class Links {
  #database

  constructor(database) {
    this.#database = database
  }

  /**
   * Keeps a link that has no faults; invents a code if it asks for none.
   *
   * @throws CodeTakenError if it asks for one that another link has.
   */
  add({ url, code, expires_at: expires }) {
    for (;;) {
      const link = {
        code: code ?? inventCode(),
        url,
        clicks: 0,
        created_at: format(new Date()),
        expires_at: expires == null ? null : momentOf(expires),
      }
      const columns = [link.code, link.url, link.created_at, link.expires_at]
      const statement = 'INSERT INTO links (code, url, created_at, expires_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'
      if (this.#database.write(statement, columns) > 0) return link
      if (code != null) throw new CodeTakenError(code)
    }
  }

  /** Returns the link of a code, expired or not. */
  find(code) {
    return this.#database.read(`SELECT ${COLUMNS} FROM links WHERE code = ?`, code).map(linkOf)[0]
  }

  /** Returns up to `limit` links in order of code, those whose codes sort after `after`; `next` is the code to go on after. */
  page(limit, after) {
    const rows = this.#database.read(`SELECT ${COLUMNS} FROM links WHERE code > ? ORDER BY code LIMIT ?`, after ?? '', limit + 1)
    const links = rows.slice(0, limit).map(linkOf)
    return { links, next: rows.length > limit ? links.at(-1).code : null }
  }

  /** Adds one to a link's clicks. */
  countClick(code) {
    // Not durable: a loss of power may cost the last clicks, and no visitor waits for the disk.
    this.#database.write('UPDATE links SET clicks = clicks + 1 WHERE code = ?', [code], { durable: false })
  }

  /** Deletes a link; false if there is none. */
  remove(code) {
    return this.#database.write('DELETE FROM links WHERE code = ?', [code]) > 0
  }

  /** Deletes every link that has expired, and returns how many. */
  dropExpired() {
    return this.#database.write('DELETE FROM links WHERE expires_at <= ?', [format(new Date())])
  }
}

/** Whether a link has expired. Moments are UTC, and sort as text. */
export function isExpired({ expires_at: expires }) {
  return expires !== null && expires <= format(new Date())
}

function linkOf({ code, url, clicks, created_at, expires_at }) {
  return { code, url, clicks, created_at, expires_at }
}

function isWebAddress(url) {
  if (url.length > URL_LENGTH || !/^[!-~]+$/.test(url)) return false
  return /^https?:\/\/[^/?#]/i.test(url) && URL.canParse(url)
}

function inventCode() {
  return Array.from({ length: CODE_LENGTH }, () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)]).join('')
}

/** A moment in UTC, without its fraction; null if it is none, as the 30th of February. */
function momentOf(text) {
  const found = MOMENT.exec(text)
  if (found === null) return null
  const local = new Date(`${found[1]}Z`)
  if (Number.isNaN(local.getTime()) || format(local) !== `${found[1]}Z`) return null
  const moment = new Date(found[1] + found[2])
  return Number.isNaN(moment.getTime()) || !/^[0-9]{4}-/.test(moment.toISOString()) ? null : format(moment)
}

function format(moment) {
  return `${moment.toISOString().slice(0, -5)}Z`
}
