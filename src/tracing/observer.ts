/** Who watches the messages of one instance: the recorder of `trace: true`, or an instrumentation that the application brings. */
import type {
  DeliveryTrace,
  EndTransactionTrace,
  RecallTrace,
  ReceiveTrace,
  SendTrace,
  SettleTrace,
} from '../model/tracing.ts'

/** None of these may throw. */
export interface TraceObserver {
  /** Sets the properties by which the context of now travels with messages that are sent later. */
  carry?(setProperty: SendTrace['setProperty']): void
  /** Stands around a send, so that something can be in force while it lasts. It must call `send` once and answer what that answers. */
  aroundSend?<T>(trace: SendTrace, send: () => Promise<T>): Promise<T>
  /** The send has ended. */
  sent?(trace: SendTrace): void
  /** Stands around the call of a listener; it must call `call` once and answer what that answers. */
  aroundDelivery?<T>(trace: DeliveryTrace, call: () => T): T
  /** That call has ended. */
  delivered?(trace: DeliveryTrace): void
  received?(trace: ReceiveTrace): void
  settled?(trace: SettleTrace): void
  transactionEnded?(trace: EndTransactionTrace): void
  recalled?(trace: RecallTrace): void
}
