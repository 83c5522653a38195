/** What an `AsyncLocalStorage` holds in the events and callbacks of `createServer`. */

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { test } = require('node:test')

const { connect, deferred, serve } = require('./support/node-http')

test('what a listener enters into an AsyncLocalStorage stays with its request', async t => {
  const storage = new AsyncLocalStorage()
  const { url } = await serve(t, (request, response) => {
    assert.equal(storage.getStore(), undefined)
    storage.enterWith(request.url)
    request.resume().on('end', () => setImmediate(() => response.end(storage.getStore())))
  })
  const paths = Array.from({ length: 20 }, (_, index) => `/${index}`)
  const answers = await Promise.all(paths.map(async path => (await fetch(url + path, { method: 'POST', body: 'x' })).text()))
  assert.deepEqual(answers, paths)
})

test('finish, close and the callback of end find what is stored where the response is ended', async t => {
  const storage = new AsyncLocalStorage()
  const closed = deferred()
  const told = []
  const tell = what => () => told.push(`${what} ${storage.getStore()}`)
  const { url } = await serve(t, (request, response) =>
    storage.run('kept', () => {
      response.on('finish', tell('finish'))
      response.on('close', tell('close'))
      request.on('close', closed.resolve)
      setImmediate(() => response.end('body', tell('end')))
    }),
  )
  await (await fetch(url)).text()
  await closed.promise
  assert.deepEqual(told, ['finish kept', 'end kept', 'close kept'])
})

test('drain and the callbacks of write find what is stored where the response is written', async t => {
  const storage = new AsyncLocalStorage()
  const written = deferred()
  const told = []
  const tell = what => () => told.push(`${what} ${storage.getStore()}`)
  const piece = Buffer.alloc(8 * 1024 * 1024)
  const { port } = await serve(t, (request, response) =>
    storage.run('kept', () => {
      response.on('drain', tell('drain'))
      response.on('drain', written.resolve)
      for (let at = 0; at < 3; at++) response.write(piece, tell('write'))
    }),
  )
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await written.promise
  await new Promise(setImmediate)
  assert.deepEqual(told, ['drain kept', 'write kept', 'write kept', 'write kept'])
  client.leave()
})
