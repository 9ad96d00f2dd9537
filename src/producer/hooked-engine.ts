/** The engine as a producer with send hooks sees it: they stand around the verbs that store messages, so that every way to send is seen. */
import type { Engine } from '../model/engine.ts'
import { overlay } from '../model/overlay.ts'
import { type SendHook, type SendHookHost, SendHookRunner } from './send-hooks.ts'

/** The very engine where nothing watches. */
export function hookedEngine(
  engine: Engine,
  hooks: readonly SendHook[],
  producer: Omit<SendHookHost, 'clock'>,
): Engine {
  if (hooks.length === 0) return engine
  const { delay, transactions, clock } = engine
  const runner = new SendHookRunner(hooks, { ...producer, clock })
  return overlay(engine, {
    sendMessage: (request) => runner.around('NORMAL', request, () => engine.sendMessage(request)),
    ...(delay && {
      delay: overlay(delay, {
        sendDelayedMessage: (request, wish) =>
          runner.around('DELAY', request, () => delay.sendDelayedMessage(request, wish)),
      } satisfies Partial<typeof delay>),
    }),
    ...(transactions && {
      transactions: overlay(transactions, {
        sendHalfMessage: (request) =>
          runner.around('TRANSACTION', request, () => transactions.sendHalfMessage(request)),
      } satisfies Partial<typeof transactions>),
    }),
  } satisfies Partial<Engine>)
}
