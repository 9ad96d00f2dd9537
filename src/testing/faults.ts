/** Faults that a test scripts, in RocketMQ's words. */
import type { TestLayer } from './layer.ts'

export class Faults {
  /** Stands between the application and the engine. */
  layer(): TestLayer {
    return {}
  }
}
