/**
 * The build that is measured. `run.ts` compiles the sources as the package does, because what a development loader
 * makes of them is slower; `BENCH_PRODUCT` names the entry file of another build.
 */
import type * as Product from '../src/index.ts'
import { withDirectory } from './directory.ts'

export type Instance = Product.PocketMQ
export type OpenOptions = NonNullable<Parameters<typeof Product.PocketMQ.open>[1]>

/** Opens a store with the build that is measured; only the process that measures loads it. */
export async function openStore(directory: string, options: OpenOptions = {}): Promise<Instance> {
  const { PocketMQ } = await loadProduct()
  return PocketMQ.open(directory, options)
}

/** Loads the build; called beforehand where loading must not be measured. */
export function loadProduct(): Promise<typeof Product> {
  return import(process.env.BENCH_PRODUCT ?? '../src/index.js')
}

/** Opens a store in a new directory for the work; closes and removes it afterwards. */
export function withProduct<T>(options: OpenOptions, work: (mq: Instance) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const mq = await openStore(directory, options)
    try {
      return await work(mq)
    } finally {
      await mq.close()
    }
  })
}
