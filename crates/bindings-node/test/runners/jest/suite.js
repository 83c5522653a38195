// A service under Jest, which runs every file in a realm of its own.

const { readFile } = require('node:fs/promises')

const { App } = require('hostloop')

class Greeting {
  constructor(text) {
    this.text = text
  }
}

function build() {
  return new App()
    .provide(Greeting, async () => new Greeting((await readFile(__filename, 'utf8')).split('\n')[0]))
    .provide(Object, () => readFile(__filename))
    .get('/', [Greeting], (request, greeting) => greeting.text)
    .get('/bytes', () => Buffer.from('bytes'))
    .get('/file', [Object], (request, file) => file)
    .get('/json', async request => ({ path: request.path }))
    .post('/echo', request => request.json())
}

let client

beforeEach(async () => {
  client = await build().test()
})

afterEach(() => client.close())

test('values are made and injected', async () => {
  expect(await (await client.get('/')).text()).toMatch(/^\/\/ A service under Jest/)
})

test('a promise of the platform is waited for', async () => {
  expect(await (await client.get('/file')).text()).toMatch(/^\/\/ A service under Jest/)
})

test('bytes and JSON are what they are', async () => {
  expect((await client.get('/bytes')).headers.get('content-type')).toBe('application/octet-stream')
  expect(await (await client.get('/bytes')).text()).toBe('bytes')
  expect(await (await client.get('/json')).json()).toEqual({ path: '/json' })
  expect(await (await client.post('/echo', { json: { a: 1 } })).json()).toEqual({ a: 1 })
})

test('it serves', async () => {
  const app = build()
  await app.start({ port: 0 })
  expect(await (await fetch(`${app.url}/json`)).json()).toEqual({ path: '/json' })
  await app.stop()
})
