// Every example of the guide runs as it stands.

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const { join } = require('node:path')

const GUIDE = fs.readFileSync(join(__dirname, '../README.md'), 'utf8')
const EXAMPLES = [...GUIDE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, source]) => source)

/** An example that serves until it is told to end: here, once it is up, on any port. */
const SERVING = `
import { App as Served } from 'hostloop'
const { run } = Served.prototype
Served.prototype.run = async function () {
  await this.start({ port: 0 })
  await this.stop()
}
`

test('there are examples', () => {
  assert.ok(EXAMPLES.length >= 3, `${EXAMPLES.length} were found`)
})

for (const [index, source] of EXAMPLES.entries()) {
  test(`example ${index + 1}: ${source.split('\n').find(line => line && !line.startsWith('import')) ?? ''}`, {
    timeout: 60_000,
  }, async () => {
    const program = source.includes('app.run(') ? SERVING + source : source
    const { code, stderr } = await new Promise(resolve => {
      const child = execFile(process.execPath, ['--input-type=module', '-'], { cwd: join(__dirname, '..') }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      )
      child.stdin.end(program)
    })
    assert.equal(code, 0, `${source}\n${stderr}`)
  })
}
