/** Engines that are broken for `admin.trace`. */
import type { Engine } from '../../src/model/engine.ts'
import type { TraceVerbs } from '../../src/model/trace-verbs.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

function brokenTraces(next: Engine, verbs: (traces: TraceVerbs) => Partial<TraceVerbs>): Partial<Engine> {
  const traces = next.traces!
  return { traces: overlay(traces, verbs(traces)) }
}

const TRACING = 'Tracing'

export const BROKEN_TRACES: readonly BrokenEngine[] = [
  [
    'writes no traces down',
    TRACING,
    'A trace tells who sent a message, and that it was stored',
    (next) => brokenTraces(next, () => ({ storeTraces: async () => undefined })),
  ],
  [
    'writes traces down under no keys',
    TRACING,
    'Traces are messages of a topic, with the message ids as keys',
    (next) =>
      brokenTraces(next, (traces) => ({
        storeTraces: (message) => traces.storeTraces({ ...message, keys: '' }),
      })),
  ],
  [
    'writes only the first trace down',
    TRACING,
    'A trace tells of each delivery, with its consumer, duration and outcome',
    (next) => {
      let count = 0
      return brokenTraces(next, (traces) => ({
        storeTraces: async (message) => (++count === 1 ? traces.storeTraces(message) : undefined),
      }))
    },
  ],
  [
    'knows nothing of what waits',
    TRACING,
    'A trace finds a message that waits for its time, and tells it',
    (next) => brokenTraces(next, () => ({ queryPending: async () => [] })),
  ],
  [
    'knows nothing of retries that wait',
    TRACING,
    'A trace tells of the retry that waits, and at which time it comes',
    (next) =>
      brokenTraces(next, (traces) => ({
        queryPending: async (messageId, copies) =>
          copies.length > 0 ? [] : traces.queryPending(messageId, copies),
      })),
  ],
  [
    'finds only the first copy of a message',
    TRACING,
    'A trace tells of each retry, and of the dead letter with its reason',
    (next) => ({
      queryMessagesById: async (messageId) => (await next.queryMessagesById(messageId)).slice(0, 1),
    }),
  ],
]
