// Two workers that are slow to start, and cannot at all while a file is there: `node workers-unlucky.js PORT FILE`. SIGUSR2 has the supervisor
// unable to start processes, and able again.

const { existsSync } = require('node:fs')

const { serve } = require('../../dist/http/serve')

const [port, file] = process.argv.slice(2)
const isWorker = process.send !== undefined

const application = {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/exit') setImmediate(() => process.exit(7))
    if (pathname === '/hang') await new Promise(() => {})
    return new Response(String(process.pid))
  },
}

function toggle() {
  if (process.env.TOO_LONG === undefined) process.env.TOO_LONG = 'x'.repeat(200_000)
  else delete process.env.TOO_LONG
}

function begin() {
  if (isWorker && existsSync(file)) process.exit(3)
  serve(application, { port: Number(port), workers: 2, logger: { ...console, info() {} } })
}

if (isWorker) setTimeout(begin, 100)
else {
  process.on('SIGUSR2', toggle)
  begin()
}
