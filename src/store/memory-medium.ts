/** A store in memory: the same databases without a file, and no journal, since nothing survives the process. */
import { MemoryLevel } from 'memory-level'
import type { Database, Medium } from './medium.ts'

class MemoryDatabase implements Database {
  readonly level: MemoryLevel<Buffer, Buffer>

  constructor() {
    this.level = new MemoryLevel({ keyEncoding: 'buffer', valueEncoding: 'buffer', storeEncoding: 'buffer' })
  }

  async barrier(): Promise<void> {}

  async compactRange(): Promise<void> {}

  async damageReport(): Promise<readonly string[]> {
    return []
  }

  async close(): Promise<void> {
    await this.level.close()
  }
}

export function memoryMedium(): Medium {
  return {
    openDatabase: async () => {
      const database = new MemoryDatabase()
      await database.level.open()
      return database
    },
    claim: async () => undefined,
    checkClaim: async () => undefined,
    release: async () => undefined,
  }
}
