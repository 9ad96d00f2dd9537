import { expect, test } from 'vitest'
import type { Engine } from '../../src/model/engine.ts'
import { type ListenerCall, layeredCall, layeredEngine, type TestLayer } from '../../src/testing/layer.ts'

const path: string[] = []

function named(name: string): TestLayer {
  return {
    engine: (next) => ({
      flush: () => {
        path.push(name)
        return next.flush()
      },
    }),
    listener: (next) => (call) => {
      path.push(name)
      return next(call)
    },
  }
}

test('Layers stand between the application and the engine in one order, for calls in both directions', async () => {
  const layers = [named('next to the application'), {}, named('next to the engine')]
  const engine = layeredEngine({ flush: async () => void path.push('engine') } as unknown as Engine, layers)
  await engine.flush()
  expect(path.splice(0)).toEqual(['next to the application', 'next to the engine', 'engine'])
  const call = layeredCall(async () => void path.push('listener'), layers)
  await call({} as ListenerCall)
  expect(path.splice(0)).toEqual(['next to the engine', 'next to the application', 'listener'])
})
