/** What faults do to the calls of listeners. */
import { type ConsumeContext, commitOf } from '../../consumer/consume-context.ts'
import { ConsumeResult } from '../../consumer/message-listener.ts'
import type { CallListener, ListenerCall } from '../layer.ts'

type Answer = Awaited<ReturnType<CallListener>>

/** Whether a listener is done with all the messages of its call. */
export function hasSucceeded({ messages, context }: ListenerCall, answer: Answer): boolean {
  return (
    (answer ?? ConsumeResult.SUCCESS) === ConsumeResult.SUCCESS && context.ackIndex >= messages.length - 1
  )
}

/** Calls once more for the same messages, as if they had come again; what the listener answers now is what counts. */
export async function callAgain(next: CallListener, call: ListenerCall): Promise<Answer> {
  const context = freshContext(call.context)
  try {
    return await next({ ...call, context })
  } finally {
    call.context.delayLevelWhenNextConsume = context.delayLevelWhenNextConsume
    call.context.ackIndex = context.ackIndex
    call.context.suspendCurrentQueueTimeMs = context.suspendCurrentQueueTimeMs
  }
}

/** What the first call said about its outcome says nothing about that of the second. */
function freshContext(context: ConsumeContext): ConsumeContext {
  const { queue, deliveryAttempt } = context
  const fresh = {
    queue,
    deliveryAttempt,
    get signal() {
      return context.signal
    },
    delayLevelWhenNextConsume: 0,
    ackIndex: Number.MAX_SAFE_INTEGER,
    suspendCurrentQueueTimeMs: -1,
    get committing() {
      return commitOf(context)
    },
    commit: (...batch: Parameters<ConsumeContext['commit']>) => context.commit(...batch),
  }
  return fresh
}
