/** The build's `pocketmq/testing`, which lies beside its entry file. */
import type * as Testing from '../src/testing/index.ts'

export type TestInstance = Testing.TestMQ

export function loadTesting(): Promise<typeof Testing> {
  const product = process.env.BENCH_PRODUCT
  return import(
    product === undefined ? '../src/testing/index.js' : product.replace(/index\.js$/, 'testing/index.js')
  )
}
