/** How a response of `createServer` ends: what its callbacks and events tell, and in which order. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { connect, deferred, recorder, serve } = require('./support/node-http')

test('writing after the end is an error event, and told to the callback', async t => {
  const codes = []
  const told = new Promise(resolve => {
    serve(t, (request, response) => {
      response.on('error', error => codes.push(error.code))
      response.end('body')
      response.write('more', error => resolve(codes.push(error.code)))
    }).then(({ url }) => fetch(url))
  })
  await told
  await new Promise(setImmediate)
  assert.deepEqual(codes, ['ERR_STREAM_WRITE_AFTER_END', 'ERR_STREAM_WRITE_AFTER_END'])
})

test('finish, then close, are emitted once each, for both', async t => {
  const { told, record } = recorder()
  const closed = new Promise(resolve => {
    serve(t, (request, response) => {
      record('request', request, 'aborted', 'end', 'close')
      record('response', response, 'prefinish', 'finish', 'close', 'error')
      record('socket', request.socket, 'close', 'error')
      request.on('close', resolve)
      response.end('body', () => assert.equal(response.closed, false))
      assert.deepEqual([response.writableEnded, response.finished, response.headersSent], [true, true, true])
      response.on('finish', () => assert.equal(response.writableFinished, true))
      response.on('close', () => assert.deepEqual([response.socket, response.destroyed, response.closed], [null, true, true]))
    }).then(({ url }) => fetch(url))
  })
  await closed
  assert.deepEqual(told, ['response prefinish', 'response finish', 'response close', 'request end', 'request close'])
})

test('callbacks of write and end are called', async t => {
  const called = []
  const { url } = await serve(t, (request, response) => {
    response.write('a', () => called.push('a'))
    response.write('', () => called.push('empty'))
    setImmediate(() => response.end('b', () => called.push('end')))
  })
  await (await fetch(url)).text()
  assert.deepEqual(called, ['a', 'empty', 'end'])
})

/** Writes more than the engine and the network take from a client that does not read, and has it leave. Gives what is told then. */
async function abandoned(t, write) {
  const { told, record } = recorder()
  const closed = deferred()
  const { port } = await serve(t, (request, response) => {
    record('response', response, 'finish', 'close')
    request.on('error', () => {})
    request.on('close', closed.resolve)
    for (let at = 0; at < 4; at++) {
      response.write(Buffer.alloc(8 * 1024 * 1024), error => told.push(`write ${at} ${error?.code}`))
    }
    write(response, told)
    setImmediate(() => client.leave())
  })
  const client = connect(t, port)
  client.socket.pause()
  client.send('GET / HTTP/1.1', 'host: x', '', '')
  await closed.promise
  return told.filter(told => !/write [012]/.test(told))
}

test('callbacks of what a client has not taken when it leaves are given the error', async t => {
  assert.deepEqual(await abandoned(t, () => {}), ['write 3 ECONNRESET', 'response close'])
})

test('a response that has ended emits finish though its client leaves', async t => {
  const told = await abandoned(t, (response, told) => response.end('end', error => told.push(`end ${error}`)))
  assert.deepEqual(told, ['write 3 ECONNRESET', 'response finish', 'end undefined', 'response close'])
})

test('finish comes before close where request, response or socket are destroyed after the end', async t => {
  const { told, record } = recorder()
  const { url } = await serve(t, (request, response) => {
    const name = request.url.slice(1)
    record(name, response, 'finish', 'close')
    request.on('error', () => {})
    response.end('whole')
    const whom = { request, response, socket: request.socket }[name]
    whom.destroy()
  })
  for (const name of ['request', 'response', 'socket']) assert.equal(await (await fetch(`${url}/${name}`)).text(), 'whole')
  await new Promise(setImmediate)
  assert.deepEqual(told, ['request finish', 'request close', 'response finish', 'response close', 'socket finish', 'socket close'])
})

test('a callback of write is called once where the socket is destroyed before the end', async t => {
  const called = []
  const closed = deferred()
  const { port } = await serve(t, (request, response) => {
    record('response', response, 'finish')
    response.on('close', closed.resolve)
    response.write('half', error => called.push(error?.code))
    request.socket.destroy()
    response.end()
  })
  const { told, record } = recorder()
  connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await closed.promise
  await new Promise(setImmediate)
  assert.deepEqual([called, told], [['ECONNRESET'], []])
})
