/** The engine as a producer sees it: what its options want stands around the verbs that store messages. */
import type { Engine } from '../model/engine.ts'
import { aroundSends } from './around-sends.ts'
import { compressing } from './compression.ts'
import type { ProducerHost } from './producer-host.ts'
import type { CompleteProducerOptions } from './producer-options.ts'
import { SendHookRunner } from './send-hooks.ts'

/** The very engine where the options want nothing of it. Hooks stand outermost: they see what the application sent. */
export function sendingEngine(
  { engine, emit }: ProducerHost,
  { group, sendHooks, compressMsgBodyOverHowmuchBytes }: CompleteProducerOptions,
  clientId: string,
): Engine {
  const compressed =
    compressMsgBodyOverHowmuchBytes === undefined
      ? engine
      : aroundSends(engine, compressing(compressMsgBodyOverHowmuchBytes))
  if (sendHooks.length === 0) return compressed
  const { clock } = engine
  const hooks = new SendHookRunner(sendHooks, {
    group,
    clientId,
    clock,
    onError: (error) => emit('error', error),
  })
  return aroundSends(compressed, (kind, request, send) => hooks.around(kind, request, () => send(request)))
}
