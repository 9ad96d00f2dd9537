/** What each fault is told. */
import { z } from 'zod'
import { invalidParameter, type MQErrorCode, MQErrorCodes } from '../../model/errors.ts'
import { parseOptions } from '../../model/parse-options.ts'
import type { SendStatus } from '../../model/results.ts'
import { ENGINE_VERBS, type EngineVerb } from '../engine-verbs.ts'
import type { TestMQ } from '../test-mq.ts'
import { checkRule, type Fault, type FaultRule, ruleFields } from './rule.ts'

/** A fault that refuses calls, or loses their answers. */
export interface FailOptions extends FaultRule {
  /** The error that the caller gets, with RocketMQ's response code. Default: `SYSTEM_BUSY`; of a lost receipt `SEND_TIMEOUT`. */
  readonly code?: MQErrorCode | undefined
}

/** A fault that holds calls up. */
export interface DelayOptions extends FaultRule {
  /** How long each call is held up, in milliseconds on the virtual clock. */
  readonly byMs: number
}

/**
 * Where a crash happens. `before-store`: a send does not reach the store. `after-store`: it is stored, and the sender never
 * hears of it. `before-listener`: a message was fetched for a listener that is not called. `in-listener`: the listener has
 * begun. `before-acknowledge`: it has succeeded, and its acknowledgement is lost; so is that of a message that was received,
 * and the commit of one that was polled.
 */
export type CrashPoint =
  | 'before-store'
  | 'after-store'
  | 'before-listener'
  | 'in-listener'
  | 'before-acknowledge'

/** A crash, which happens once: at the `nth` chance if that is given, otherwise at the first. */
export interface CrashOptions extends Omit<FaultRule, 'times'> {
  readonly at: CrashPoint
  /** `'kill'`, the default, leaves what was written; `'power'` only what was flushed. */
  readonly how?: 'kill' | 'power' | undefined
}

/** A crash that is to come. */
export interface CrashFault extends Fault {
  /** The instance on what was durable, once the crash has happened; until then it stays pending. */
  readonly reopened: Promise<TestMQ>
}

/** A disk that takes its time. */
export interface SlowDiskOptions {
  /** How long each asynchronous call takes, in milliseconds on the virtual clock. */
  readonly delayMs: number
}

/** A disk without room. */
export interface FullDiskOptions {
  /**
   * `false`, the default: free space fell below `minFreeDiskBytes`, which leaves room for offsets and retries. `true`: not a
   * byte is left, and every write fails with `ENOSPC`.
   */
  readonly refuseWrites?: boolean | undefined
}

/** How a message can be stored less safely than asked for. */
export type WeakSendStatus = Exclude<SendStatus, 'SEND_OK'>

const code = z.enum(Object.keys(MQErrorCodes) as [MQErrorCode, ...MQErrorCode[]])
const { times: _, ...crashFields } = ruleFields

/** What the methods that make faults take. */
export const faultSchemas = {
  rule: z.strictObject(ruleFields),
  fail: z.strictObject({ ...ruleFields, code: code.optional() }),
  delay: z.strictObject({ ...ruleFields, byMs: z.number().min(0).max(Number.MAX_SAFE_INTEGER) }),
  crash: z.strictObject({
    ...crashFields,
    at: z.enum(['before-store', 'after-store', 'before-listener', 'in-listener', 'before-acknowledge']),
    how: z.enum(['kill', 'power']).default('kill'),
  }),
  slowDisk: z.strictObject({ delayMs: z.number().positive().max(Number.MAX_SAFE_INTEGER) }),
  fullDisk: z.strictObject({ refuseWrites: z.boolean().default(false) }),
}

/** Checks what a fault is told; `what` is the method that was called. */
export function parseFault<Schema extends z.ZodType>(
  what: string,
  schema: Schema,
  options: unknown,
): Readonly<z.output<Schema>> {
  const parsed = parseOptions(what, schema, options)
  checkRule(what, parsed as FaultRule)
  return parsed
}

export function parseVerb(what: string, verb: EngineVerb): EngineVerb {
  if (ENGINE_VERBS.includes(verb)) return verb
  throw invalidParameter(
    `${what}: '${String(verb)}' is no verb of an engine; give one such as pullMessage or updateConsumerOffset.`,
  )
}

const statuses = z.enum(['FLUSH_DISK_TIMEOUT', 'FLUSH_SLAVE_TIMEOUT', 'SLAVE_NOT_AVAILABLE'])

export function parseStatus(status: unknown): WeakSendStatus {
  return parseOptions('answerStatus', statuses, status)
}
