// The same module for `import` as for `require`, so that there is one of each class.
export * from './dist/index.js'
