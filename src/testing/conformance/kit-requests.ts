/** What rules about requests do: ask, reply, and hold a request that nobody has replied to. */
import type { MessageView } from '../../model/message.ts'
import type { ReplyStatus } from '../../model/reply.ts'
import type { RequestOptions } from '../../producer/request-options.ts'
import type { EngineMQ } from './engine-mq.ts'
import { queueOf, subscribe } from './kit.ts'
import { onlyOne, puller } from './kit-receivers.ts'

/** Asks as the producer of the group `shop`. What fails is looked at later. */
export async function ask(mq: EngineMQ, body = 'apples', options: RequestOptions = {}) {
  const producer = await mq.producer()
  const reply = producer.request({ topic: 'orders', body }, options)
  reply.catch(() => undefined)
  return { reply, producer, answered: () => soon(mq, reply) }
}

/** What a promise answers without time moving: it must, and a reply that got lost is noticed before its time is over. */
export async function soon<Answer>(mq: EngineMQ, promise: Promise<Answer>): Promise<Answer> {
  let isSettled = false
  const note = (): void => {
    isSettled = true
  }
  promise.then(note, note)
  await mq.until('the reply comes', () => isSettled)
  return promise
}

/** A consumer whose listener replies with what `answer` makes of the request; answers what became of its replies. */
export async function replying(
  mq: EngineMQ,
  answer: (message: MessageView) => string = (message) => message.text().toUpperCase(),
  options: Omit<Parameters<typeof subscribe>[1] & object, 'listener'> = {},
): Promise<ReplyStatus[]> {
  const statuses: ReplyStatus[] = []
  const listener = async (message: MessageView): Promise<undefined> => {
    statuses.push((await message.reply(answer(message))).status)
  }
  await subscribe(mq, { ...options, listener })
  return statuses
}

/** A request that nobody has replied to yet, as a pull consumer has it. */
export async function pulledRequest(mq: EngineMQ, options: RequestOptions = {}) {
  const asked = await ask(mq, 'apples', options)
  await mq.until('the request is stored', async () => (await mq.admin.maxOffset(await queueOf(mq))) === 1)
  const consumer = await puller(mq)
  const { messages } = await consumer.pull(await queueOf(mq), '*', 0, 1)
  return { ...asked, message: onlyOne(messages) }
}
