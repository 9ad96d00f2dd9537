/** Tells whoever traces messages what an application asked for and got, and what it says of it afterwards. */
import type { MessageView } from '../model/message.ts'
import type { SettleTrace, TracedClient } from '../model/tracing.ts'
import type { ConsumerHost } from './consumer-host.ts'

type TracingHost = Pick<ConsumerHost, 'engine' | 'tracing'>

export function traceReceived(
  { tracing, engine }: TracingHost,
  { group, clientId }: TracedClient,
  messages: readonly MessageView[],
): void {
  if (messages.length === 0 || tracing === undefined || !tracing.watchesReceipts) return
  tracing.received({ group, clientId, messages, timestamp: engine.clock.now() })
}

export function traceSettled(
  { tracing, engine }: TracingHost,
  { group, clientId }: TracedClient,
  messages: readonly MessageView[],
  settlement: Pick<SettleTrace, 'settlement' | 'reason'>,
): void {
  if (messages.length === 0 || tracing === undefined || !tracing.watchesReceipts) return
  tracing.settled({ group, clientId, messages, timestamp: engine.clock.now(), ...settlement })
}
