/** What the member that has the queue does with it: pause, flow control, pulls and calls of the listener. */
import type { QueueInspection } from '../../consumer/inspection.ts'
import type { LimitShare } from '../../consumer/process-queue.ts'
import type { RunningCall } from '../life.ts'
import { closed, type Gate, passed, timeText, unknown, waiting } from './gate.ts'
import { callWith, firstTimeout, type Scene, timeoutOf, toTimestamp } from './scene.ts'

const NOBODY = 'Nobody has the queue.'

export function offsetGate({ storedOffset, log, group, clientId }: Scene): Gate {
  const who = clientId === undefined ? `The group '${group.config.group}'` : `'${clientId}'`
  if (storedOffset !== undefined) return passed('offset', `${who} stands at offset ${storedOffset}.`)
  const isYoung = clientId === undefined && log?.minOffset === 0
  const begins = isYoung ? 'at the beginning of the queue' : 'where consumeFromWhere says'
  return passed('offset', `${who} has no offset yet and begins ${begins}.`)
}

/** What stands between the offset of a group and its listeners. */
export function listeningGates(scene: Scene): readonly Gate[] {
  return [pauseGate(scene), flowControlGate(scene), fetchGate(scene), listenerGate(scene)]
}

/** A copy that stays in its place when it fails counts nothing itself. */
export function retryGate({ view, group, message, owner, clientId }: Scene): Gate {
  const { messageId, reconsumeTimes } = message
  const failed = view.ledger
    .history(messageId)
    .findLast(
      (entry) =>
        entry.type === 'failed' &&
        entry.group === group.config.group &&
        (clientId === undefined || entry.clientId === clientId),
    )
  const staysInPlace = clientId !== undefined || owner?.registration.mode === 'orderly'
  if (staysInPlace && failed?.type === 'failed')
    return passed(
      'retry',
      `It has failed, and stays in its place; the next delivery is retry ${failed.deliveryAttempt}.`,
    )
  return passed('retry', reconsumeTimes === 0 ? 'It has not failed.' : `It is retry ${reconsumeTimes}.`)
}

function pauseGate({ owner, fetchState }: Scene): Gate {
  if (owner === undefined) return unknown('pause', NOBODY)
  const { clientId } = owner.registration
  if (!owner.inspection.isPaused) return passed('pause', `'${clientId}' is not paused.`)
  if (fetchState === 'started') return passed('pause', `'${clientId}' is paused, but this one is under way.`)
  return closed('pause', `'${clientId}' is paused; its resume() opens this.`)
}

function flowControlGate(scene: Scene): Gate {
  const { owner, fetchState, calls, message } = scene
  if (owner === undefined) return unknown('flow-control', NOBODY)
  if (fetchState !== 'unfetched') return passed('flow-control', 'It is fetched.')
  const full = fullness(owner.queue)
  if (full === undefined)
    return passed('flow-control', `There is room: ${owner.queue.unfinishedCount} messages are unfinished.`)
  // The span only shrinks when the first one ends; for the other bounds any end makes room.
  const ends = full.isSpan
    ? calls.filter((call) => call.messages.some((each) => each.queueOffset === owner.queue.committableOffset))
    : calls
  const who = `'${owner.registration.clientId}' pulls nothing more of queue ${message.queue.queueId}`
  return waiting('flow-control', `${who}: ${full.text}.`, firstTimeout(scene, ends))
}

function fetchGate(scene: Scene): Gate {
  const { owner, fetchState, view } = scene
  if (owner === undefined) return unknown('fetch', NOBODY)
  const { clientId } = owner.registration
  if (fetchState !== 'unfetched') return passed('fetch', `'${clientId}' has fetched it.`)
  if (owner.inspection.isPaused || fullness(owner.queue) !== undefined)
    return unknown('fetch', 'Nothing is pulled meanwhile.')
  const { failure, nextOffset } = owner.queue
  if (failure !== undefined) {
    const next = toTimestamp(view, failure.retryMs)
    return waiting(
      'fetch',
      `The pull of '${clientId}' failed: ${failure.text} The next one follows at ${timeText(next)}.`,
      next,
    )
  }
  if (nextOffset === undefined) return waiting('fetch', `'${clientId}' is looking up where to begin.`)
  return waiting(
    'fetch',
    `The pulls of '${clientId}' have not come to it; the next one begins at offset ${nextOffset}.`,
  )
}

function listenerGate(scene: Scene): Gate {
  const { owner, fetchState } = scene
  if (owner === undefined) return unknown('listener', NOBODY)
  if (fetchState === 'unfetched') return unknown('listener', 'It is not fetched.')
  return runningGate(scene) ?? redeliveryGate(scene) ?? orderGate(scene) ?? slotGate(scene)
}

function runningGate(scene: Scene): Gate | undefined {
  const call = callWith(scene)
  if (call === undefined || scene.fetchState !== 'started') return undefined
  const since = `since ${timeText(call.startedTimestamp)}, attempt ${attemptIn(call, scene)}`
  const where = `In the listener of '${call.clientId}', which has not settled; ${since}`
  if (call.isOrderly) return waiting('listener', `${where}; its ${orderOf(scene)} waits for it.`)
  const ends = timeoutOf(scene.view, call)
  return waiting('listener', `${where}; it times out at ${timeText(ends)}.`, ends)
}

/** The stored copy does not count what failed and stayed where it is. */
function attemptIn({ messages }: RunningCall, { message }: Scene): number {
  const delivered = messages.find(({ queueOffset }) => queueOffset === message.queueOffset)
  return (delivered ?? message).deliveryAttempt
}

/** What is held up when order is kept. */
function orderOf({ owner }: Scene): string {
  return owner?.inspection.orderOf ?? 'queue'
}

function redeliveryGate(scene: Scene): Gate | undefined {
  const { owner, message, view } = scene
  const dueMs = owner?.inspection.redeliveryMs(message.queueOffset)
  if (dueMs === undefined) return undefined
  const due = toTimestamp(view, dueMs)
  const { mode, messageModel } = owner!.registration
  const staysFor =
    mode === 'orderly'
      ? `, and its ${orderOf(scene)} rests`
      : messageModel === 'broadcasting'
        ? ', and stays with its member'
        : ', which could not be stored'
  return waiting('listener', `It failed${staysFor}; it is delivered again at ${timeText(due)}.`, due)
}

/** Where an order is kept, nothing overtakes. */
function orderGate({ owner, message, calls }: Scene): Gate | undefined {
  const first = owner?.inspection.blockerOf(message.queueOffset)
  if (first === undefined) return undefined
  const isRunning = calls.some(({ messages }) => messages.some(({ queueOffset }) => queueOffset === first))
  const what = isRunning ? 'which is in the listener' : 'which is not finished'
  return waiting('listener', `It waits for offset ${first} of its queue, ${what}.`)
}

function slotGate(scene: Scene): Gate {
  const { owner, fetchState, groupCalls, view } = scene
  const { inspection, registration } = owner!
  const { clientId } = registration
  if (fetchState === 'started')
    return waiting(
      'listener',
      `The listener of '${clientId}' is about to get it, or is done and the outcome is being stored.`,
    )
  if (inspection.heldUntilMs !== undefined) {
    const held = toTimestamp(view, inspection.heldUntilMs)
    return waiting(
      'listener',
      `The rateLimit of '${clientId}' lets the next one start at ${timeText(held)}.`,
      held,
    )
  }
  if (inspection.runningCount < inspection.concurrency)
    return passed('listener', `A call of the listener of '${clientId}' is free.`)
  const theirs = groupCalls.filter((call) => call.clientId === clientId)
  return waiting(
    'listener',
    `It waits for its turn: the listener of '${clientId}' is busy with ${inspection.runningCount} of ${inspection.concurrency} calls.`,
    firstTimeout(scene, theirs),
  )
}

/** What a bound is called when it is that of the queue, and when it is a share of what all queues may have. */
type BoundNames = readonly [own: string, ofAll: string]
const COUNT_NAMES: BoundNames = ['pullThresholdForQueue', 'pullThresholdForTopic']
const BYTES_NAMES: BoundNames = ['pullThresholdSizeForQueueBytes', 'pullThresholdSizeForTopicBytes']

function boundInWords(
  [own, ofAll]: BoundNames,
  bound: number,
  shared: number | undefined,
  share: LimitShare | undefined,
): string {
  if (shared === undefined) return `${own} is ${bound}`
  return `${ofAll} is ${shared}, which gives ${bound} to each of ${share?.queueCount} queues`
}

/** Which threshold is reached; as `ProcessQueue.hasRoom`. */
function fullness({ limits, unfinishedCount, unfinishedBytes, span }: QueueInspection) {
  const { maxCount, maxBytes, maxSpan, share } = limits
  if (unfinishedCount >= maxCount) {
    const bound = boundInWords(COUNT_NAMES, maxCount, share?.ofCount, share)
    return { isSpan: false, text: `${unfinishedCount} messages are unfinished, and ${bound}` }
  }
  if (unfinishedBytes >= maxBytes) {
    const bound = boundInWords(BYTES_NAMES, maxBytes, share?.ofBytes, share)
    return { isSpan: false, text: `${unfinishedBytes} bytes are unfinished, and ${bound}` }
  }
  if (span < maxSpan) return undefined
  return {
    isSpan: true,
    text: `${span} messages are fetched from the first unfinished one on, and consumeConcurrentlyMaxSpan is ${maxSpan}`,
  }
}
