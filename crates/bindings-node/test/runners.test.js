// Vitest's workers and Jest's, in processes and in threads.

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { join } = require('node:path')

const BIN = join(__dirname, '../node_modules/.bin')
const RUNNERS = join(__dirname, 'runners')

/** Runs a test runner, and waits for its end: what is left open would keep it. */
function run(name, ...options) {
  return new Promise(resolve => {
    const environment = { ...process.env, CI: '1', NO_COLOR: '1', NODE_OPTIONS: '' }
    delete environment.NODE_TEST_CONTEXT
    execFile(join(BIN, name), options, { env: environment, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    )
  })
}

for (const pool of ['threads', 'forks', 'vmThreads']) {
  test(`Vitest, ${pool}`, { timeout: 90_000 }, async () => {
    const { code, output } = await run('vitest', 'run', '--root', join(RUNNERS, 'vitest'), `--pool=${pool}`)
    assert.equal(code, 0, output)
    assert.match(output, /Tests +6 passed/)
  })
}

for (const [where, options] of [
  ['processes', ['--maxWorkers=2']],
  ['threads', ['--maxWorkers=2', '--workerThreads']],
  ['band', ['--runInBand']],
]) {
  test(`Jest, in ${where}`, { timeout: 90_000 }, async () => {
    const { code, output } = await run('jest', '--config', join(RUNNERS, 'jest/jest.config.js'), '--detectOpenHandles=false', ...options)
    assert.equal(code, 0, output)
    assert.match(output, /Tests: +8 passed/)
    assert.doesNotMatch(output, /did not exit/)
  })
}
