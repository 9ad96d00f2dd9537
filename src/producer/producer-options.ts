/** The settings of a producer. */
import { z } from 'zod'
import { isHook } from '../model/call-hook.ts'
import { clientIdSchema } from '../model/client-id.ts'
import { invalidParameter } from '../model/errors.ts'
import { MESSAGE_MAX_BYTES, SAFE_INTEGER_MAX } from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import { checkGroupName } from '../model/topic.ts'
import type { SendHook } from './send-hooks.ts'
import type { TransactionChecker } from './transactions.ts'

/** What `createProducer` takes. */
export interface ProducerOptions {
  /**
   * The name of the producers that do the same job, up to 120 letters, digits, `%`, `|`, `_` or `-`. A transaction is
   * checked back with any producer of the group (RocketMQ `producerGroup`).
   */
  readonly group: string
  /**
   * How long a send may wait for room in the store, in milliseconds; then it rejects with `SEND_TIMEOUT` and nothing is
   * stored. Default 3000. More rides out longer bursts, less tells sooner that the store is the bottleneck
   * (RocketMQ `sendMsgTimeout`).
   */
  readonly sendMsgTimeoutMs?: number | undefined
  /**
   * Says how a transaction ended whose producer did not tell in time, or is gone. It looks at what the application has stored
   * itself, so that any producer of the group can answer. Needed for transactions. What it throws counts as `UNKNOWN`
   * (RocketMQ 5 `TransactionChecker`, 4.x `TransactionListener#checkLocalTransaction`).
   */
  readonly transactionChecker?: TransactionChecker | undefined
  /**
   * Compresses bodies of at least so many bytes, by zlib; consumers get them as they were sent. Batches are not compressed, nor what would not
   * become smaller. Limits count what is sent, not what is stored. Default: nothing is compressed; RocketMQ begins at 4096
   * (RocketMQ `compressMsgBodyOverHowmuch`).
   */
  readonly compressMsgBodyOverHowmuchBytes?: number | undefined
  /** Called around every attempt to store something, in this order (RocketMQ `SendMessageHook`). Default: none. */
  readonly sendHooks?: readonly SendHook[] | undefined
  /**
   * How long `close` waits for one-way sends that are on their way, in milliseconds; then an `error` event tells how many are left to chance.
   * Default 10,000.
   */
  readonly closeTimeoutMs?: number | undefined
  /** The name of this one producer, unique in its group. Default: made from the process and a counter. */
  readonly clientId?: string | undefined
}

/** RocketMQ refuses this group, since two applications that left the name out would become one group. */
const DEFAULT_GROUP = 'DEFAULT_PRODUCER'

const schema = z.strictObject({
  group: z.string(),
  sendMsgTimeoutMs: z.int().min(1).max(SAFE_INTEGER_MAX).default(3000),
  transactionChecker: z
    .custom<TransactionChecker>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  compressMsgBodyOverHowmuchBytes: z.int().min(1).max(MESSAGE_MAX_BYTES).optional(),
  sendHooks: z.array(z.custom<SendHook>(isHook, 'must have before() or after()')).default([]),
  closeTimeoutMs: z.int().min(1).max(SAFE_INTEGER_MAX).default(10_000),
  clientId: clientIdSchema.optional(),
})

/** The settings of a producer with every default filled in. */
export type CompleteProducerOptions = Readonly<z.output<typeof schema>>

/** Checks and completes; throws `INVALID_PARAMETER` that names the option. */
export function parseProducerOptions(options: ProducerOptions): CompleteProducerOptions {
  const complete = parseOptions('ProducerOptions', schema, options)
  checkGroupName(complete.group)
  if (complete.group === DEFAULT_GROUP)
    throw invalidParameter(`The group '${DEFAULT_GROUP}' is reserved; choose another name.`)
  return complete
}
