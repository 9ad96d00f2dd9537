/** Tells what becomes of the messages of requests: their senders hear of the reply only. */
import type { Engine } from '../../../src/model/engine.ts'
import type { OutgoingMessage } from '../../../src/model/outgoing-message.ts'
import { PropertyName } from '../../../src/model/properties.ts'
import type { SendCall } from '../events.ts'
import { receiptOf } from './copies.ts'
import { refusalOf } from './refusal.ts'
import type { VerbWatch } from './verbs.ts'

export function requestVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
  return {
    sendMessage: async (request) => {
      const { messages } = request
      const correlationId = 'topic' in messages ? correlationIdOf(messages) : undefined
      const send = correlationId === undefined ? undefined : sendOf(messages as OutgoingMessage, watch)
      if (correlationId === undefined || send === undefined) return next.sendMessage(request)
      watch.tell({ type: 'identified', number: send.numbers[0]!, correlationId })
      try {
        const receipt = await next.sendMessage(request)
        watch.tell({ type: 'stored', send, receipt: receiptOf(receipt) })
        return receipt
      } catch (error) {
        watch.tell({ type: 'refused', send, refusal: refusalOf(error) })
        throw error
      }
    },
  }
}

function correlationIdOf({ properties }: OutgoingMessage): string | undefined {
  return properties.find(([name]) => name === PropertyName.CORRELATION_ID)?.[1]
}

function sendOf({ body }: OutgoingMessage, { sendOf }: VerbWatch): SendCall | undefined {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString()
  return sendOf(Number.parseInt(text, 10))
}
