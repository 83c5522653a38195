/** `import` and `require` give the same module. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

test('both ways give the same names, and one of each class', async () => {
  const required = require('hostloop')
  const imported = await import('hostloop')
  const names = Object.keys(required).filter(name => name !== '__esModule')
  assert.ok(names.includes('App') && names.includes('WiringError') && names.includes('token'))
  for (const name of names) assert.equal(imported[name], required[name], name)
})
