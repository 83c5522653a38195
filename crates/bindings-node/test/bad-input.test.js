/** What cannot be meant is refused where it is written, by an error that names it and the fix. */

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')

const {
  AddressError,
  all,
  HostRequest,
  HTTPError,
  InvalidError,
  lazy,
  NotProvidedError,
  Server,
  serve,
  token,
  whenEnded,
} = require('hostloop')
const { quietApp } = require('./lifecycle/apps.js')

const LONG = `/tmp/${'x'.repeat(200)}`
const Key = token('key')
const call = () => {}

class Settings {
  #port = 0
  with(port) {
    this.#port = port
    return this
  }
  get port() {
    return this.#port
  }
}

class Given {
  constructor() {
    this.app = quietApp().app
  }
}

/** Refused with this text, by an error of this class: thrown, or what its promise is rejected with. */
async function refused(attempt, text, kind = InvalidError) {
  const isRight = error => {
    assert.ok(error instanceof kind, `${error?.stack}`)
    assert.match(error.code, kind === AddressError ? /^ERR_HOSTLOOP_ADDRESS$/ : /^ERR_HOSTLOOP_[A-Z_]+$/)
    assert.ok(error.message.includes(text), error.message)
    return true
  }
  await assert.rejects(async () => attempt(), isRight)
}

/** A promise for each attempt, named by what is said of it. */
function promises(attempts, kind) {
  for (const [text, attempt] of attempts) test(text, () => refused(() => attempt(new Given()), text, kind))
}

describe('what an application is made of', () => {
  promises([
    ['after is 5; use a name, or a list of names and functions', ({ app }) => app.worker('w', call, { after: 5 })],
    ['after is 6; use a name, or a list of names and functions', ({ app }) => app.hook({ onStart: call, after: 6 })],
    ['after has 7; use names and functions of workers and hooks', ({ app }) => app.worker('w', call, { after: ['x', 7] })],
    ['after is the function call; use a name', ({ app }) => app.worker('w', call, { after: call })],
    ['behind its functions; give after, timeout and the rest beside onStart', ({ app }) => app.hook([], { onStart: call }, { after: 'w' })],
    ['override: `Settings` is given no value; give it one', ({ app }) => app.provide(Settings).override(Settings)],
    ['override: `key` is given no value; give it one', ({ app }) => app.provide(Key, call).override(Key)],
    ['override is given 3 behind the value', ({ app }) => app.provide(Key, call).override(Key, 2, 3)],
    ['supply: `key` is given no value; give it one', ({ app }) => app.supply(Key)],
    ['is given an object of Settings behind its value', ({ app }) => app.supply(Key, 1, new Settings())],
    ['is given an object of Settings; give', ({ app }) => app.provide(Settings, new Settings().with(5))],
    ['or supply(...) a value that is ready', ({ app }) => app.provide(Settings, new Settings().with(5))],
    ['has the option scop; there are as, scope', ({ app }) => app.provide(Settings, { scop: 'request' })],
    ['decorate: `call`', ({ app }) => app.decorate(Key, call, { timeout: 5 })],
    ['behind its wrapper; give it a list of what it asks for and one function', ({ app }) => app.decorate(Key, call, {})],
    ['context: `key` has the scope 5; use the name of a scope', ({ app }) => app.context(Key, { scope: 5 })],
    ['has the option timeot; there are timeout', ({ app }) => app.invoke(call, { timeot: 5 })],
    ["module 'm' is given the function Settings; give it a function that takes the module", ({ app }) => app.module('m', Settings)],
    ["a route's method is 5; give a text such as 'GET'", ({ app }) => app.route(5, '/x', call)],
    ["explain is given the format \"svg\"; use 'json', 'dot'", ({ app }) => app.explain('svg')],
    ['explain is given the format 5', ({ app }) => app.explain(5)],
    ['all has the option sof; there are soft', () => all(Key, { sof: true })],
    ['all: soft is "yes"; use true or false', () => all(Key, { soft: 'yes' })],
    ['all is given null; give it an object of options', () => all(Key, null)],
  ])

  test('a value of undefined is one', async () => {
    const { app } = quietApp()
    app.supply(Key, undefined)
    const other = app.override(Key, undefined)
    await other.start()
    assert.equal(await other.resolve(Key), undefined)
    await other.stop()
  })

  test('options may be of another realm, and without a prototype', () => {
    const { app } = quietApp()
    app.provide(Settings, require('node:vm').runInNewContext('({ timeout: 5 })'))
    app.provide(Key, call, Object.assign(Object.create(null), { timeout: 5 }))
    assert.deepEqual(
      app.check().map(({ code }) => code),
      ['unused', 'unused'],
    )
  })
})

describe('the start', () => {
  promises([
    ['reload is "./settings.txt"; give a list of paths', ({ app }) => app.run({ reload: './settings.txt' })],
    ['reload is 5; give a list of paths', ({ app }) => app.start({ reload: 5 })],
    ['reload is an object of Object; give a list of paths', ({ app }) => app.start({ reload: { paths: [] } })],
    ['reload has 5 in it; give paths alone, or keys with paths', ({ app }) => app.start({ reload: [5] })],
    ['reload has "/tmp" in it; give paths alone, or keys with paths', ({ app }) => app.start({ reload: ['/tmp', [Key, ['/tmp']]] })],
    ['reload has "/tmp" for key; give a list of paths', ({ app }) => app.start({ reload: [[Key, '/tmp']] })],
    ['reload has the path 5 for key; give a text', ({ app }) => app.start({ reload: [[Key, [5]]] })],
    ['reload has the path "" for everything; give a text', ({ app }) => app.start({ reload: [''] })],
    ['start has the option prt; there are port, host', ({ app }) => app.start({ prt: 0 })],
    ['run has the option worker; there are port, host', ({ app }) => app.run({ worker: 2 })],
  ])
  promises(
    [
      ["and port is 0; give a unix socket's path, or host and port", ({ app }) => app.start({ path: '/tmp/a.sock', port: 0 })],
      ['path is "/tmp/a.sock" and host is "::1"; give', ({ app }) => app.run({ path: '/tmp/a.sock', host: '::1' })],
      ['path is "/tmp/b.sock" and port is 0; give', () => serve(() => new Response(), { path: '/tmp/b.sock', port: 0 })],
      ['path is "/tmp/a\\u0000b"; give a text without zero bytes', ({ app }) => app.start({ path: '/tmp/a\0b' })],
      [
        'unix:/nonexistent/x.sock: the folder of the socket does not exist; make it',
        ({ app }) => app.start({ path: '/nonexistent/x.sock' }),
      ],
      [`unix:${LONG}: the path is too long for a unix socket; choose one of at most 100 bytes`, ({ app }) => app.start({ path: LONG })],
      [`unix:${__filename}/x.sock: what the path names as a folder is none`, ({ app }) => app.start({ path: `${__filename}/x.sock` })],
      [`unix:${__dirname}: another socket listens there, or a file of another kind`, ({ app }) => app.start({ path: __dirname })],
    ],
    AddressError,
  )
})

describe('an application that runs', () => {
  for (const code of ['x', 1.5, -1, 256, null]) {
    test(`is not stopped with the code ${JSON.stringify(code)}`, async () => {
      const { app } = quietApp()
      const text = `stop is given the code ${JSON.stringify(code)}; give it a whole number from 0 to 255`
      await refused(() => app.stop(code), text)
      await app.start()
      await refused(() => app.stop(code), text)
      assert.equal(app.isReady, true)
      await app.stop(255)
    })
  }

  for (const [text, attempt] of [
    ['scope "request" is given an object of Object; give it a list of keys and values', app => app.scope('request', { Key: 1 }, call)],
    ['scope "request" is given null; give it a list of keys and values', app => app.scope('request', null, call)],
    ['scope "request" is given 5; give it a list of keys and values', app => app.scope('request', [], 5)],
    ['scope "request" is given the function call; give it a list', app => app.scope('request', call, call)],
    ['with an object of Token in it; give it pairs of a key and a value', app => app.scope('request', [Key, 1], call)],
    ['scope is given "key", which is no key', app => app.scope('request', [['key', 1]], call)],
    ['resolve has the signal 5; give it an AbortSignal', app => app.resolve(Settings, { signal: 5 })],
    ['resolve has the signal null; give it an AbortSignal', app => app.scope('request', () => app.resolve(Settings, { signal: null }))],
    ['reload is given an object of Wanted, which is no key', app => app.reload(lazy(Settings))],
    ['reload is given a list, which is no key', app => app.reload([Settings])],
  ]) {
    test(text, async () => {
      const { app } = quietApp()
      app.provide(Settings)
      await app.start()
      await refused(() => attempt(app), text)
      await app.stop()
    })
  }

  test('says each time that nothing provides what is asked for', async () => {
    const { app } = quietApp()
    await app.start()
    for (const attempt of [() => app.resolve(Key), () => app.resolve(Key), () => app.reload(Key)])
      await refused(attempt, 'nothing provides `key`', NotProvidedError)
    assert.deepEqual(await app.resolve(all(Key)), [])
    await app.stop()
  })

  test('refuses a test’s request that has json and a body, or no options', async () => {
    const { app } = quietApp()
    const client = await app.test()
    await refused(() => client.post('/', { json: {}, body: 'x' }), 'a request is given json and body; give one of them')
    await refused(() => client.fetch('/', null), 'a request is given null; give it an object of options')
    await client.close()
  })
})

describe('a server', () => {
  for (const [text, attempt] of [
    ["listen is given 8000; give a text such as '127.0.0.1:8000'", server => server.listen(8000)],
    ['listen: reusePort is "yes"; use true or false', server => server.listen('127.0.0.1:0', { reusePort: 'yes' })],
    ['listen has the option reuseport; there are reusePort', server => server.listen('127.0.0.1:0', { reuseport: true })],
    ['listen is given null; give it an object of options', server => server.listen('127.0.0.1:0', null)],
    ['keepAlive is given "x"; use true or false', server => server.keepAlive('x')],
    ['listenFd is given "x"; give the number of a descriptor that listens', server => server.listenFd('x')],
    ['listenFd is given -1; give the number of a descriptor', server => server.listenFd(-1)],
  ]) {
    test(text, async t => {
      const server = new Server()
      t.after(() => server.close())
      await refused(() => attempt(server), text)
      assert.deepEqual(server.addresses, [])
    })
  }
})

describe('whenEnded', () => {
  promises([
    ['whenEnded is given an object of Request, which is no request of a server', () => whenEnded(new Request('http://x'), call)],
    ['whenEnded is given undefined, which is no request of a server', () => whenEnded(undefined, call)],
  ])

  test('takes a function to call back', async () => {
    const { app } = quietApp()
    app.get('/', async request => {
      assert.ok(request instanceof HostRequest)
      await refused(() => whenEnded(request, 5), 'whenEnded is given 5; give it a function to call back')
      return 'refused'
    })
    const client = await app.test()
    assert.equal(await (await client.get('/')).text(), 'refused')
    await client.close()
  })
})

describe('an HTTPError', () => {
  promises([
    ['has the option titel; there are title, errors, headers, cause', () => new HTTPError(404, 'x', { titel: 'x' })],
    ['HTTPError has the detail 5; give a text', () => new HTTPError(404, 5)],
    ['HTTPError has the detail an object of Object; give a text', () => new HTTPError(404, { title: 'x' })],
    ['HTTPError is given 5; give it an object of options', () => new HTTPError(404, 'x', 5)],
    ['HTTPError is given null; give it an object of options', () => new HTTPError(404, 'x', null)],
    ['HTTPError has the title 5; give a text', () => new HTTPError(404, 'x', { title: 5 })],
    ['HTTPError has the errors an object of Object; give a list', () => new HTTPError(422, 'x', { errors: {} })],
    ['HTTPError has the headers an object of Headers; give an object', () => new HTTPError(404, 'x', { headers: new Headers() })],
    ['header a has the value "b\\r\\nc", which would break the response', () => new HTTPError(404, 'x', { headers: { a: 'b\r\nc' } })],
    ['header name "a b" is not a token; use letters', () => new HTTPError(404, 'x', { headers: { 'a b': 'c' } })],
  ])

  test('may have whatever a header may be', () => {
    const { headers } = new HTTPError(503, undefined, { headers: { 'retry-after': 5, 'x-a': 'b\n' }, cause: new Error('full') })
    assert.deepEqual(headers, { 'retry-after': 5, 'x-a': 'b\n' })
  })
})
