/** What rules about transactions do: begin them, answer checks, and look at what became visible. The topic is `orders`, of one queue. */
import type { MessageView } from '../../model/message.ts'
import { TransactionResolution } from '../../model/transaction.ts'
import type { Producer } from '../../producer/producer.ts'
import type { TransactionChecker } from '../../producer/transactions.ts'
import type { EngineMQ } from './engine-mq.ts'
import type { SendFields } from './kit.ts'

/** What rules about checks cannot do without. */
export const checked = ['transactions', 'virtualTime'] as const
/** By then a transaction that did not end was asked about, wherever a round of checks begins every 30 s. */
export const FIRST_CHECK_MS = 37_000
/** By then all 15 checks are over. */
export const GIVEN_UP_MS = 600_000
export const CHECK_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'

export const { COMMIT, ROLLBACK, UNKNOWN } = TransactionResolution

/** A producer, and what its checker was asked. */
export interface Payer {
  readonly producer: Producer
  readonly asked: readonly MessageView[]
  /** When, in milliseconds since the producer was made. */
  readonly askedAtMs: readonly number[]
}

/** A producer of the group `pay` whose checker answers this, or does this. */
export async function payer(
  mq: EngineMQ,
  answer: TransactionResolution | TransactionChecker = UNKNOWN,
  group = 'pay',
): Promise<Payer> {
  const asked: MessageView[] = []
  const askedAtMs: number[] = []
  const startTimestamp = mq.now()
  const check = typeof answer === 'function' ? answer : () => answer
  const transactionChecker: TransactionChecker = (message, transactionId) => {
    asked.push(message)
    askedAtMs.push(mq.now() - startTimestamp)
    return check(message, transactionId)
  }
  const producer = await mq.createProducer({ group, transactionChecker })
  return { producer, asked, askedAtMs }
}

/** Begins a transaction and stores its half. */
export async function begin({ producer }: Payer, body = 'x', fields: SendFields = {}) {
  const transaction = producer.beginTransaction()
  const receipt = await producer.send({ topic: 'orders', body, ...fields }, { transaction })
  return { transaction, receipt }
}

/** Begins a transaction with nobody who knows how it ends, and loses its producer. */
export async function orphan(mq: EngineMQ, body = 'x'): Promise<void> {
  const sender = await payer(mq)
  await begin(sender, body)
  await sender.producer.close()
}
