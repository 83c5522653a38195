/** The link shortener: what it is made of, and its routes. */

import { setTimeout } from 'node:timers/promises'

import { App, HTTPError } from 'hostloop'

import { Database } from './database.js'
import { CodeTakenError, faultsOf, isExpired, Links } from './links.js'
import { frontPage } from './pages.js'
import { unprocessable } from './problems.js'
import { Settings } from './settings.js'

const MAX_LIMIT = 100

/** Opens the database; when everything that uses it has ended, closes it. */
function* openDatabase(settings) {
  const database = new Database(settings.database)
  yield database
  database.close()
}

/** Says where the service is and what to try first. */
function greet(settings) {
  const link = '{"url": "https://example.com", "code": "home"}'
  console.log(`${settings.url} keeps its links in ${settings.database}
  curl -i ${settings.url}/links -H 'content-type: application/json' -d '${link}'
  curl -i ${settings.url}/home
  curl -i ${settings.url}/links/home`)
}

/** Deletes the links that have expired, from time to time. */
async function sweep(settings, links, { signal }) {
  while (!signal.aborted) {
    await setTimeout(settings.sweep * 1000, undefined, { signal }).catch(() => {})
    if (!signal.aborted) links.dropExpired()
  }
}

/** Makes the application. */
export function buildApp(settings) {
  return new App()
    .supply(Settings, settings)
    .provide(Database, [Settings], openDatabase)
    .provide(Links, [Database])
    .invoke([Settings, Database], greet)
    .worker('sweeper', [Settings, Links], sweep, { restart: 'always' })
    .get('/', [Links], ({ query }, links) => html(frontPage(links.page(MAX_LIMIT, query.get('after')))))
    .get('/health', () => ({ status: 'ok' }))
    .post('/links', [Links], create)
    .get('/links', [Links], list)
    .get('/links/{code}', [Links], ({ params }, links) => existing(links, params.code))
    .delete('/links/{code}', [Links], ({ params }, links) => {
      if (!links.remove(params.code)) throw noLink(params.code)
    })
    .get('/{code}', [Links], ({ params }, links) => {
      const link = reachable(links, params.code)
      links.countClick(link.code)
      return redirect(link.url)
    })
    .head('/{code}', [Links], ({ params }, links) => redirect(reachable(links, params.code).url))
}

async function create(request, links) {
  const body = await request.json()
  const faults = faultsOf(body)
  if (faults.length > 0) throw unprocessable(faults)
  try {
    const link = links.add(body)
    return Response.json(link, { status: 201, headers: { location: `/links/${link.code}` } })
  } catch (error) {
    if (!(error instanceof CodeTakenError)) throw error
    throw new HTTPError(409, `the code ${JSON.stringify(body.code)} is taken; choose another or leave it out`)
  }
}

function list({ query }, links) {
  const given = query.get('limit') ?? '20'
  const limit = /^-?[0-9]+$/.test(given) ? Number(given) : NaN
  if (!(limit >= 1 && limit <= MAX_LIMIT)) {
    throw unprocessable([{ in: 'query', name: 'limit', got: given, wanted: `an integer from 1 to ${MAX_LIMIT}` }])
  }
  return links.page(limit, query.get('after'))
}

function existing(links, code) {
  const link = links.find(code)
  if (link === undefined) throw noLink(code)
  return link
}

function reachable(links, code) {
  const link = existing(links, code)
  if (isExpired(link)) throw new HTTPError(410, `the link ${JSON.stringify(code)} expired at ${link.expires_at}`)
  return link
}

function noLink(code) {
  return new HTTPError(404, `no link has the code ${JSON.stringify(code)}`)
}

/** A redirect to the letter: `Response.redirect` would normalise the URL. */
function redirect(url) {
  return new Response(null, { status: 302, headers: { location: url } })
}

function html(text) {
  return new Response(text, { headers: { 'content-type': 'text/html; charset=utf-8' } })
}
