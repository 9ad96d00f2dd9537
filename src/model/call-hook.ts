/** Calls what an application hung into the way of messages to watch them: whatever it does, the message goes on. */
import { MQError, wordsOf } from './errors.ts'

/** Whose hooks they are, and who hears of those that fail. */
export interface HookOwner {
  /** Which hooks: `'consume'` or `'send'`. */
  readonly kind: string
  readonly group: string
  onError(error: MQError): void
}

/** An `async` hook is not waited for, but its rejection must not reach the process either. */
export function callHook(
  hook: { readonly name?: string | undefined },
  call: () => unknown,
  { kind, group, onError }: HookOwner,
): void {
  const tell = (cause: unknown): void => {
    const { code, message } = MQError.from(cause)
    const text = `The ${kind} hook '${nameOf(hook)}' of '${group}' failed, which is ignored: ${message}`
    onError(new MQError(code, text, { cause }))
  }
  try {
    const result = call()
    if (result instanceof Promise) result.catch(tell)
  } catch (error) {
    tell(error)
  }
}

/** A name is the application's too: it may be anything, and reading it may throw. */
function nameOf(hook: { readonly name?: string | undefined }): string {
  try {
    return hook.name === undefined ? 'hook' : wordsOf(hook.name)
  } catch {
    return 'hook'
  }
}

/** Whether a value has `before` or `after`, or both, as functions. */
export function isHook(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const calls = [Reflect.get(value, 'before'), Reflect.get(value, 'after')].filter(
    (call) => call !== undefined,
  )
  return calls.length > 0 && calls.every((call) => typeof call === 'function')
}
