/** Handlers, and what the graph gives them. */

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { test } = require('node:test')

const { AddressError, all, App, ConflictError, HTTPError, InvalidError, lazy, Lifecycle, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')

const Links = token('links')

test('handlers are given what they ask for, in order', async () => {
  const { app } = quietApp()
  app.supply(Links, new Map([['home', 'https://example.com/']]))
  const parts = [1, 2, 3, 4].map(number => token(`part ${number}`))
  parts.forEach((part, at) => app.provide(part, () => at))
  app.get('/none', () => 'none')
  app.get('/two', parts.slice(0, 2), (request, ...rest) => rest)
  app.get('/three', parts.slice(0, 3), (request, ...rest) => rest)
  app.get('/four', parts, (request, ...rest) => rest)
  app.get('/go/{code}', [Links], async (request, links) => Response.redirect(links.get(request.params.code)))
  app.post('/echo', [Links], async (request, links) => ({ ...(await request.json()), links: links.size }))
  const client = await app.test()
  assert.equal(await (await client.get('/none')).text(), 'none')
  assert.deepEqual(await (await client.get('/two')).json(), [0, 1])
  assert.deepEqual(await (await client.get('/three')).json(), [0, 1, 2])
  assert.deepEqual(await (await client.get('/four')).json(), [0, 1, 2, 3])
  assert.equal((await client.get('/go/home')).headers.get('location'), 'https://example.com/')
  assert.deepEqual(await (await client.post('/echo', { json: { a: 1 } })).json(), { a: 1, links: 1 })
  assert.equal((await client.delete('/echo')).status, 405)
  await client.close()
})

test('each method has a word', async () => {
  const { app } = quietApp()
  const methods = ['get', 'post', 'put', 'patch', 'delete', 'options', 'head']
  for (const method of methods) app[method](`/${method}`, request => `${request.method}`)
  const client = await app.test()
  for (const method of methods) {
    const response = await client.fetch(`/${method}`, { method: method.toUpperCase() })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), method === 'head' ? '' : method.toUpperCase())
  }
  await client.close()
})

test('routes are checked where they are written', () => {
  const { app } = quietApp()
  app.get('/links/{code}', () => 'x')
  assert.throws(() => app.get('/links/{code}', () => 'y'), ConflictError)
  assert.throws(() => app.get('/links/{code', () => 'y'), InvalidError)
  assert.throws(() => app.get('/x', 'text'), InvalidError)
  assert.throws(() => app.get('/x', [Lifecycle], () => 'y'), InvalidError)
  const refused = {
    'give it a list of what it asks for and one function': () =>
      app.get(
        '/x',
        (request, response, next) => next(),
        () => 'y',
      ),
    'whoever is built asks for Lifecycle itself': () => app.get('/x', [lazy(Lifecycle)], () => 'y'),
    'two parameters of the name a; give each its own': () => app.get('/{a}/{a}', () => 'y'),
    'give a text': () => app.get(['/x'], () => 'y'),
    'it was declared at test/lifecycle-app.test.js:': () => app.get('/links/{code}', () => 'y'),
  }
  for (const [text, call] of Object.entries(refused)) {
    assert.throws(
      call,
      error => error.message.includes(text) && /^route: `GET .*` \(test\/lifecycle-app\.test\.js:\d+\)/.test(error.message),
      text,
    )
  }
})

test('a path as other frameworks write it is warned of', () => {
  const { app, lines } = quietApp()
  app.get('/links/:code', () => 'x')
  app.get('/files/*', () => 'x')
  app.get('/{at}/12:30', () => 'x')
  assert.equal(lines.length, 2)
  assert.match(lines[0], /^hostloop: route: `GET \/links\/:code` \(test.*:\d+\) has the segment ":code", .* is written \{code\}$/)
  assert.match(lines[1], /has a "\*", .* is written \{rest:path\}$/)
})

test('a provider of a request may answer it', async () => {
  const { app } = quietApp()
  const User = token('user')
  const user = request => {
    const name = request.headers.get('authorization')
    if (name === null) throw new HTTPError(401)
    return name
  }
  app.provide(User, [Request], user, { scope: 'request' })
  app.get('/me', [User], (request, user) => user)
  const client = await app.test()
  assert.equal((await client.get('/me')).status, 401)
  assert.equal(await (await client.get('/me', { headers: { authorization: 'ann' } })).text(), 'ann')
  await client.close()
})

test('handlers may ask later, for all, and for what is transient', async () => {
  const { app } = quietApp()
  const [Part, Late, Ticket] = [token('part'), token('late'), token('ticket')]
  let next = 0
  app.provide(Part, () => 'a').provide(Part, () => 'b', { scope: 'request' })
  app.provide(Late, async () => 'late', { scope: 'request' })
  app.provide(Ticket, () => ++next, { scope: 'transient' })
  app.get('/', [all(Part), lazy(Late), Ticket], async (request, parts, late, ticket) => [...parts, await late.get(), ticket])
  const client = await app.test()
  assert.deepEqual(await (await client.get('/')).json(), ['a', 'b', 'late', 1])
  assert.deepEqual(await (await client.get('/')).json(), ['a', 'b', 'late', 2])
  await client.close()
})

test('a handler cannot need what nobody gives to a request', async () => {
  const { app } = quietApp()
  const User = token('User')
  app.context(User)
  app.get('/', [User], () => 'x')
  await assert.rejects(
    app.test(),
    error => error instanceof InvalidError && /`User`, which is given when the scope "request" is entered/.test(error.message),
  )
})

test('AsyncLocalStorage of handlers is kept through providers and scopes', async () => {
  const storage = new AsyncLocalStorage()
  const { app } = quietApp()
  const Who = token('who')
  const who = async () => {
    await settled()
    return 'who'
  }
  app.provide(Who, who, { scope: 'request' })
  app.get('/{name}', request =>
    storage.run(request.params.name, async () => {
      await settled()
      const inner = await app.scope('request', async scope => [await scope.resolve(Who), storage.getStore()])
      return [...inner, storage.getStore()]
    }),
  )
  const client = await app.test()
  const ask = async name => (await client.get(`/${name}`)).json()
  assert.deepEqual(await Promise.all([ask('ann'), ask('bob')]), [
    ['who', 'ann', 'ann'],
    ['who', 'bob', 'bob'],
  ])
  await client.close()
})

test('factories run where the application was started, whoever asks first', async () => {
  const storage = new AsyncLocalStorage()
  const { app } = quietApp()
  const Where = token('where')
  app.provide(Where, async () => {
    await settled()
    return { store: storage.getStore() }
  })
  await storage.run('start', () => app.start())
  const found = await storage.run('request', () => app.resolve(Where))
  assert.equal(found.store, 'start')
  await app.stop()
})

test('it listens last, and stops listening first', async () => {
  const { app } = quietApp()
  const log = []
  app.hook({ onStart: () => log.push(app.addresses.length), onStop: () => void log.push('down') })
  app.get('/', () => 'up')
  await app.start({ port: 0 })
  assert.match(app.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  const { url } = app
  assert.equal(await (await fetch(url)).text(), 'up')
  await app.stop()
  assert.deepEqual(log, [0, 'down'])
  await assert.rejects(fetch(url))
})

test('an address that is taken undoes the start', async () => {
  const { app } = quietApp()
  const { app: other } = quietApp()
  const log = []
  app.get('/', () => 'x')
  other.hook({ onStart: () => log.push('up'), onStop: () => log.push('down') })
  other.get('/', () => 'x')
  await app.start({ port: 0 })
  const port = Number(app.url.split(':').at(-1))
  const isTaken = error => error instanceof AddressError && error.code === 'ERR_HOSTLOOP_ADDRESS' && /listen/i.test(error.message)
  await assert.rejects(other.start({ port }), isTaken)
  await assert.rejects(other.run({ port }), isTaken)
  assert.deepEqual(log, ['up', 'down', 'up', 'down'])
  await app.stop()
})

test('requests that are under way when it stops get their responses', async () => {
  const { app } = quietApp()
  const gate = deferred()
  const under = deferred()
  const log = []
  app.provide(Links, function* () {
    yield 'links'
    log.push('closed')
  })
  app.get('/', [Links], async (request, links) => {
    under.resolve()
    await gate.promise
    log.push('answered')
    return links
  })
  await app.start({ port: 0 })
  const answer = fetch(app.url).then(response => response.text())
  await under.promise
  const stopping = app.stop()
  await settled()
  gate.resolve()
  assert.equal(await answer, 'links')
  await stopping
  assert.deepEqual(log, ['answered', 'closed'])
})

test('an override has the same routes', async () => {
  const { app } = quietApp()
  const Mailer = token('mailer')
  app.provide(Mailer, () => 'sent')
  app.post('/mail', [Mailer], (request, mailer) => mailer)
  const client = await app.override(Mailer, 'kept').test()
  assert.equal(await (await client.post('/mail')).text(), 'kept')
  await client.close()
})

test('what is added to an override is not the original’s', async () => {
  class Shop extends App {
    name = 'shop'
  }
  const app = new Shop({ logger: quietApp().app.logger })
  const Mailer = token('mailer')
  app.provide(Mailer, () => 'sent').get('/mail', [Mailer], (request, mailer) => mailer)
  const other = app.override(Mailer, 'kept')
  other.supply(Links, 'links').get('/extra', [Links], (request, links) => links)
  assert.equal(other.name, 'shop')
  assert.throws(() => other.get('/mail', () => 'twice'), ConflictError)
  const [one, two] = [await app.test(), await other.test()]
  assert.equal((await one.get('/extra')).status, 404)
  assert.equal(await (await one.get('/mail')).text(), 'sent')
  assert.equal(await (await two.get('/extra')).text(), 'links')
  assert.equal(await (await two.get('/mail')).text(), 'kept')
  app.stop()
  await Promise.all([one.close(), two.close()])
  app.get('/extra', () => 'its own')
})

test('what a handler asks for by hand that lives as long as the request is to be named in its list', async () => {
  const { app, lines } = quietApp()
  const Tx = token('tx')
  app.provide(Tx, () => 'begun', { scope: 'request' })
  app.get('/', () => app.resolve(Tx))
  const client = await app.test()
  assert.equal((await client.get('/')).status, 500)
  assert.ok(lines.some(line => /`tx` lives as long as the request; .* name it in the handler's list/.test(line)))
  await client.close()
})

test('a hundred requests that need what nobody has made yet have it made once', async () => {
  const { app } = quietApp()
  let made = 0
  const [Slow, Own] = [token('slow'), token('own')]
  app.provide(Slow, async () => {
    await settled()
    return ++made
  })
  app.provide(Own, [lazy(Slow)], slow => slow.get(), { scope: 'request' })
  app.get('/', [Own], (request, own) => own)
  const client = await app.test()
  const seen = await Promise.all(Array.from({ length: 100 }, async () => (await client.get('/')).json()))
  assert.deepEqual([...new Set(seen)], [1])
  await client.close()
})

test('a HEAD of a handler of GET that streams starts its source and ends it', async () => {
  const { app } = quietApp()
  const log = []
  const ended = deferred()
  app.get('/ticks', async function* () {
    log.push('begun')
    try {
      for (;;) {
        yield 'tick '
        await settled()
      }
    } finally {
      ended.resolve('ended')
    }
  })
  app.get('/told', () => assert.fail('a HEAD has its own handler')).head('/told', () => (log.push('head'), new Response()))
  const client = await app.test()
  const response = await client.fetch('/ticks', { method: 'HEAD' })
  assert.deepEqual([response.status, await response.text(), await ended.promise], [200, '', 'ended'])
  assert.equal((await client.fetch('/told', { method: 'HEAD' })).status, 200)
  assert.deepEqual(log, ['begun', 'head'])
  await client.close()
})
