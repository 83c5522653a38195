/** The test client: the whole server, without a socket. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { ClosedError } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')

const SIZE = 3_000_000

async function sizeOf(stream) {
  let size = 0
  for await (const piece of stream) size += piece.length
  return size
}

test('a body that a connection cannot hold is sent as the handler reads', async () => {
  const { app } = quietApp()
  app.post('/', async request => String(await sizeOf(request.body)))
  const client = await app.test()
  assert.equal(await (await client.post('/', { body: Buffer.alloc(SIZE) })).text(), String(SIZE))
  await client.close()
})

test('a response that comes before the body was taken is given', async () => {
  const { app } = quietApp()
  app.post('/', () => new Response('too much', { status: 413 }))
  const client = await app.test()
  assert.equal((await client.post('/', { body: Buffer.alloc(SIZE) })).status, 413)
  await client.close()
})

test('a body that is a stream is sent as it comes', async () => {
  const { app } = quietApp()
  const began = deferred()
  app.post('/', async request => {
    const reader = request.body.getReader()
    const { value } = await reader.read()
    began.resolve(Buffer.from(value).toString())
    reader.releaseLock()
    return `${value.length} ${await sizeOf(request.body)}`
  })
  const client = await app.test()
  const { readable, writable } = new TransformStream()
  const answer = client.post('/', { body: readable })
  const writer = writable.getWriter()
  await writer.write(Buffer.from('first'))
  assert.equal(await began.promise, 'first')
  await writer.write(Buffer.alloc(SIZE))
  await writer.close()
  assert.equal(await (await answer).text(), `5 ${SIZE}`)
  await client.close()
})

test('a stream that fails fails the request', async () => {
  const { app } = quietApp()
  const [begun, left] = [deferred(), deferred()]
  app.post('/', async request => {
    request.signal.addEventListener('abort', left.resolve)
    begun.resolve()
    return String(await sizeOf(request.body))
  })
  const client = await app.test()
  const { readable, writable } = new TransformStream()
  const answer = client.post('/', { body: readable })
  const writer = writable.getWriter()
  await writer.write(Buffer.from('first'))
  await begun.promise
  writer.abort(new Error('no more'))
  await assert.rejects(answer, /no more/)
  await left.promise
  await client.close()
})

test('a response is read when and as slowly as the test likes', async () => {
  const { app } = quietApp()
  app.get('/', () => 'x'.repeat(SIZE))
  const client = await app.test()
  const [late, slow] = await Promise.all([client.get('/'), client.get('/')])
  let size = 0
  for await (const piece of slow.body) {
    size += piece.length
    await settled()
  }
  assert.equal(size, SIZE)
  assert.equal((await late.text()).length, SIZE)
  await client.close()
})

test('a stream that nobody reads waits, and does not keep the application from closing', async () => {
  const { app } = quietApp()
  let pieces = 0
  const left = deferred()
  app.get('/', async function* () {
    try {
      for (; pieces < 1000; pieces++) yield Buffer.alloc(64 * 1024)
    } finally {
      left.resolve()
    }
  })
  const client = await app.test()
  const response = await client.get('/')
  for (let turn = 0; turn < 100; turn++) await settled()
  assert.ok(pieces < 100, `${pieces} pieces were taken`)
  await client.close()
  await left.promise
  assert.equal(pieces, 1000)
  assert.equal(response.status, 200)
})

test('a request that is given up is rejected by its reason', async () => {
  const { app } = quietApp()
  app.get('/', () => new Promise(() => {}))
  const client = await app.test()
  const reason = new Error('no longer wanted')
  await assert.rejects(client.get('/', { signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(client.get('/', { signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' })
  await client.close()
  await assert.rejects(client.get('/'), ClosedError)
})

test('what is sent as JSON says so', async () => {
  const { app } = quietApp()
  app.put('/', async request => [request.headers.get('content-type'), await request.json()])
  const client = await app.test()
  assert.deepEqual(await (await client.put('/', { json: { a: 1 } })).json(), ['application/json', { a: 1 }])
  const headers = { 'content-type': 'application/ld+json' }
  assert.deepEqual(await (await client.put('/', { json: [], headers })).json(), ['application/ld+json', []])
  await client.close()
})
