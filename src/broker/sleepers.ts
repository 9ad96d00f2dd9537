/** Those that sleep, in the order they came: adding, removing and finding the first are cheap, however many there are. */

interface Numbered {
  /** Ascending in the order they came. */
  readonly number: number
}

export class Sleepers<Item extends Numbered> {
  /** Sorted by number. */
  readonly #items: Item[] = []

  get first(): Item | undefined {
    return this.#items[0]
  }

  /** As they are now. */
  all(): readonly Item[] {
    return this.#items.slice()
  }

  /** One that slept before keeps its place; a new one comes to the end. */
  add(item: Item): void {
    this.#items.splice(this.#indexOf(item), 0, item)
  }

  delete(item: Item): void {
    const index = this.#indexOf(item)
    if (this.#items[index] !== item) return
    if (index === 0) this.#items.shift()
    else this.#items.splice(index, 1)
  }

  /** Where the item is or belongs. */
  #indexOf({ number }: Item): number {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#items[middle] as Item).number < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
