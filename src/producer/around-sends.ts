/** Puts something around every verb of an engine that stores messages, so that no way to send is forgotten. */
import type { Engine, SendRequest } from '../model/engine.ts'
import { overlay } from '../model/overlay.ts'
import type { SendReceipt } from '../model/results.ts'
import type { SendKind } from './send-hooks.ts'

/** What stands around a send; it passes the request on, or another one. */
export type AroundSend = <Request extends SendRequest, Receipt extends SendReceipt>(
  kind: SendKind,
  request: Request,
  send: (request: Request) => Promise<Receipt>,
) => Promise<Receipt>

export function aroundSends(engine: Engine, around: AroundSend): Engine {
  const { delay, transactions } = engine
  return overlay(engine, {
    sendMessage: (request) => around('NORMAL', request, (passed) => engine.sendMessage(passed)),
    ...(delay && {
      delay: overlay(delay, {
        sendDelayedMessage: (request, wish) =>
          around('DELAY', request, (passed) => delay.sendDelayedMessage(passed, wish)),
      } satisfies Partial<typeof delay>),
    }),
    ...(transactions && {
      transactions: overlay(transactions, {
        sendHalfMessage: (request) =>
          around('TRANSACTION', request, (passed) => transactions.sendHalfMessage(passed)),
      } satisfies Partial<typeof transactions>),
    }),
  } satisfies Partial<Engine>)
}
