/** `import` and `require` give the same module, and `require` loads no more of it than is named. */

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { join } = require('node:path')
const { test } = require('node:test')

test('both ways give the same names, and one of each class', async () => {
  const required = require('hostloop')
  const imported = await import('hostloop')
  const names = Object.keys(require('../dist/index.js')).toSorted()
  assert.ok(names.includes('App') && names.includes('WiringError') && names.includes('token'))
  assert.deepEqual(Object.keys(required).toSorted(), names)
  for (const name of names) assert.equal(imported[name], required[name], name)
})

test('who names createServer alone loads neither the graph nor the web’s classes', () => {
  const program = `
    const { createServer } = require('hostloop')
    createServer()
    console.log(JSON.stringify([...Object.keys(require.cache), ...process.moduleLoadList]))
  `
  const loaded = JSON.parse(execFileSync(process.execPath, ['-e', program], { cwd: join(__dirname, '..'), encoding: 'utf8' }))
  const isMuch = name => /dist.(app|lifecycle.(?!options))|undici|child_process/.test(name)
  assert.deepEqual(loaded.filter(isMuch), [])
  assert.ok(loaded.some(name => name.endsWith('server.js')))
})
