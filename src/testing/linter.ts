/** Finds code that works here and breaks on a RocketMQ cluster. */
import type { TestLayer } from './layer.ts'

export class Linter {
  layer(): TestLayer {
    return {}
  }
}
