/**
 * Whom to ask how a transaction ended (RocketMQ `AbstractTransactionalMessageCheckListener`, semantics section 11.2): one live
 * producer of the group, the next one each time. When there is none, the first one that comes is asked; RocketMQ waits
 * for the next round.
 *
 * Of a transaction that waits for a producer only the id is held: without any producer all of a group wait.
 */
import type { TransactionCheck } from '../model/transaction-verbs.ts'

/** Asks a producer about a transaction; resolves when it was asked, whatever it answers. */
type Ask = (transactionId: string, check: TransactionCheck) => Promise<void>

/** A producer that answers; two may answer by the same function. */
interface Answerer {
  readonly check: TransactionCheck
}

interface ProducerGroup {
  /** The one that was asked last is the last. */
  readonly answerers: Set<Answerer>
  /** Transactions that nobody could be asked about. */
  readonly waiting: Set<string>
}

/** Questions of one turn to who has just come: each needs its message read. */
const PAGE_COUNT = 64

export class TransactionChecks {
  readonly #ask: Ask
  readonly #groups = new Map<string, ProducerGroup>()

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** A producer answers for its group until the returned function is called. */
  join(name: string, check: TransactionCheck): () => void {
    const group = this.#group(name)
    const answerer = { check }
    group.answerers.add(answerer)
    if (group.waiting.size > 0) void this.#askWaiting(group)
    return () => {
      group.answerers.delete(answerer)
      this.#forget(name)
    }
  }

  /** Asks one producer of the group, now or when one comes. */
  ask(name: string, transactionId: string): void {
    const group = this.#group(name)
    const check = nextOf(group)
    if (check === undefined) group.waiting.add(transactionId)
    else void this.#ask(transactionId, check)
  }

  /** Nobody needs to be asked any more. */
  drop(name: string, transactionId: string): void {
    this.#groups.get(name)?.waiting.delete(transactionId)
    this.#forget(name)
  }

  async #askWaiting(group: ProducerGroup): Promise<void> {
    while (group.waiting.size > 0) {
      const asked: Promise<void>[] = []
      for (const transactionId of group.waiting) {
        const check = nextOf(group)
        // It has left already: the others wait on.
        if (check === undefined) return
        group.waiting.delete(transactionId)
        if (asked.push(this.#ask(transactionId, check)) === PAGE_COUNT) break
      }
      await Promise.all(asked)
    }
  }

  #group(name: string): ProducerGroup {
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const made = { answerers: new Set<Answerer>(), waiting: new Set<string>() }
    this.#groups.set(name, made)
    return made
  }

  #forget(name: string): void {
    const known = this.#groups.get(name)
    if (known !== undefined && known.answerers.size + known.waiting.size === 0) this.#groups.delete(name)
  }
}

/** The producer whose turn it is; it goes behind the others. */
function nextOf({ answerers }: ProducerGroup): TransactionCheck | undefined {
  const [next] = answerers
  if (next === undefined) return undefined
  answerers.delete(next)
  answerers.add(next)
  return next.check
}
