/** Outbox and inbox of one instance: both are rows in the application's own database. */
import type { ApplicationDatabase } from '../model/chained-batch.ts'
import { DatabaseInbox } from './inbox.ts'
import { Outbox, type OutboxHost } from './outbox.ts'
import { ApplicationRows } from './rows.ts'

export class Boxes {
  readonly outbox: Outbox
  readonly inbox: DatabaseInbox
  readonly #rows: ApplicationRows
  readonly #unwatch: () => void

  private constructor(rows: ApplicationRows, outbox: Outbox, inbox: DatabaseInbox, host: OutboxHost) {
    this.#rows = rows
    this.outbox = outbox
    this.inbox = inbox
    this.#unwatch = host.engine.watch((event) => {
      if (event.type === 'closed') this.#stop()
    })
  }

  /** Reads what earlier lives have left. Throws `INVALID_PARAMETER` for a database that is closed or in use. */
  static async open(database: ApplicationDatabase, host: OutboxHost): Promise<Boxes> {
    const rows = new ApplicationRows(database)
    try {
      // The inbox first: what the outbox sends may be consumed at once.
      const inbox = await DatabaseInbox.open(rows, host)
      return new Boxes(rows, await Outbox.open(rows, host), inbox, host)
    } catch (error) {
      rows.release()
      throw error
    }
  }

  /** Finishes what is on its way. Never rejects: what is left is there for the next life. */
  async close(): Promise<void> {
    this.#unwatch()
    await this.outbox.close()
    await this.inbox.close()
    this.#rows.release()
  }

  /** The engine is gone. */
  #stop(): void {
    this.#unwatch()
    this.outbox.stop()
    this.inbox.stop()
    this.#rows.release()
  }
}
