// Servers of each kind in one process, with handlers of each kind. Its output is their ports; whatever is thrown past them ends it.

const { App, createServer, serve } = require('hostloop')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }
const PIECE = 'x'.repeat(100)

async function* flood() {
  for (let at = 0; at < 20_000; at++) yield PIECE
}

const handlers = {
  '/text': () => 'text',
  '/later': async () => 'later',
  '/throws': () => {
    throw new Error('thrown')
  },
  '/flood': () => flood(),
  '/web': () => new Response(new ReadableStream({ pull: controller => controller.enqueue(Buffer.from(PIECE)) })),
  '/read': async request => (await request.text()).length,
  '/echo': request => new Response(request.body),
  '/clone': async request => (await request.clone().text()) + (await request.text()),
  '/silent': ({ signal }) => new Promise(resolve => signal.addEventListener('abort', resolve)),
}

/** The same for listeners of `node:http`. */
function listener(req, res) {
  const { pathname } = new URL(req.url, 'http://localhost')
  if (pathname === '/flood' || pathname === '/web') require('node:stream').Readable.from(flood()).pipe(res)
  else if (pathname === '/echo' || pathname === '/clone') req.on('error', () => {}).pipe(res)
  else if (pathname === '/read')
    req
      .on('error', () => {})
      .on('end', () => res.end('read'))
      .resume()
  else if (pathname !== '/silent') res.end(pathname)
}

async function main() {
  // A request behind another on its connection is not left before its turn.
  const app = new App({ logger: QUIET, timeouts: { drain: 0.1 } })
  for (const [path, handler] of Object.entries(handlers)) app.route('GET', path, handler).route('POST', path, handler)
  await app.start({ port: 0 })
  const answer = request => (handlers[new URL(request.url).pathname] ?? handlers['/text'])(request)
  const fetched = await serve(
    async request => {
      const value = await answer(request)
      return value instanceof Response ? value : new Response(String(value))
    },
    { port: 0, logger: QUIET },
  )
  const node = createServer({ logger: QUIET }, listener).listen(0, '127.0.0.1', () => {
    const ports = [app.url, fetched.url].map(url => Number(url.split(':').pop()))
    console.log(JSON.stringify([...ports, node.address().port]))
  })
  process.once('SIGTERM', async () => {
    await Promise.all([app.stop(), fetched.drain(0), new Promise(resolve => node.close(resolve).closeAllConnections())])
    console.log('ended')
  })
}

main()
