import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests and examples may import the package by its names; it is the source that they get.
    alias: [
      { find: /^pocketmq$/, replacement: source('./src/index.ts') },
      { find: /^pocketmq\/testing$/, replacement: source('./src/testing/index.ts') },
      { find: /^pocketmq\/testing\/vitest$/, replacement: source('./src/testing/vitest.ts') },
      { find: /^pocketmq\/testing\/jest$/, replacement: source('./src/testing/jest.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/testing/**/*.test.ts'],
    globals: false,
    // Each file in a process of its own: a store that stays open or locked cannot disturb the next file.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
  },
})
