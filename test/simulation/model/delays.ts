/**
 * Messages that come later, and what is known of each: when it may be due, whether it may have been taken back, where it came.
 * A look at the store says what waits; how that differs from what was known before is for the checker.
 */
import type { Decision, FoundWaiting } from '../delay-events.ts'
import {
  type Copy,
  deliveryIn,
  type QueueName,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { type ClockSpan, ClockSpans } from './clock-spans.ts'
import { type LifeRecord, type Moment, mayTakeBack } from './life-book.ts'
import type { Send, SendBook } from './sends.ts'

/** What somebody asked for: it is done, it is not, or nobody knows. */
type Certainty = 'no' | 'maybe' | 'yes'

/** When a message is due, as far as that is known. */
export interface Due {
  readonly from: number
  readonly to: number
}

export interface Delayed {
  readonly number: number
  readonly send: Send
  /** While its send is under way, what the clock shows meanwhile. */
  readonly span: ClockSpan
  /** One of these; none before the answer to its send. */
  dues: readonly Due[]
  /** To which it may have been moved at some time. */
  readonly moves: Due[]
  /** The handle that counts, and those that count no more. */
  handle: string | undefined
  readonly voidHandles: Set<string>
  recalled: Certainty
  fired: Certainty
  readonly deciding: Map<number, Deciding>
  /** What was decided since it was last found to wait: a power cut may take it back. */
  done: readonly Done[]
  /** The latest that the wall clock showed since it is known to wait. */
  latestMs: number
  /** It was due before the clock was set back: then it may come with a store time from before it was due. */
  wasDueEarlier: boolean
  /** Where it came, when it was seen there. */
  place: string | undefined
  /** Its topic was deleted, perhaps: it may be lost with it. */
  isVeiled: boolean
  deletedAt: Moment | undefined
}

/** A decision under way. */
interface Deciding {
  readonly decision: Decision
  /** When it was asked for. */
  readonly askedAt: Moment
  /** Another one came between. */
  isCrossed: boolean
}

interface Done {
  readonly decision: Decision
  readonly at: Moment
  readonly formerDues: readonly Due[]
}

/** Somebody saw a delayed message in its queue. */
export interface Arrival {
  readonly delayed: Readonly<Delayed>
  readonly copy: Copy
  /** Where it lay before, if that is another place. */
  readonly formerPlace: string | undefined
  readonly wasSeen: boolean
}

/** What a look at the store says of a delayed message. */
export interface DelayedFound {
  /** As it was known before. */
  readonly before: Readonly<Delayed>
  readonly waiting: FoundWaiting | undefined
  readonly isInQueue: boolean
}

/** What else is known when the store is looked at. */
interface LookAround {
  readonly isOpening: boolean
  /** The life that a power cut may have taken something from. */
  readonly cutLife: LifeRecord | undefined
  /** What comes to a queue need not be found there. */
  mayBeUnseen(queue: QueueName): boolean
}

export class DelayBook {
  readonly #sends: SendBook
  readonly #isSync: boolean
  readonly #spans = new ClockSpans()
  readonly #delayed = new Map<number, Delayed>()
  /** Seen at this event. */
  arrivals: readonly Arrival[] = []
  /** Of the last look. */
  found: readonly DelayedFound[] = []

  /** `isSync`: what was done is safe as soon as it was flushed behind the question. */
  constructor(sends: SendBook, isSync: boolean) {
    this.#sends = sends
    this.#isSync = isSync
  }

  get all(): Iterable<Delayed> {
    return this.#delayed.values()
  }

  get(number: number): Delayed | undefined {
    return this.#delayed.get(number)
  }

  /** Behind what the book of sends has learned of this event. */
  observe(event: SimEvent, { wallMs }: Stamp, now: Moment): void {
    this.arrivals = []
    const copies = deliveryIn(event)?.copies
    if (copies !== undefined) this.#meet(copies, wallMs)
    switch (event.type) {
      case 'jumping':
        this.#spans.jump(wallMs, event.byMs)
        for (const delayed of this.#delayed.values()) {
          noteTime(delayed, wallMs)
          delayed.wasDueEarlier ||= event.byMs < 0 && this.mayHaveCome(delayed)
        }
        return
      case 'sending':
        if (event.send.delay !== undefined) this.#begin(event, wallMs)
        return
      case 'stored':
        this.#endSend(event, wallMs)
        return
      case 'refused':
        this.#spans.end(event.send.id, wallMs)
        return
      case 'popped':
        this.#meet(
          event.popped.map(({ copy }) => copy),
          wallMs,
        )
        return
      case 'deciding':
        this.#decide(event.decision, wallMs, now)
        return
      case 'decided':
      case 'decision-refused':
        this.#endDecision(event, wallMs, now)
        return
      case 'topic-changing':
        if (event.change === 'delete') for (const each of this.#of(event.topic)) each.isVeiled = true
        return
      case 'topic-changed':
        if (event.change === 'delete') this.#lose(event.topic, wallMs, now)
        return
      case 'crashed':
        this.#crash(wallMs)
    }
  }

  /** What a look at the whole store finds. */
  compare(scan: Scan, { wallMs }: Stamp, { cutLife, isOpening, mayBeUnseen }: LookAround): void {
    if (cutLife !== undefined) for (const delayed of this.#delayed.values()) takeBack(delayed, cutLife)
    const copies = scan.queues.flatMap((queue) => queue.copies)
    this.#meet(copies, wallMs)
    const waiting = new Map(scan.waiting.map((each) => [each.copy.number, each]))
    const inQueue = new Set(copies.map(({ number, queue }) => `${number} ${queue.topic}`))
    this.found = [...this.#delayed.values()].map((delayed) => {
      const { number, send } = delayed
      noteTime(delayed, wallMs)
      const before = { ...delayed, voidHandles: new Set(delayed.voidHandles) }
      const isInQueue = inQueue.has(`${number} ${send.call.topic}`)
      const found = waiting.get(number)
      if (found !== undefined) this.#noteWaiting(delayed, found, isOpening ? wallMs : undefined)
      else if (!isInQueue && !(this.mayHaveCome(delayed) && mayBeUnseen(queueOf(delayed))))
        noteNowhere(delayed, cutLife)
      return { before, waiting: found, isInQueue }
    })
  }

  /** Whether its time has come since it was last known to wait, or somebody had it delivered. */
  mayHaveCome({ dues, fired, deciding, latestMs, send, span, place }: Readonly<Delayed>): boolean {
    if (place !== undefined || fired !== 'no' || isUnderWay(deciding, 'fire')) return true
    const known = dues.length > 0 ? dues : [expectedDue(send, span)]
    return known.some(({ from }) => from <= latestMs)
  }

  #begin({ send }: SimEventOf<'sending'>, wallMs: number): void {
    const [number = -1] = send.numbers
    this.#delayed.set(number, {
      number,
      send: this.#sends.get(send.id),
      span: this.#spans.begin(send.id, wallMs),
      dues: [],
      moves: [],
      handle: undefined,
      voidHandles: new Set(),
      recalled: 'no',
      fired: 'no',
      deciding: new Map(),
      done: [],
      latestMs: wallMs,
      wasDueEarlier: false,
      place: undefined,
      isVeiled: false,
      deletedAt: undefined,
    })
  }

  #endSend({ send, receipt }: SimEventOf<'stored'>, wallMs: number): void {
    const delayed = this.#delayed.get(send.numbers[0] ?? -1)
    if (delayed === undefined) return
    this.#spans.end(send.id, wallMs)
    noteTime(delayed, wallMs)
    if (receipt.wait === undefined) {
      delayed.dues = [expectedDue(delayed.send, delayed.span)]
      delayed.place ??= `${receipt.label}:${receipt.offset}`
      return
    }
    const { deliveryTimestamp, recallHandle } = receipt.wait
    delayed.dues = [{ from: deliveryTimestamp, to: deliveryTimestamp }]
    delayed.handle ??= recallHandle
  }

  #decide(decision: Decision, wallMs: number, askedAt: Moment): void {
    const span = this.#spans.begin(decision.id, wallMs)
    const delayed = this.#delayed.get(decision.number)
    if (delayed === undefined || decision.isForeign) return
    for (const each of delayed.deciding.values()) each.isCrossed = true
    delayed.deciding.set(decision.id, { decision, askedAt, isCrossed: delayed.deciding.size > 0 })
    const { how, deliveryTimestamp: from = 0 } = decision
    // A time that is over by then counts as that moment.
    if (how !== 'move') return
    const due = new MovedDue(from, span)
    delayed.dues = [...delayed.dues, due]
    delayed.moves.push(due)
  }

  #endDecision(
    event: SimEventOf<'decided'> | SimEventOf<'decision-refused'>,
    wallMs: number,
    now: Moment,
  ): void {
    const { decision } = event
    const span = this.#spans.end(decision.id, wallMs)
    const delayed = this.#delayed.get(decision.number)
    const deciding = delayed?.deciding.get(decision.id)
    if (delayed === undefined || deciding === undefined) return
    delayed.deciding.delete(decision.id)
    noteTime(delayed, wallMs)
    if (event.type === 'decided') {
      const at = this.#isSync ? deciding.askedAt : now
      delayed.done = [...delayed.done, { decision, at, formerDues: delayed.dues }]
      this.#noteDone(delayed, event, span)
    } else if (isUncertain(event.refusal)) this.#noteUncertain(delayed, decision)
    else if (decision.how === 'move')
      delayed.dues = delayed.dues.filter((due) => !(due instanceof MovedDue && due.span === span))
  }

  #noteDone(delayed: Delayed, { decision, handle }: SimEventOf<'decided'>, span: ClockSpan): void {
    switch (decision.how) {
      case 'recall':
        delayed.recalled = 'yes'
        return
      case 'fire':
        delayed.fired = 'yes'
        return
      case 'move': {
        const { deliveryTimestamp: from = 0 } = decision
        delayed.dues = [{ from, to: Math.max(from, span.to) }]
        delayed.voidHandles.add(decision.handle)
        delayed.handle = handle
        // It waits anew.
        delayed.latestMs = span.to
        delayed.wasDueEarlier = false
      }
    }
  }

  #noteUncertain(delayed: Delayed, { how }: Decision): void {
    if (how === 'recall' && delayed.recalled === 'no') delayed.recalled = 'maybe'
    if (how === 'fire' && delayed.fired === 'no') delayed.fired = 'maybe'
  }

  #noteWaiting(delayed: Delayed, { deliveryTimestamp, recallHandle }: FoundWaiting, openedMs?: number): void {
    delayed.isVeiled = false
    delayed.deletedAt = undefined
    delayed.place = undefined
    if (delayed.send.state === 'cut') delayed.send.state = 'stored'
    if (delayed.deciding.size > 0) return
    delayed.dues = [{ from: deliveryTimestamp, to: deliveryTimestamp }]
    if (delayed.handle !== undefined && delayed.handle !== recallHandle)
      delayed.voidHandles.add(delayed.handle)
    delayed.voidHandles.delete(recallHandle)
    delayed.handle = recallHandle
    delayed.recalled = 'no'
    delayed.fired = 'no'
    delayed.done = []
    // Nothing that a former life began is on its way.
    if (openedMs === undefined) return
    delayed.latestMs = openedMs
    delayed.wasDueEarlier = false
  }

  #meet(copies: readonly Copy[], wallMs: number): void {
    const arrivals: Arrival[] = []
    for (const copy of copies) {
      const delayed = this.#delayed.get(copy.number)
      if (delayed === undefined || copy.queue.topic !== delayed.send.call.topic) continue
      noteTime(delayed, wallMs)
      const place = `${copy.label}:${copy.offset}`
      const former = delayed.place
      const formerPlace = former === undefined || former === place ? undefined : former
      arrivals.push({ delayed: { ...delayed }, copy, formerPlace, wasSeen: former !== undefined })
      delayed.place = place
    }
    this.arrivals = [...this.arrivals, ...arrivals]
  }

  #of(topic: string): Delayed[] {
    return [...this.#delayed.values()].filter(({ send }) => send.call.topic === topic)
  }

  #lose(topic: string, wallMs: number, now: Moment): void {
    for (const delayed of this.#of(topic)) {
      noteTime(delayed, wallMs)
      delayed.isVeiled = true
      const isCertain = delayed.send.state === 'stored' && delayed.deciding.size === 0
      if (isCertain) delayed.deletedAt ??= now
    }
  }

  #crash(wallMs: number): void {
    this.#spans.endAll(wallMs)
    for (const delayed of this.#delayed.values()) {
      noteTime(delayed, wallMs)
      for (const { decision } of delayed.deciding.values()) this.#noteUncertain(delayed, decision)
      delayed.deciding.clear()
    }
  }
}

/** A move under way: what is over by then counts as that moment. */
class MovedDue implements Due {
  readonly from: number
  readonly span: ClockSpan

  constructor(from: number, span: ClockSpan) {
    this.from = from
    this.span = span
  }

  get to(): number {
    return Math.max(this.from, this.span.to)
  }
}

/** When a message is due, from its send alone: a level counts from a moment of the call. */
export function expectedDue({ call }: Send, { from, to }: ClockSpan): Due {
  const { delayTimeLevel, deliveryTimestamp = 0 } = call.delay ?? {}
  if (delayTimeLevel === undefined) return { from: deliveryTimestamp, to: deliveryTimestamp }
  const delayMs = LEVELS_MS[delayTimeLevel] ?? 0
  return { from: from + delayMs, to: to + delayMs }
}

/** By level; those that are sent with. */
export const LEVELS_MS: Readonly<Record<number, number>> = {
  1: 1000,
  2: 5000,
  3: 10_000,
  4: 30_000,
  5: 60_000,
  6: 120_000,
}

/** Whether nobody knows if what was refused is done. */
export function isUncertain({
  code,
  outcome,
}: {
  code: string | undefined
  outcome: string | undefined
}): boolean {
  return code !== 'ILLEGAL_OPERATION' && code !== 'TOPIC_NOT_EXIST' && outcome !== 'not-attempted'
}

/** Where it comes, as far as that is known. */
export function queueOf({ send }: Readonly<Delayed>): QueueName {
  const { topic, queueId } = send.call
  return send.receipt?.queue ?? { topic, queueId: queueId ?? Number.MAX_SAFE_INTEGER }
}

export function isUnderWay(deciding: Delayed['deciding'], how: Decision['how']): boolean {
  return [...deciding.values()].some(({ decision }) => decision.how === how)
}

/** What a power cut may have undone. */
function takeBack(delayed: Delayed, cutLife: LifeRecord): void {
  if (delayed.deletedAt !== undefined && mayTakeBack(cutLife, delayed.deletedAt))
    delayed.deletedAt = undefined
  const undone = delayed.done.filter(({ at }) => mayTakeBack(cutLife, at))
  for (const { decision, formerDues } of undone) {
    if (decision.how === 'recall') delayed.recalled = 'maybe'
    else if (decision.how === 'fire') delayed.fired = 'maybe'
    else delayed.dues = [...delayed.dues, ...formerDues]
  }
}

function noteNowhere(delayed: Delayed, cutLife: LifeRecord | undefined): void {
  const { send, deciding, recalled, isVeiled } = delayed
  if (deciding.size === 0 && recalled === 'maybe') delayed.recalled = 'yes'
  if (cutLife === undefined || isVeiled || recalled !== 'no') return
  if (send.life === cutLife.life) {
    if (delayed.place === undefined && send.state === 'stored') send.state = 'cut'
    if (send.state === 'cut') delayed.place = undefined
  } else if (send.state === 'cut' && delayed.place !== undefined) {
    // Its delivery was cut, but it was sent in a life before: it has to wait again.
    send.state = 'stored'
  }
}

function noteTime(delayed: Delayed, wallMs: number): void {
  delayed.latestMs = Math.max(delayed.latestMs, wallMs)
}
