/** What becomes of a request's unit of work: kept, or taken back. */

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')

const { HTTPError, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')

const Tx = token('tx')

/** An application whose transactions say what becomes of them. */
function transactional(teardown = async () => {}) {
  const { app, lines } = quietApp()
  const log = []
  const tx = async function* (request) {
    log.push(`begin ${request.path}`)
    try {
      yield { path: request.path }
    } catch (error) {
      log.push(`rollback: ${error.message}`)
      throw error
    }
    await teardown()
    log.push('commit')
  }
  app.provide(Tx, [Request], tx, { scope: 'request' })
  return { app, lines, log }
}

test('a request’s transaction is committed before its response is sent', async () => {
  const gate = deferred()
  const { app, log } = transactional(() => gate.promise)
  app.get('/pay', [Tx], async (request, tx) => (log.push('handler'), tx.path))
  const client = await app.test()
  let response
  const paid = client.get('/pay').then(got => (response = got))
  while (log.length < 2) await settled()
  await settled()
  assert.equal(response, undefined)
  gate.resolve()
  await paid
  assert.equal(await response.text(), '/pay')
  assert.deepEqual(log, ['begin /pay', 'handler', 'commit'])
  await client.close()
})

test('a commit that fails is a 500', async () => {
  const { app, lines } = transactional(async () => {
    throw new Error('conflict')
  })
  app.get('/', [Tx], () => 'done')
  const client = await app.test()
  assert.equal((await client.get('/')).status, 500)
  assert.ok(lines.some(line => line.includes('conflict')))
  await client.close()
})

test('what a handler throws is thrown into generators, and answered', async () => {
  const { app, log } = transactional()
  app.get('/sync', [Tx], () => {
    throw new HTTPError(409, 'taken')
  })
  app.get('/later', [Tx], async () => {
    await settled()
    throw new HTTPError(410)
  })
  const client = await app.test()
  assert.equal((await client.get('/sync')).status, 409)
  assert.equal((await client.get('/later')).status, 410)
  assert.deepEqual(log, ['begin /sync', 'rollback: 409: taken', 'begin /later', 'rollback: 410'])
  await client.close()
})

test('the scope of a stream is open until it has been sent', async () => {
  const { app, log } = transactional()
  app.get('/stream', [Tx], (request, tx) =>
    (async function* () {
      yield 'one '
      log.push('between')
      yield tx.path
    })(),
  )
  app.get('/body', [Tx], (request, tx) => {
    const body = new ReadableStream({
      async pull(controller) {
        await settled()
        log.push('between')
        controller.enqueue(new TextEncoder().encode(tx.path))
        controller.close()
      },
    })
    return new Response(body)
  })
  const client = await app.test()
  assert.equal(await (await client.get('/stream')).text(), 'one /stream')
  while (log.length < 3) await settled()
  assert.deepEqual(log.splice(0), ['begin /stream', 'between', 'commit'])
  assert.equal(await (await client.get('/body')).text(), '/body')
  while (log.length < 3) await settled()
  assert.deepEqual(log, ['begin /body', 'between', 'commit'])
  await client.close()
})

test('a client that leaves a stream ends its scope by that', async () => {
  const { app, log } = transactional()
  app.get('/endless', [Tx], () =>
    (async function* () {
      for (;;) {
        yield 'x'
        await settled()
      }
    })(),
  )
  await app.start({ port: 0 })
  await new Promise(resolve => http.get(`${app.url}/endless`, response => response.once('data', () => resolve(response.destroy()))))
  while (log.length < 2) await settled()
  assert.match(log[1], /^rollback: /)
  await app.stop()
})

test('what a handler has done for a request that has ended is rolled back', async () => {
  const { app, log } = transactional()
  app.timeouts.handler = 0.02
  const gates = { '/slow': deferred(), '/left': deferred() }
  const wait = async ({ path }) => {
    log.push(`handler ${path}`)
    await gates[path].promise
    return 'done'
  }
  app.get('/slow', [Tx], wait)
  app.get('/left', [Tx], wait)
  await app.start({ port: 0 })
  assert.equal((await fetch(`${app.url}/slow`)).status, 503)
  gates['/slow'].resolve()
  while (log.length < 3) await settled()
  assert.deepEqual(log.splice(0), ['begin /slow', 'handler /slow', 'rollback: the request ended before its response was sent: timed out'])
  await app.stop()
})

test('what a handler has done for a client that has left, or when a drain has given it up, is rolled back', async () => {
  const { app, log } = transactional()
  const gate = deferred()
  const ended = deferred()
  app.timeouts.drain = 0.02
  app.get('/', [Tx], async ({ signal }) => {
    signal.addEventListener('abort', ended.resolve)
    log.push('handler')
    await gate.promise
    return 'done'
  })
  await app.start({ port: 0 })
  const left = http.get(app.url).on('error', () => {})
  while (log.length < 2) await settled()
  left.destroy()
  await ended.promise
  gate.resolve()
  while (log.length < 3) await settled()
  assert.equal(log[2], 'rollback: the request ended before its response was sent: disconnected')
  await app.stop()

  const { app: drained, log: told } = transactional()
  const late = deferred()
  drained.timeouts.drain = 0.02
  drained.get('/', [Tx], async () => {
    told.push('handler')
    await late.promise
    return 'done'
  })
  await drained.start({ port: 0 })
  const answer = fetch(drained.url)
  while (told.length < 2) await settled()
  await drained.stop()
  assert.equal((await answer).status, 503)
  assert.deepEqual(told, [
    'begin /',
    'handler',
    'rollback: the scope "request" was closed before what runs in it had ended: the application stops',
  ])
  late.resolve()
})

test('a stream that nobody is left to take is cancelled, and rolled back', async () => {
  const { app, log } = transactional()
  const gate = deferred()
  const ended = deferred()
  const cancelled = deferred()
  app.get('/', [Tx], async ({ signal }) => {
    signal.addEventListener('abort', ended.resolve)
    log.push('handler')
    await gate.promise
    return new Response(new ReadableStream({ cancel: () => cancelled.resolve('cancelled') }))
  })
  await app.start({ port: 0 })
  const left = http.get(app.url).on('error', () => {})
  while (log.length < 2) await settled()
  left.destroy()
  await ended.promise
  gate.resolve()
  assert.equal(await cancelled.promise, 'cancelled')
  while (log.length < 3) await settled()
  assert.equal(log[2], 'rollback: the request ended before its response was sent: disconnected')
  await app.stop()
})

test('what cannot be sent is rolled back', async () => {
  const { app, log, lines } = transactional()
  const bad = {
    '/json': () => ({ n: 10n }),
    '/nothing': () => Symbol('nothing'),
    '/header': () => new Response('x', { headers: [['x-a', 'caf\u{1f600}']] }),
    '/error': () => Response.error(),
  }
  for (const [path, make] of Object.entries(bad)) app.get(path, [Tx], async () => make())
  app.get('/good', [Tx], () => ({ n: 10 }))
  const client = await app.test()
  for (const path of Object.keys(bad)) {
    assert.equal((await client.get(path)).status, 500, path)
    assert.equal(log.length, 2, path)
    assert.match(log.splice(0)[1], /^rollback: /, path)
  }
  const good = await client.get('/good')
  assert.equal(good.headers.get('content-type'), 'application/json')
  assert.deepEqual(await good.json(), { n: 10 })
  assert.deepEqual(log, ['begin /good', 'commit'])
  assert.equal(lines.length, 4)
  await client.close()
})

test('concurrent requests have scopes of their own', async () => {
  const { app } = quietApp()
  let made = 0
  const Own = token('own')
  const own = async () => {
    await settled()
    return ++made
  }
  app.provide(Own, own, { scope: 'request' })
  const [A, B] = [token('a'), token('b')]
  app.provide(A, [Own], own => own, { scope: 'request' })
  app.provide(B, [Own], own => own, { scope: 'request' })
  app.get('/', [A, B], (request, a, b) => [a, b])
  const client = await app.test()
  const seen = await Promise.all(Array.from({ length: 20 }, async () => (await client.get('/')).json()))
  for (const [a, b] of seen) assert.equal(a, b)
  assert.equal(new Set(seen.map(([a]) => a)).size, 20)
  await client.close()
})

test('a stream that fails ends its scope by its own error', async () => {
  const { app, log } = transactional()
  app.get('/', [Tx], () =>
    (async function* () {
      yield 'one'
      throw new Error('the source broke')
    })(),
  )
  const client = await app.test()
  await assert.rejects(client.get('/').then(response => response.text()))
  while (log.length < 2) await settled()
  assert.deepEqual(log, ['begin /', 'rollback: the source broke'])
  await client.close()
})

test('app.scope in a handler is a unit of work of its own', async () => {
  const { app, log } = transactional()
  app.get('/', [Tx], async () => {
    await assert.rejects(app.scope('request', async scope => void (await scope.resolve(Tx))))
    return 'done'
  })
  const Own = token('own')
  let made = 0
  app.provide(Own, () => ++made, { scope: 'request' })
  app.get('/own', [Own], async (request, own) => [own, await app.scope('request', scope => scope.resolve(Own))])
  const client = await app.test()
  assert.deepEqual(await (await client.get('/own')).json(), [1, 2])
  assert.equal(await (await client.get('/')).text(), 'done')
  assert.deepEqual(log, ['begin /', 'commit'])
  await client.close()
})
