// The Response that costs little beside the platform's: the same values, and nothing shared with who made it.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')

const { HostResponse } = require('../dist/http/response')
const { Server } = require('../dist/http/server')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

/** What a client gets of a response: raw, names and values as they were sent. */
async function sent(response) {
  const server = new Server({ logger: QUIET })
  server.route('GET', '/', () => response)
  try {
    const answer = await server.fetch('/')
    return { status: answer.status, headers: answer.headers, body: await answer.text() }
  } finally {
    await server.close()
  }
}

describe('a redirect', () => {
  for (const url of [
    'http://x',
    'http://x/a%2Fb?q=%2520#%23',
    'http://x/a b/é?q=é b',
    'https://é.example/100%',
    'http://x/%zz',
    'HTTP://X:80/../a',
    'mailto:a@b',
    new URL('http://x/%2F'),
  ]) {
    test(`to ${url} is the platform's`, () => {
      assert.equal(HostResponse.redirect(url).headers.get('location'), Response.redirect(url).headers.get('location'))
    })
  }

  for (const [url, location] of [
    ['/a%2Fb?next=%2Fc', '/a%2Fb?next=%2Fc'],
    ['/a b/é/€', '/a%20b/%C3%A9/%E2%82%AC'],
    ['../x?y=1#z', '../x?y=1#z'],
    ['/a\r\nx-evil: 1', '/a%0D%0Ax-evil:%201'],
    ['/\ud800', '/%EF%BF%BD'],
  ]) {
    test(`to ${JSON.stringify(url)} encodes what must be, once`, () => {
      assert.equal(HostResponse.redirect(url).headers.get('location'), location)
    })
  }
})

describe('what a response was made of', () => {
  test('may be changed afterwards: status, header fields', async () => {
    const init = { status: 201, headers: { 'x-user': 'ann' } }
    const response = new HostResponse('ann', init)
    init.status = 404
    init.headers['x-user'] = 'bob'
    init.headers['x-more'] = 'bob'
    assert.deepEqual([response.status, response.headers.get('x-user'), response.headers.get('x-more')], [201, 'ann', null])
    const answer = await sent(new HostResponse('ann', init))
    assert.equal(answer.headers.get('x-user'), 'bob')
  })

  test('may be changed afterwards: a Headers, a list of pairs', async () => {
    const headers = new Headers({ 'x-a': '1' })
    const pairs = [['x-a', '1']]
    const responses = [new HostResponse('x', { headers }), new HostResponse('x', { headers: pairs })]
    headers.set('x-a', '2')
    pairs[0][1] = '2'
    pairs.push(['x-b', '2'])
    for (const response of responses) {
      const answer = await sent(response)
      assert.deepEqual([answer.headers.get('x-a'), answer.headers.get('x-b')], ['1', null])
    }
  })

  for (const [name, make] of [
    ['a Buffer', () => Buffer.from('ann')],
    ['an ArrayBuffer', () => new TextEncoder().encode('ann').buffer],
    ['a DataView', () => new DataView(new TextEncoder().encode('ann').buffer)],
  ]) {
    test(`may be written over: ${name}`, async () => {
      const bytes = make()
      const response = new HostResponse(bytes)
      new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, 3).fill(0x78)
      assert.equal((await sent(response)).body, 'ann')
    })
  }

  test('may be another Response', async () => {
    const first = new HostResponse('x', { status: 201, headers: { 'x-a': '1' } })
    const answer = await sent(new HostResponse('y', first))
    assert.deepEqual([answer.status, answer.headers.get('x-a'), answer.body], [201, '1', 'y'])
    assert.equal(HostResponse.json({}, first).status, 201)
  })
})

describe("as the platform's", () => {
  test('values of header fields are trimmed', async () => {
    const init = { headers: { 'x-a': ' \t b c\r\n ', 'x-b': '  ', 'x-c': '' } }
    const answer = await sent(new HostResponse('x', init))
    for (const name of Object.keys(init.headers)) {
      assert.equal(new HostResponse('x', init).headers.get(name), new Response('x', init).headers.get(name))
      assert.equal(answer.headers.get(name), new Response('x', init).headers.get(name))
    }
  })

  test('a type in two spellings is sent once', async () => {
    const init = { headers: { 'content-type': 'text/a', 'Content-Type': 'text/b' } }
    const answer = await sent(new HostResponse('x', init))
    assert.equal(answer.headers.get('content-type'), new Response('x', init).headers.get('content-type'))
    const bytes = await sent(new HostResponse(Buffer.from('x'), init))
    assert.equal(bytes.headers.get('content-type'), 'text/a, text/b')
  })

  for (const headers of [[['a']], [['a', 'b', 'c']], [[]], null, 'a', [1]]) {
    test(`headers ${JSON.stringify(headers)} are refused`, () => {
      assert.throws(() => new Response('x', { headers }), TypeError)
      assert.throws(() => new HostResponse('x', { headers }), TypeError)
    })
  }

  for (const status of ['201', 200.5, 65_536 + 201]) {
    test(`the status ${JSON.stringify(status)} is read`, async () => {
      const wanted = new Response('x', { status }).status
      assert.equal(new HostResponse('x', { status }).status, wanted)
      assert.equal((await sent(new HostResponse('x', { status }))).status, wanted)
    })
  }

  test('a class that extends it has its own alone', () => {
    class Mine extends HostResponse {}
    assert.ok(new Mine('x') instanceof Mine)
    assert.ok(new Mine('x') instanceof HostResponse)
    assert.ok(new Mine('x') instanceof Response)
    assert.ok(new Response('x') instanceof HostResponse)
    assert.ok(!(new HostResponse('x') instanceof Mine))
    assert.ok(!(new Response('x') instanceof Mine))
  })

  test('cookies stay apart, whether they were looked at or not', async () => {
    const headers = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]
    const looked = new HostResponse('x', { headers })
    assert.deepEqual(looked.headers.getSetCookie(), ['a=1', 'b=2'])
    for (const response of [looked, new HostResponse('x', { headers })]) {
      assert.deepEqual((await sent(response)).headers.getSetCookie(), ['a=1', 'b=2'])
    }
  })
})
