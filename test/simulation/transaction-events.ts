/** Events of transactions: their halves, what the application made up its mind to, their ends, and who is asked about them. */
import type { Copy, QueueName, Refusal } from './events.ts'

export type End = 'COMMIT' | 'ROLLBACK'

export interface TransactionCall {
  readonly id: number
  /** Of its message. */
  readonly number: number
  readonly topic: string
  readonly producer: string
  readonly producerGroup: string
  /** `listener`: the producer ends it as a local transaction answers. `explicit`: the application ends it by its handle. */
  readonly style: 'listener' | 'explicit'
}

/** The receipt of a half. */
export interface HalfStored {
  readonly messageId: string
  readonly status: string
  readonly queue: QueueName
  readonly storeTimestamp: number
}

/** An end that was asked for. */
export interface EndCall {
  readonly id: number
  readonly number: number
  readonly end: End
}

/** A producer is asked how a transaction ended. */
export interface CheckCall {
  readonly id: number
  readonly producer: string
  /** Of the one that is asked. */
  readonly producerGroup: string
  readonly transactionId: string
  readonly copy: Copy
}

/** A half that a look at the store found. */
export interface FoundHalf {
  readonly number: number
  readonly transactionId: string
  readonly queue: QueueName
  /** How often its group was asked. */
  readonly checkCount: number
  readonly dueTimestamp: number
}

export type TransactionEvent =
  | { readonly type: 'half-sending'; readonly transaction: TransactionCall }
  | { readonly type: 'half-stored'; readonly transaction: TransactionCall; readonly half: HalfStored }
  | { readonly type: 'half-refused'; readonly transaction: TransactionCall; readonly refusal: Refusal }
  /** The application stored in its own database what became of its part: that is the truth from now on. */
  | { readonly type: 'settled-locally'; readonly number: number; readonly end: End }
  | { readonly type: 'ending'; readonly ending: EndCall }
  | { readonly type: 'ended'; readonly ending: EndCall }
  | { readonly type: 'end-failed'; readonly ending: EndCall; readonly refusal: Refusal }
  /** Producers that answer checks; from the first moment in which one may be asked to the last one. */
  | { readonly type: 'answering'; readonly producerGroup: string; readonly producer: string }
  | { readonly type: 'silent'; readonly producerGroup: string; readonly producer: string }
  | { readonly type: 'checking'; readonly check: CheckCall }
  /** Behind `UNKNOWN` are nothing, nonsense and exceptions too. */
  | { readonly type: 'checked'; readonly check: CheckCall; readonly answer: End | 'UNKNOWN' }
