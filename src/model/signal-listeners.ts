/**
 * Listeners of signals. Callers share signals, between calls and between clients, and many listeners on one would be taken
 * for a leak, of which Node.js warns: so each signal gets one, which tells the others.
 */
type Listener = () => void

interface SharedListener {
  readonly listeners: Set<Listener>
  readonly fire: Listener
}

const bySignal = new WeakMap<AbortSignal, SharedListener>()

/** Calls the listener when the signal fires, until `unlisten`. One that has fired already never calls it. */
export function listen(signal: AbortSignal | undefined, listener: Listener): void {
  if (signal === undefined) return
  const known = bySignal.get(signal)
  if (known !== undefined) {
    known.listeners.add(listener)
    return
  }
  const listeners = new Set([listener])
  const fire = (): void => {
    for (const each of listeners) each()
  }
  bySignal.set(signal, { listeners, fire })
  signal.addEventListener('abort', fire, { once: true })
}

/** Takes the listener back; does nothing when it does not listen. */
export function unlisten(signal: AbortSignal | undefined, listener: Listener): void {
  const known = signal && bySignal.get(signal)
  if (signal === undefined || known === undefined) return
  known.listeners.delete(listener)
  if (known.listeners.size > 0) return
  bySignal.delete(signal)
  signal.removeEventListener('abort', known.fire)
}
