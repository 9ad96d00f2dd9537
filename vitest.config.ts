import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Each file in a process of its own: what one leaves open, locked or exhausted cannot disturb the next. */
const APART = ['bench', 'conformance', 'crash', 'examples', 'simulation', 'store', 'types']

/** The longest begin: one that began last would keep a single process busy when all others are done. */
const LONGEST = ['bench/', 'conformance/', 'simulation/', 'examples/examples', 'crash/', 'store/faults/']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((part) => moduleId.includes(`/test/${part}`))
      return found < 0 ? LONGEST.length : found
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  resolve: {
    // Tests and examples may import the package by its names; it is the source that they get.
    alias: [
      { find: /^pocketmq$/, replacement: source('./src/index.ts') },
      { find: /^pocketmq\/opentelemetry$/, replacement: source('./src/opentelemetry/index.ts') },
      { find: /^pocketmq\/testing$/, replacement: source('./src/testing/index.ts') },
      { find: /^pocketmq\/testing\/vitest$/, replacement: source('./src/testing/vitest.ts') },
      { find: /^pocketmq\/testing\/jest$/, replacement: source('./src/testing/jest.ts') },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'apart',
          include: [
            ...APART.map((folder) => `test/${folder}/**/*.test.ts`),
            'test/*.test.ts',
            'examples/testing/**/*.test.ts',
          ],
        },
      },
      // Loading the source anew for each file would take as long as these tests themselves.
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/*/**/*.test.ts'],
          exclude: APART.map((folder) => `test/${folder}/**`),
          isolate: false,
        },
      },
    ],
    globals: false,
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 5_000,
  },
})
