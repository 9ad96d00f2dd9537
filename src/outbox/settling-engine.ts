/**
 * An engine that takes messages away only when the outbox has no rows of them any more. *A crash between a recall and the end of the
 * row would send the message again: nothing would be found of it.* The same holds for one that is given another time, and for all
 * that go with their topic.
 */
import type { Engine } from '../model/engine.ts'
import { overlay } from '../model/overlay.ts'

/** Who deletes the rows of what is stored. */
interface Settling {
  settle(): Promise<void>
}

export function settlingEngine(engine: Engine, outbox: Settling): Engine {
  const { delay } = engine
  const settled =
    <Parameters extends readonly unknown[], Answer>(verb: (...parameters: Parameters) => Promise<Answer>) =>
    async (...parameters: Parameters): Promise<Answer> => {
      await outbox.settle()
      return verb(...parameters)
    }
  return overlay(engine, {
    deleteTopic: settled(engine.deleteTopic.bind(engine)),
    ...(delay && {
      delay: overlay(delay, {
        recallMessage: settled(delay.recallMessage.bind(delay)),
        rescheduleMessage: settled(delay.rescheduleMessage.bind(delay)),
      } satisfies Partial<typeof delay>),
    }),
  } satisfies Partial<Engine>)
}
