/** Puts the embedded engine together: a store, and a broker over it. */
import { Broker } from './broker/broker.ts'
import type { BrokerOptions } from './broker/broker-options.ts'
import type { Engine } from './model/engine.ts'
import { MQError } from './model/errors.ts'
import type { EmitEvent, StoreState } from './model/events.ts'
import { clockInOwnContext } from './model/own-context.ts'
import type { CompleteOpenOptions } from './open-options.ts'
import { Boxes } from './outbox/boxes.ts'
import { settlingEngine } from './outbox/settling-engine.ts'
import { Store } from './store/store.ts'
import type { StoreOptions } from './store/store-options.ts'

/** An engine, and what its owner needs besides. */
export interface OpenedEngine {
  engine: Engine
  /** Takes the events; those that come before it is set are lost. */
  onEvent: EmitEvent
  /** What joins batches of the application's own database; absent without one. */
  boxes?: Boxes | undefined
  state(): StoreState
  /** Stops the broker, then closes the store behind a barrier. */
  close(): Promise<void>
}

/** The embedded engine. */
export interface OpenedBroker extends OpenedEngine {
  /** What it stands on. */
  readonly store: Store
  /** The engine itself, without what `wrap` puts before it. */
  readonly broker: Broker
}

/**
 * Opens an engine and makes the topics that it is asked for. What goes wrong closes it again. Clients get the engine as
 * `wrap` answers it.
 */
export async function openEngine(
  { store: storeOptions, broker: brokerOptions, topics, database }: CompleteOpenOptions,
  wrap: (engine: Engine) => Engine = (engine) => engine,
): Promise<OpenedBroker> {
  // What the store does again and again belongs to nobody who sends.
  const store = await Store.open({ ...storeOptions, clock: clockInOwnContext(storeOptions.clock) })
  const emit: EmitEvent = (name, event) => opened.onEvent(name, event)
  store.onEvent = emit
  const { clock, random, logger, storage } = storeOptions
  const engine = new Broker(store, brokerOptions, {
    clock,
    random,
    logger,
    emit,
    durable: storage === 'disk',
  })
  const close = async (): Promise<void> => {
    try {
      await opened.boxes?.close()
      await engine.close()
    } catch (error) {
      // The directory must be given back all the same; what failed first is what is told.
      await store.close().catch((second: unknown) => logger.error('The store failed to close.', second))
      throw error
    }
    await store.close()
  }
  const opened: OpenedBroker = {
    engine: wrap(engine),
    store,
    broker: engine,
    onEvent: () => undefined,
    state: () => store.state,
    close,
  }
  try {
    for (const topic of topics) await createUnlessExists(engine, topic)
    if (database !== undefined) {
      const hasWindow = brokerOptions.deduplicationWindowMs > 0
      opened.boxes = await Boxes.open(database, { engine: opened.engine, emit, hasWindow })
      opened.engine = settlingEngine(opened.engine, opened.boxes.outbox)
    }
  } catch (error) {
    await close().catch((second: unknown) => logger.error('The engine failed to close.', second))
    throw error
  }
  // Later, so that whoever opens the store can listen first.
  clock.defer(() => {
    tellRecovery(store, emit)
    tellOfShortRetention(storeOptions, brokerOptions, emit)
  })
  return opened
}

function tellRecovery({ recovery }: Store, emit: EmitEvent): void {
  for (const message of recovery.warnings) emit('warning', { code: 'RECOVERY', message })
}

/** An id is found as long as its message is stored. By bytes nobody can say how long that is. */
function tellOfShortRetention(
  { retention: { maxAgeMs } }: StoreOptions,
  { deduplicationWindowMs }: BrokerOptions,
  emit: EmitEvent,
): void {
  if (maxAgeMs >= deduplicationWindowMs) return
  const message = `Messages are kept for ${maxAgeMs} ms (retention.maxAgeMs), but their ids are to be found for ${deduplicationWindowMs} ms (deduplicationWindowMs): a send that is repeated later than that is stored again.`
  emit('warning', { code: 'RETENTION_TOO_SHORT', message })
}

async function createUnlessExists(
  engine: Engine,
  topic: Parameters<Engine['createTopic']>[0],
): Promise<void> {
  try {
    await engine.createTopic(topic)
  } catch (error) {
    if (!(error instanceof MQError) || error.code !== 'TOPIC_EXIST_ALREADY') throw error
  }
}
