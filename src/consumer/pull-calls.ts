/** Pulls that can be cut off: when their time is over, by their caller, or when the consumer ends. */
import type { Engine, PullRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { PullResult } from '../model/results.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'

export interface PullCallHost {
  readonly engine: Engine
  readonly group: string
}

export class PullCalls {
  readonly #host: PullCallHost
  /** Rejects the pulls under way. */
  readonly #cuts = new Set<(error: MQError) => void>()

  constructor(host: PullCallHost) {
    this.#host = host
  }

  /**
   * Pulls, and reads what comes. Rejects with `PULL_TIMEOUT` when both take longer than `limitMs`, and with `ABORTED` when the signal
   * fires.
   */
  run<Received extends MessageView>(
    request: Omit<PullRequest, 'group' | 'signal'>,
    limitMs: number,
    signal: AbortSignal | undefined,
    read: (result: PullResult) => Promise<PullResult<Received>>,
  ): Promise<PullResult<Received>> {
    if (signal?.aborted) return Promise.reject(aborted(signal))
    const { engine, group } = this.#host
    return new Promise((resolve, reject) => {
      const ending = new AbortController()
      const end = (): void => {
        timer.cancel()
        unlisten(signal, abort)
        this.#cuts.delete(cut)
      }
      // The engine's answer comes too late then, and is ignored.
      const cut = (error: MQError): void => {
        end()
        reject(error)
        ending.abort()
      }
      const abort = (): void => cut(aborted(signal))
      const timer = engine.clock.setTimer(limitMs, () => cut(timedOut(request, limitMs)))
      listen(signal, abort)
      this.#cuts.add(cut)
      engine
        .pullMessage({ ...request, group, signal: ending.signal })
        .then(read)
        .then(resolve, (error) => reject(MQError.from(error)))
        .finally(end)
    })
  }

  /** Rejects all that are under way. */
  cutAll(error: MQError): void {
    for (const cut of this.#cuts) cut(error)
  }
}

function aborted(signal: AbortSignal | undefined): MQError {
  return new MQError('ABORTED', 'The signal of the pull has fired.', { cause: signal?.reason })
}

function timedOut({ queue }: Pick<PullRequest, 'queue'>, limitMs: number): MQError {
  const text = `The pull from queue ${queue.queueId} of '${queue.topic}' was not answered within ${limitMs} ms.`
  return new MQError('PULL_TIMEOUT', text)
}
