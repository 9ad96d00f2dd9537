/**
 * An engine, or one of its parts, of which some verbs are replaced. What is no verb is read once, as an engine keeps its parts for
 * as long as it lives.
 */
export function overlay<Target extends object>(target: Target, verbs: object): Target {
  const bound = new Map<string | symbol, unknown>(Object.entries(verbs))
  return new Proxy(target, {
    get: (_, name) => {
      if (!bound.has(name)) {
        const found = Reflect.get(target, name, target)
        bound.set(name, typeof found === 'function' ? found.bind(target) : found)
      }
      return bound.get(name)
    },
  })
}
