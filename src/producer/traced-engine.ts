/** The engine as a producer uses it while its messages are traced: every attempt to store one is told, and what ends one without storing it. */
import type { Engine } from '../model/engine.ts'
import { overlay } from '../model/overlay.ts'
import type { TracedClient, Tracing } from '../model/tracing.ts'
import { aroundSends } from './around-sends.ts'
import { ProducerSendTrace } from './send-trace.ts'

export function tracedEngine(engine: Engine, producer: TracedClient, tracing: Tracing): Engine {
  const { delay, transactions, clock } = engine
  const { group, clientId } = producer
  const told = overlay(engine, {
    ...(delay && {
      delay: overlay(delay, {
        recallMessage: async (topic, recallHandle) => {
          // When it was asked for: what it causes comes behind it.
          const timestamp = clock.now()
          const messageId = await delay.recallMessage(topic, recallHandle)
          tracing.recalled({ group, clientId, topic, messageId, timestamp })
          return messageId
        },
      } satisfies Partial<typeof delay>),
    }),
    ...(transactions && {
      transactions: overlay(transactions, {
        endTransaction: async (messageId, producerGroup, resolution) => {
          const timestamp = clock.now()
          await transactions.endTransaction(messageId, producerGroup, resolution)
          if (resolution === 'UNKNOWN') return
          tracing.transactionEnded({ group, clientId, messageId, resolution, isFromCheck: false, timestamp })
        },
      } satisfies Partial<typeof transactions>),
    }),
  } satisfies Partial<Engine>)
  return aroundSends(told, (kind, request, send) => {
    const trace = new ProducerSendTrace(producer, kind, request, clock.now())
    return tracing.send(trace, () => send(ProducerSendTrace.begin(trace, request)))
  })
}
