/** Listeners that do again what an earlier delivery of the same message has done already. */
import type { MessageView } from '../../model/message.ts'
import type { OutgoingMessage } from '../../model/outgoing-message.ts'
import { digestOf } from './message-facts.ts'
import { defineRule, type ListenerRun, type SeenSend } from './rule.ts'

export const repeatedEffect = defineRule({
  code: 'REPEATED_EFFECT',
  severity: 'risky',
  title: 'When a message was delivered again, its listener sent what it had sent before.',
  explanation:
    'Delivery is at least once: a failure, a timeout, a rebalance or a crash delivers a message again, and then everything ' +
    'that follows from it happens twice. Sends count as the same with the same topic, tag, keys and body, or with the same ' +
    'keys and a body of the same size, in which only a time or a random id may differ.',
  advice:
    'Note in your database what a message has led to, in the transaction that does it, and skip it the second time; or send last, and ' +
    'let whoever receives it recognise duplicates by key.',
  reference: 'DefaultMQPushConsumerImpl#sendMessageBack',
  refuses: false,
  watch: (report) => {
    /** Which call of which listener did what, by group, consumed message and effect. */
    const effects = new Map<string, ListenerRun>()
    return {
      sent(send) {
        for (const [, key] of effectsOf(send)) if (!effects.has(key)) effects.set(key, send.during!)
      },
      sends(send) {
        const repeated = effectsOf(send).find(([, key]) => (effects.get(key) ?? send.during) !== send.during)
        if (repeated !== undefined) tell(send, repeated[0])
      },
    }

    function tell(
      { topic, during }: SeenSend,
      { messageId, topic: from, deliveryAttempt }: MessageView,
    ): void {
      const { group } = during!.call
      const message =
        `The listener of '${group}' sent the same to '${topic}' again when a message of '${from}' was delivered ` +
        `for another time (attempt ${deliveryAttempt}).`
      report({ subject: `${group} ${topic}`, group, topic, messageId, message })
    }
  },
})

type Effect = readonly [cause: MessageView, key: string]

/** Each send has up to two keys, for each message that it may follow from. */
function effectsOf({ topic, messages, during }: SeenSend): Effect[] {
  if (during === undefined) return []
  const { group, messages: causes } = during.call
  const keys = messages.flatMap((message) => keysOf(topic, message))
  return causes.flatMap((cause) =>
    keys.map((key): Effect => [cause, JSON.stringify([group, cause.messageId, ...key])]),
  )
}

function keysOf(topic: string, message: OutgoingMessage): (string | number)[][] {
  const { tag, keys, bodyBytes } = message
  const exact = [topic, tag, keys, digestOf(message)]
  return keys === '' ? [exact] : [exact, [topic, tag, keys, bodyBytes]]
}
