/** What TypeScript says of `test/types`: it infers what is asserted there, and refuses what is to be refused. */

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { join } = require('node:path')
const { test } = require('node:test')

/** Checks `test/types`. */
function check(...options) {
  const tsc = join(__dirname, '../node_modules/.bin/tsc')
  const { stdout, status } = spawnSync(tsc, ['-p', join(__dirname, 'types'), ...options], { encoding: 'utf8' })
  assert.equal(stdout, '')
  assert.equal(status, 0)
}

test('types are inferred, and misuse is refused', () => check())

test("so they are beside the browser's types", () => check('--lib', 'es2023,esnext.disposable,dom,dom.iterable', '--skipLibCheck', 'false'))
