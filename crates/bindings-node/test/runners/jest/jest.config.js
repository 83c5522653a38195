module.exports = { testEnvironment: 'node', rootDir: __dirname, testMatch: ['**/*.test.js'] }
