// An application in two workers.

import { App } from '../../index.mjs'

const app = new App({ logger: { ...console, info() {} } })
app.get('/', () => String(process.pid))
app.get('/exit', () => {
  setImmediate(() => process.exit(7))
  return String(process.pid)
})
app.get('/stop', () => void app.stop())
app.get('/slow', () => new Promise(resolve => setTimeout(resolve, 300, String(process.pid))))

await app.run({ port: Number(process.argv[2]), workers: 2 })
