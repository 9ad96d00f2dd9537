/** What faults do to a call on its way to the engine. */
import type { SendRequest } from '../../model/engine.ts'
import { MQError, type MQErrorCode, type WriteOutcome } from '../../model/errors.ts'
import type { SendReceipt, SendStatus } from '../../model/results.ts'
import { copyBodies } from '../../store/waiting-send.ts'
import { SEND_VERBS, type VerbCall } from '../engine-verbs.ts'

/** Answers in place of the next layer, which it may call by `call.proceed()`. */
export type VerbAct = (call: VerbCall) => Promise<unknown>

/** Resolves after so many virtual milliseconds; never when the instance is dead by then. */
export type Later = (delayMs: number) => Promise<void>

/** The call never reaches the engine. */
export function refuse(code: MQErrorCode, description: string): VerbAct {
  return async () => {
    throw faultError(code, description, 'not-attempted')
  }
}

/** The engine does what it is asked to, and the caller does not hear of it. */
export function loseAnswer(code: MQErrorCode, description: string): VerbAct {
  return async (call) => {
    await call.proceed()
    throw faultError(code, description, 'unknown')
  }
}

export function answerWithStatus(status: SendStatus): VerbAct {
  return async (call) => withStatus((await call.proceed()) as SendReceipt, status)
}

/** The call reaches the engine later. A send gives up waiting for it when its timeout is over. */
export function delayCall(byMs: number, later: Later, description: string): VerbAct {
  return async (call) => {
    const { timeoutMs } = isSend(call) ? requestOf(call) : { timeoutMs: Infinity }
    const answer = later(byMs).then(() => call.proceed())
    if (byMs <= timeoutMs) return answer
    answer.catch(() => undefined)
    await later(timeoutMs)
    throw faultError('SEND_TIMEOUT', description, 'unknown')
  }
}

/** The caller believes that it is done, as after RocketMQ's one-way calls; the engine hears of it later. */
export function delayOneway(byMs: number, later: Later): VerbAct {
  return async (call) => {
    later(byMs)
      .then(() => call.proceed())
      .catch(() => undefined)
    return doneOneway(call)
  }
}

/** The caller believes that it is done; the engine never hears of it. */
export async function loseOneway(call: VerbCall): Promise<unknown> {
  return doneOneway(call)
}

/** What the caller is told who believes that it is done: of many acknowledgements at once, that none was refused. */
function doneOneway({ verb }: VerbCall): unknown {
  return verb === 'ackMessages' ? [] : undefined
}

/** A send that is held up may outlive the buffers that its caller gave. */
export function ownBodies(call: VerbCall): void {
  if (!isSend(call)) return
  const { messages, ...rest } = requestOf(call)
  const [, ...others] = call.parameters
  call.parameters = [{ ...rest, messages: copyBodies(messages) }, ...others]
}

export function isSend({ verb }: VerbCall): boolean {
  return SEND_VERBS.includes(verb)
}

function requestOf({ parameters: [request] }: VerbCall): SendRequest {
  return request as SendRequest
}

/** A receipt with another status; its other fields are getters, and an engine may have added some. */
function withStatus(receipt: SendReceipt, status: SendStatus): SendReceipt {
  return new Proxy(receipt, {
    get: (target, name, self) => {
      if (name === 'status') return status
      const field: unknown = Reflect.get(target, name, target)
      return typeof field === 'function' ? field.bind(self) : field
    },
  })
}

function faultError(code: MQErrorCode, description: string, outcome: WriteOutcome): MQError {
  return new MQError(code, `The test asked for this: ${description}.`, { outcome })
}
