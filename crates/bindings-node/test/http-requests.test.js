// What a handler sees of a request.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')

const { HTTPError } = require('../dist/errors')
const { serve } = require('../dist/http/serve')
const { Server } = require('../dist/http/server')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

/** Serves one handler through memory, and returns what it returns for one request. */
async function seen(read, { path = '/x', route = '/x', method = 'POST', ...init } = {}) {
  const server = new Server({ logger: QUIET })
  let result
  server.route(method, route, async request => {
    result = await read(request)
  })
  try {
    const response = await server.fetch(path, { method, ...init })
    return response.status === 204 ? result : { status: response.status, problem: await response.json() }
  } finally {
    await server.close()
  }
}

describe('the head', () => {
  test('a Host that makes no URL is a 400 where the URL is needed', async () => {
    const refused = await seen(r => r.real(), { headers: { host: 'x:99999' } })
    assert.equal(refused.status, 400)
    assert.match(refused.problem.detail, /URL "http:\/\/x:99999\/" cannot be read/)
  })

  test('method, url, path, query', async () => {
    const read = r => [r.method, r.url, r.path, r.query.getAll('a'), r.query.get('b')]
    const found = await seen(read, { path: '/x?a=1&a=2&b=%C3%A9' })
    assert.deepEqual(found, ['POST', 'http://testserver/x?a=1&a=2&b=%C3%A9', '/x', ['1', '2'], 'é'])
  })

  test('parameters are percent-decoded, and refused if they do not decode', async () => {
    const read = r => r.params
    assert.deepEqual(await seen(read, { route: '/{a}/{b:path}', path: '/x%20y/1/%C3%A9' }), { a: 'x y', b: '1/é' })
    const refused = await seen(read, { route: '/{a}', path: '/%ff' })
    assert.equal(refused.status, 400)
    assert.match(refused.problem.detail, /%ff.* is not percent-encoded UTF-8/)
  })

  test('headers are looked up in any case, and joined', async () => {
    const headers = [
      ['x-a', '1'],
      ['X-A', '2'],
      ['cookie', 'a=1'],
      ['accept', 'b'],
    ]
    const read = r => [
      r.headers.get('X-a'),
      r.headers.has('ACCEPT'),
      r.headers.get('none'),
      r.headers instanceof Headers,
      new Headers(r.headers).get('accept'),
    ]
    assert.deepEqual(await seen(read, { headers }), ['1, 2', true, null, true, 'b'])
  })

  test('headers are listed in order and cannot be changed', async () => {
    const read = r => {
      assert.throws(() => r.headers.set('a', 'b'), TypeError)
      assert.throws(() => r.headers.append('a', 'b'), TypeError)
      assert.throws(() => r.headers.delete('a'), TypeError)
      const names = []
      r.headers.forEach((value, name) => names.push(name))
      return [names.includes('x-b'), [...r.headers.keys()].includes('x-b'), Object.fromEntries(r.headers)['x-b']]
    }
    assert.deepEqual(await seen(read, { headers: { 'x-b': 'c' } }), [true, true, 'c'])
  })

  test('it is a Request', async () => {
    const read = async r => [r instanceof Request, r.cache, r.redirect, new Request(r).url, r.bodyUsed]
    assert.deepEqual(await seen(read, { body: 'x' }), [true, 'default', 'follow', 'http://testserver/x', true])
  })

  test('the client is not known in memory', async () => {
    assert.equal(await seen(r => r.client), undefined)
  })
})

describe('the body', () => {
  const body = '{"a":"é"}'
  const reads = [
    ['text', r => r.text(), body],
    ['json', r => r.json(), { a: 'é' }],
    ['bytes', async r => Buffer.from(await r.bytes()).toString(), body],
    ['arrayBuffer', async r => Buffer.from(await r.arrayBuffer()).toString(), body],
    [
      'blob',
      async r => [(await r.blob()).type, await (await r.blob().catch(() => new Blob(['used']))).text()],
      ['application/json', 'used'],
    ],
    [
      'the stream',
      async r => {
        const pieces = []
        for await (const piece of r.body) pieces.push(piece)
        return Buffer.concat(pieces).toString()
      },
      body,
    ],
    ['a clone and the original', async r => [await r.clone().text(), r.bodyUsed, await r.text()], [body, false, body]],
    ["the platform's Request", async r => r.real().text(), body],
    ['new Request', async r => new Request(r).text(), body],
  ]
  for (const [name, read, wanted] of reads) {
    test(name, async () => {
      assert.deepEqual(await seen(read, { body, headers: { 'content-type': 'application/json' } }), wanted)
    })
  }

  test('of many pieces', async () => {
    const big = Buffer.alloc(1_000_000, 'x')
    assert.equal(await seen(async r => (await r.arrayBuffer()).byteLength, { body: big }), 1_000_000)
    assert.equal(await seen(async r => (await r.text()).length, { body: big }), 1_000_000)
  })

  test('read twice is refused', async () => {
    const read = async r => {
      await r.text()
      assert.equal(r.bodyUsed, true)
      await assert.rejects(r.json(), TypeError)
      return 'refused'
    }
    assert.equal(await seen(read, { body: 'x' }), 'refused')
  })

  test('that was read cannot be copied or sent on', async () => {
    const read = async r => {
      await r.text()
      assert.equal(r.redirect, 'follow', 'what has nothing to do with the body is still there')
      assert.throws(() => r.clone(), TypeError)
      assert.throws(() => new Request(r.real()), TypeError)
      return r.real().bodyUsed
    }
    assert.equal(await seen(read, { body: 'x' }), true)
  })

  test('that is none', async () => {
    const twice = async r => [r.body, await r.text(), await r.text(), r.bodyUsed]
    assert.deepEqual(await seen(twice, { method: 'GET' }), [null, '', '', false])
    assert.deepEqual(await seen(async r => [r.body, await r.text()]), [null, ''])
  })

  test('with a byte order mark is text without it', async () => {
    assert.equal(await seen(r => r.text(), { body: '\ufefftext' }), 'text')
  })

  test('that is not JSON is a 422 that says why', async () => {
    const { status, problem } = await seen(r => r.json(), { body: 'nonsense' })
    assert.equal(status, 422)
    assert.match(problem.detail, /the body is not JSON/)
  })

  test('of a form', async () => {
    const form = new FormData()
    form.set('name', 'é')
    form.set('file', new File(['content'], 'a.txt', { type: 'text/x' }))
    const read = async r => {
      const got = await r.formData()
      const file = got.get('file')
      return [got.get('name'), file.name, file.type, await file.text()]
    }
    assert.deepEqual(await seen(read, { body: form }), ['é', 'a.txt', 'text/x', 'content'])
    assert.deepEqual(await seen(async r => (await r.formData()).get('a'), { body: new URLSearchParams({ a: 'b c' }) }), 'b c')
  })

  test('that is no form is a 422', async () => {
    const { status } = await seen(r => r.formData(), { body: 'x', headers: { 'content-type': 'text/plain' } })
    assert.equal(status, 422)
  })
})

describe('routes', () => {
  test('are refused where they are written', () => {
    const server = new Server()
    server.route('GET', '/x/{id}', () => '')
    const refusal = (method, path) => {
      try {
        server.route(method, path, () => '')
      } catch (error) {
        return [error.code, error.message]
      }
    }
    assert.equal(refusal('GET', '/x/{id}')[0], 'ERR_HOSTLOOP_CONFLICT')
    assert.match(refusal('GET', 'x')[1], /must start with `\/`/)
    assert.match(refusal('GET', '/x/{name}')[1], /cannot be told from/)
    assert.match(refusal('GE T', '/y')[1], /not a token/)
    return server.close()
  })

  test('of other methods are told, and what is not there is a 404', async () => {
    const server = new Server()
    server.route('GET', '/x', () => 'x')
    const wrong = await server.fetch('/x', { method: 'PUT' })
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD'])
    assert.equal((await server.fetch('/y')).status, 404)
    const head = await server.fetch('/x', { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '1', ''])
    await server.close()
  })
})

describe('what is given to a server', () => {
  const server = new Server({ logger: QUIET })
  server.route('GET', '/there', () => 'x')
  const invalid = message => ({ code: 'ERR_HOSTLOOP_INVALID', message })

  for (const [name, call, error] of [
    [
      'a route twice',
      () => server.route('GET', '/there', () => 'x'),
      { code: 'ERR_HOSTLOOP_CONFLICT', message: /`GET \/there` is given twice/ },
    ],
    ['a path that does not begin with a slash', () => server.route('GET', 'a', () => 'x'), invalid(/`a` must start with `\/`/)],
    ['a path that is no text', () => server.route('GET', 5, () => 'x'), invalid(/route GET 5 has the path 5; give a text/)],
    ['a parameter twice', () => server.route('GET', '/{a}/{a}', () => 'x'), invalid(/two parameters of the name a; give each its own/)],
    ['a method that is no text', () => server.route(5, '/x', () => 'x'), invalid(/method is 5; give a text/)],
    ['a handler that is no function', () => server.route('GET', '/x', 'x'), invalid(/route GET \/x is given "x"; give a function/)],
    ['a fallback that is no function', () => server.fallback(5), invalid(/fallback is given 5; give a function/)],
  ]) {
    test(`${name} is refused`, () => assert.throws(call, error))
  }

  for (const time of ['x', -1, Number.NaN]) {
    test(`a drain of ${JSON.stringify(time)} seconds is refused`, async () => {
      await assert.rejects(server.drain(time), invalid(/^drain is given (?:"x"|-1|NaN); use seconds from 0 on, or null/))
    })
  }

  test('the status of an HTTPError is a number', () => {
    assert.throws(() => new HTTPError('404'), invalid(/status "404"; use 400 to 599, as a number/))
  })

  test('a port is a number', async () => {
    await assert.rejects(
      serve(() => new Response(), { port: '3000' }),
      { message: 'port is "3000"; give a number from 0 to 65535, where 0 takes any free one' },
    )
    await assert.rejects(
      serve(() => new Response(), { host: 5 }),
      { message: /host is 5; give a text/ },
    )
  })

  test('an option of serve that there is not is refused by its name', async () => {
    await assert.rejects(
      serve(() => new Response(), { prot: 1 }),
      invalid(/serve has the option prot; there are .*port/),
    )
    await assert.rejects(
      serve(() => new Response(), { reusePort: 1 }),
      invalid(/reusePort is 1; use true or false/),
    )
    await assert.rejects(
      serve(() => new Response(), null),
      invalid(/serve is given null; give it an object of options, such as \{ port/),
    )
  })
})

describe('settings', () => {
  const refused = [
    [{ limits: { bodyBytes: -1 } }, /limits\.bodyBytes is -1; use a whole number from 1/],
    [{ limits: { headBytes: 2 ** 21 } }, /limits\.headBytes is 2097152; use a whole number from 1 to 1,048,576/],
    [{ limits: { nonsense: 1 } }, /limits has the option nonsense; there are headBytes/],
    [{ limits: { bodyBytes: '1000' } }, /limits\.bodyBytes is "1000"; use a whole number/],
    [{ limits: null }, /limits is given null; give it an object of options, such as \{ headBytes/],
    [{ timeouts: null }, /timeouts is given null; give it an object of options/],
    [{ accessLog: 'yes' }, /accessLog is "yes"; use true or false/],
    [{ acessLog: true }, /Server has the option acessLog; there are limits, timeouts, accessLog, logger/],
    [{ logger: {} }, /logger has no debug, info, warn, error/],
    [{ timeouts: { header: 0 } }, /timeouts\.header is 0; use seconds above 0, or null/],
    [{ timeouts: { header: '5' } }, /timeouts\.header is "5"; use seconds above 0/],
  ]
  for (const [options, message] of refused) {
    test(`${JSON.stringify(options)} is refused`, () => {
      assert.throws(() => new Server(options), { code: 'ERR_HOSTLOOP_INVALID', message })
    })
  }

  test('null switches a timeout off, and undefined is the default', async () => {
    const server = new Server({ timeouts: { handler: null, header: undefined } })
    server.route('GET', '/', () => 'x')
    assert.equal(await (await server.fetch('/')).text(), 'x')
    await server.close()
  })
})
