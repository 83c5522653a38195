// A fetch-style application in two workers. Prints its addresses by way of its first response.

const { serve } = require('../../dist/http/serve')

const [port, workers = '2'] = process.argv.slice(2)

const application = {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/exit') setImmediate(() => process.exit(7))
    if (pathname === '/slow') await new Promise(resolve => setTimeout(resolve, 300))
    return new Response(String(process.pid))
  },
}

serve(application, { port: Number(port), workers: Number(workers), logger: { ...console, info() {} } })
