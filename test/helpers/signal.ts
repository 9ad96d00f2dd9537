/** Something that a test waits for, or keeps others waiting with. */
export class Signal<Value = void> {
  readonly promise: Promise<Value>
  resolve: (value: Value) => void = () => undefined
  reject: (error: unknown) => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}
