// Two applications, of which one has workers, in a program that something keeps alive.

const { serve } = require('../../dist/http/serve')

const logger = { ...console, info() {} }
const inside = () => new Response('inside')

const application = {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/inherited') return new Response(String(process.env.HOSTLOOP_WORKER_FDS))
    if (pathname !== '/again') return new Response(String(process.pid))
    const refused = await serve(inside, { port: 0, workers: 2, logger }).catch(error => error)
    return new Response(`${refused.code} ${refused.message}`)
  },
}

serve(inside, { port: 0, logger })
serve(application, { port: Number(process.argv[2]), workers: 2, exitAfter: 0.3, logger })
setInterval(() => {}, 1000)
