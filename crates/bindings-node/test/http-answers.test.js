// What a handler returns or throws, and what the client gets of it.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')

const { HTTPError } = require('../dist/errors')
const { Server } = require('../dist/http/server')
const { HostResponse } = require('../dist/http/response')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

/** Serves one handler through memory and makes one request of it. */
async function answerOf(handler, { method = 'GET', errors, ...init } = {}) {
  const logger = errors === undefined ? QUIET : { ...QUIET, error: (...line) => errors.push(line) }
  const server = new Server({ logger })
  server.route(method, '/', handler)
  try {
    const response = await server.fetch('/', { method, ...init })
    return { status: response.status, headers: response.headers, body: await response.text() }
  } finally {
    await server.close()
  }
}

const type = answer => answer.headers.get('content-type')

describe('what a handler returns', () => {
  const cases = [
    ['text', () => 'héllo', 200, 'text/plain; charset=utf-8', 'héllo'],
    ['a promise of text', async () => 'later', 200, 'text/plain; charset=utf-8', 'later'],
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried.
    ['what settles twice', () => ({ then: settle => (settle('first'), settle('second')) }), 200, 'text/plain; charset=utf-8', 'first'],
    ['undefined', () => undefined, 204, null, ''],
    ['null', () => null, 200, 'application/json', 'null'],
    ['a number', () => 7, 200, 'application/json', '7'],
    ['an object', () => ({ a: [1, 'é'] }), 200, 'application/json', '{"a":[1,"é"]}'],
    ['an array', () => [1, 2], 200, 'application/json', '[1,2]'],
    ['a date', () => new Date(0), 200, 'application/json', '"1970-01-01T00:00:00.000Z"'],
    ['a Buffer', () => Buffer.from('bytes'), 200, 'application/octet-stream', 'bytes'],
    ['an ArrayBuffer', () => new TextEncoder().encode('bytes').buffer, 200, 'application/octet-stream', 'bytes'],
    ['a view of a part', () => new TextEncoder().encode('abcdef').subarray(2, 4), 200, 'application/octet-stream', 'cd'],
    ['a Blob', () => new Blob(['blob'], { type: 'text/x' }), 200, 'text/x', 'blob'],
    ["the platform's Response", () => new Response('r', { status: 201, headers: { 'x-a': 'b' } }), 201, 'text/plain;charset=UTF-8', 'r'],
    ['a Response of JSON', () => Response.json({ a: 1 }, { status: 202 }), 202, 'application/json', '{"a":1}'],
    ['a redirect', () => Response.redirect('http://x/y', 303), 303, null, ''],
    [
      'a Response of a form',
      () => new Response(new URLSearchParams({ a: 'b c' })),
      200,
      'application/x-www-form-urlencoded;charset=UTF-8',
      'a=b+c',
    ],
    [
      'a generator',
      () =>
        (async function* () {
          yield 'a'
          yield Buffer.from('b')
        })(),
      200,
      'text/plain; charset=utf-8',
      'ab',
    ],
    [
      'a generator function',
      async function* () {
        yield Buffer.from('a')
        yield 'b'
      },
      200,
      'application/octet-stream',
      'ab',
    ],
    ['a stream', () => new Blob(['stream']).stream(), 200, 'application/octet-stream', 'stream'],
    ['a generator of nothing', async function* () {}, 200, 'application/octet-stream', ''],
  ]
  for (const [name, handler, status, wanted, body] of cases) {
    test(name, async () => {
      const answer = await answerOf(handler)
      assert.deepEqual([answer.status, type(answer), answer.body], [status, wanted, body])
    })
  }

  test('several cookies stay apart', async () => {
    const answer = await answerOf(
      () =>
        new Response('', {
          headers: [
            ['set-cookie', 'a=1'],
            ['set-cookie', 'b=2'],
          ],
        }),
    )
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  })

  test('a whole response tells its length, whichever Response it is', async () => {
    for (const Kind of [globalThis.Response, HostResponse]) {
      const answer = await answerOf(() => new Kind('12345'))
      assert.equal(answer.headers.get('content-length'), '5')
    }
  })
})

describe('what a handler throws', () => {
  test('an HTTPError is the response, as problem details', async () => {
    const answer = await answerOf(() => {
      throw new HTTPError(404, 'no link is named x', { headers: { 'x-why': 'gone' } })
    })
    assert.equal(answer.status, 404)
    assert.equal(type(answer), 'application/problem+json')
    assert.equal(answer.headers.get('x-why'), 'gone')
    assert.deepEqual(JSON.parse(answer.body), { type: 'about:blank', title: 'Not Found', status: 404, detail: 'no link is named x' })
  })

  for (const [name, thrown] of [
    ['an Error', new Error('secret')],
    ['text', 'secret'],
    ['undefined', undefined],
    ['null', null],
  ]) {
    test(`${name} is a 500 that tells nothing, and is logged`, async () => {
      for (const handler of [
        () => {
          throw thrown
        },
        async () => {
          throw thrown
        },
      ]) {
        const errors = []
        const answer = await answerOf(handler, { errors })
        assert.equal(answer.status, 500)
        assert.ok(!answer.body.includes('secret'))
        assert.equal(errors.length, 1)
        assert.equal(errors[0].at(-1), thrown)
      }
    })
  }

  test('an HTTPError has a status of an error', () => {
    assert.throws(() => new HTTPError(200), { code: 'ERR_HOSTLOOP_INVALID', message: /status 200; use 400 to 599/ })
  })
})

describe('what cannot be sent', () => {
  const refused = [
    [
      'a header with a newline',
      () => new HostResponse('', { headers: { 'x-a': 'b\r\nx-evil: 1' } }),
      /header x-a has the value "b\\r\\nx-evil: 1"/,
    ],
    ['a header whose name has a newline', () => new HostResponse('', { headers: { 'x\na': 'b' } }), /header name "x\\na" is not a token/],
    ['a header beyond Latin-1', () => new HostResponse('', { headers: { 'x-a': '€' } }), /characters beyond Latin-1/],
    ['a function', () => () => {}, /returned a function/],
    ['a symbol', () => Symbol('x'), /returned Symbol\(x\)/],
    [
      'a content-length that is wrong',
      () => new HostResponse('abc', { headers: { 'content-length': '7' } }),
      /says 7, the body has 3 bytes/,
    ],
    [
      'a first piece that is neither text nor bytes',
      async function* () {
        yield { a: 1 }
      },
      /a stream gave/,
    ],
    ['a transfer-encoding', () => new HostResponse('abc', { headers: { 'transfer-encoding': 'chunked' } }), /written by the engine/],
  ]
  for (const [name, handler, message] of refused) {
    test(`${name} is a 500 and an error with a code`, async () => {
      const errors = []
      const answer = await answerOf(handler, { errors })
      assert.equal(answer.status, 500)
      assert.equal(errors[0].at(-1).code, 'ERR_HOSTLOOP_INVALID')
      assert.match(errors[0].at(-1).message, message)
    })
  }

  test('a status that is none is refused where it is given', () => {
    for (const status of [99, 600, 'x', 101]) assert.throws(() => new HostResponse('', { status }), RangeError)
    assert.throws(() => new HostResponse('body', { status: 204 }), TypeError)
  })

  test('an object that refers to itself', async () => {
    const errors = []
    const loop = {}
    loop.loop = loop
    assert.equal((await answerOf(() => loop, { errors })).status, 500)
    assert.match(errors[0].at(-1).message, /circular/)
  })

  test('a stream that gives no bytes ends its connection', async () => {
    const errors = []
    const broken = async function* () {
      yield 'a'
      yield { not: 'bytes' }
    }
    await assert.rejects(answerOf(broken, { errors }))
    assert.match(errors[0].at(-1).message, /a stream gave an object of Object; give text or bytes/)
  })

  test('a stream that fails before its first piece is a 500', async () => {
    const broken = async function* () {
      throw new Error('early')
    }
    assert.equal((await answerOf(broken)).status, 500)
  })

  test('a response whose body was read already', async () => {
    const read = async () => {
      const response = new Response('x')
      await response.text()
      return response
    }
    assert.equal((await answerOf(read)).status, 500)
  })
})

describe('the Response that costs little', () => {
  const both = (make, read) => Promise.all([globalThis.Response, HostResponse].map(async Kind => read(await make(Kind))))

  const alike = [
    ['status and ok', K => new K('x', { status: 404 }), r => [r.status, r.ok, r.statusText, r.type, r.redirected, r.url, r.bodyUsed]],
    ['headers of text', K => new K('x'), r => [...r.headers]],
    ['headers given', K => new K('x', { headers: { 'Content-Type': 'a/b', B: '1' } }), r => [...r.headers]],
    [
      'headers as pairs',
      K =>
        new K('x', {
          headers: [
            ['a', '1'],
            ['a', '2'],
          ],
        }),
      r => [...r.headers],
    ],
    ['text', K => new K('héllo'), r => r.text()],
    ['json', K => new K('[1]'), r => r.json()],
    ['bytes', K => new K(Buffer.from('x')), async r => new Uint8Array(await r.arrayBuffer())],
    ['no body', K => new K(), async r => [r.body, await r.text()]],
    ['a clone', K => new K('x', { status: 201 }), async r => [r.clone().status, await r.clone().text(), await r.text()]],
    ['static json', K => K.json({ a: 1 }, { headers: { x: 'y' } }), async r => [[...r.headers], await r.text()]],
    ['static redirect', K => K.redirect('http://x/a b'), r => [r.status, [...r.headers]]],
    ['a Blob', K => new K(new Blob(['x'], { type: 'a/b' })), async r => [[...r.headers], await r.text()]],
    ['a stream', K => new K(new Blob(['x']).stream()), async r => [[...r.headers], await r.text()]],
    ['a status text', K => new K('x', { statusText: 'Fine' }), r => r.statusText],
  ]
  for (const [name, make, read] of alike) {
    test(`is as the platform's: ${name}`, async () => {
      const [theirs, ours] = await both(make, read)
      assert.deepEqual(ours, theirs)
    })
  }

  test('is a Response, and a Response is one', () => {
    assert.ok(new HostResponse('x') instanceof globalThis.Response)
    assert.ok(new globalThis.Response('x') instanceof HostResponse)
    assert.ok(!({} instanceof HostResponse))
    class Mine extends HostResponse {}
    assert.ok(new Mine('x') instanceof globalThis.Response)
  })

  test('a header that was set later is sent', async () => {
    const handler = () => {
      const response = new HostResponse('x')
      response.headers.set('x-later', '1')
      response.headers.append('set-cookie', 'a=1')
      return response
    }
    const answer = await answerOf(handler)
    assert.equal(answer.headers.get('x-later'), '1')
    assert.equal(answer.headers.get('content-type'), 'text/plain;charset=UTF-8')
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1'])
  })
})
