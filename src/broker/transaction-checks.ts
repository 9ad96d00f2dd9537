/**
 * Asks producers how a transaction ended (RocketMQ `AbstractTransactionalMessageCheckListener`, semantics section 11.2): one live
 * producer of the group, the next one each time. When there is none, the first one that comes is asked; RocketMQ waits
 * for the next round.
 */
import type { TransactionCheck } from '../model/engine.ts'
import type { TransactionResolution } from '../model/transaction.ts'

/** Answers the check of a transaction; never rejects. */
type Ask = (check: TransactionCheck) => Promise<TransactionResolution>

interface ProducerGroup {
  /** By client id; the one that was asked last is the last. */
  readonly checks: Map<string, TransactionCheck>
  /** Transactions that nobody could be asked about, by their id. */
  readonly waiting: Map<string, (check: TransactionCheck) => void>
}

export class TransactionChecks {
  readonly #groups = new Map<string, ProducerGroup>()

  /** A producer answers for its group until the returned function is called. */
  join(group: string, clientId: string, check: TransactionCheck): () => void {
    const { checks, waiting } = this.#group(group)
    checks.set(clientId, check)
    for (const ask of [...waiting.values()]) ask(check)
    waiting.clear()
    return () => {
      if (checks.get(clientId) === check) checks.delete(clientId)
      this.#forget(group)
    }
  }

  /** Asks one producer of the group, now or when one comes; `onAnswer` hears what it says. */
  ask(
    group: string,
    transactionId: string,
    ask: Ask,
    onAnswer: (resolution: TransactionResolution) => void,
  ): void {
    const { checks, waiting } = this.#group(group)
    const next = checks.entries().next().value
    const go = (check: TransactionCheck): void => void ask(check).then(onAnswer)
    if (next === undefined) {
      waiting.set(transactionId, go)
      return
    }
    const [clientId, check] = next
    checks.delete(clientId)
    checks.set(clientId, check)
    go(check)
  }

  /** Nobody needs to be asked any more. */
  drop(group: string, transactionId: string): void {
    this.#groups.get(group)?.waiting.delete(transactionId)
    this.#forget(group)
  }

  #group(group: string): ProducerGroup {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const made = { checks: new Map<string, TransactionCheck>(), waiting: new Map() }
    this.#groups.set(group, made)
    return made
  }

  #forget(group: string): void {
    const known = this.#groups.get(group)
    if (known !== undefined && known.checks.size + known.waiting.size === 0) this.#groups.delete(group)
  }
}
