/** Who is asked how a transaction ended, and looks into the database of the application; or does something worse. */
import type { MessageView } from '../../../src/model/message.ts'
import type { TransactionResolution } from '../../../src/model/transaction.ts'
import type { TransactionChecker } from '../../../src/producer/transactions.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { CheckCall, End } from '../transaction-events.ts'
import { copyOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import type { World } from '../world/world.ts'
import type { Application } from './application.ts'
import { stumble } from './stumble.ts'

/** Some of them behind the next check. */
const LATE_MS = [20, 900, 7000, 50_000]

export class Asked {
  readonly #world: World
  readonly #random: WorkloadRandom
  readonly #application: Application
  #isCalm = false

  constructor(world: World, application: Application) {
    this.#world = world
    this.#random = world.transactionRandom
    this.#application = application
  }

  calm(): void {
    this.#isCalm = true
  }

  checkerOf(life: Life, producerGroup: string, producer: string): TransactionChecker {
    return (message, transactionId) => {
      if (life.isOver) return never()
      const check = {
        id: this.#world.nextId(),
        producer,
        producerGroup,
        transactionId,
        copy: copyOf(message),
      }
      return this.#hear(life, check, message)
    }
  }

  #hear(
    life: Life,
    check: CheckCall,
    { messageId }: MessageView,
  ): TransactionResolution | Promise<TransactionResolution> {
    life.tell({ type: 'checking', check })
    stumble(this.#world, this.#random)
    const { clumsiness } = this.#world.profile.transactions
    const dice = this.#isCalm || !this.#random.chance(clumsiness) ? 1 : this.#random.next()
    if (dice < 0.15) return never()
    if (dice < 0.3) {
      this.#tell(life, check, 'UNKNOWN')
      throw new Error(`no ${messageId}`)
    }
    if (dice < 0.4) return this.#tell(life, check, 'UNKNOWN', 'whatever')
    if (dice < 0.5) return this.#tell(life, check, 'UNKNOWN')
    if (dice < 0.75) return this.#late(life, check)
    return this.#answer(life, check)
  }

  #late(life: Life, check: CheckCall): Promise<TransactionResolution> {
    const delayMs = this.#random.pick(LATE_MS)
    return new Promise((resolve) => {
      life.scope.setTimer(delayMs, () => resolve(this.#answer(life, check)))
    })
  }

  #answer(life: Life, check: CheckCall): TransactionResolution | Promise<TransactionResolution> {
    if (life.isOver) return never()
    const { number } = check.copy
    const answer = this.#truthOf(life, number)
    const told = this.#tell(life, check, answer)
    stumble(this.#world, this.#random)
    return told
  }

  /** What is stored; what is under way may yet be. Of what nobody is at work on any more nothing will ever be stored. */
  #truthOf(life: Life, number: number): End | 'UNKNOWN' {
    const story = this.#application.story(number)
    const truth = this.#application.truth(number)
    if (truth !== undefined && story?.isStubborn !== true) return truth
    if (story === undefined || story.isStubborn) return 'UNKNOWN'
    const isUnderWay = story.life === this.#world.history.life && story.wish !== undefined
    if (isUnderWay && !story.isImpatient) return 'UNKNOWN'
    const { end } = this.#application.store(number, 'ROLLBACK')
    life.tell({ type: 'settled-locally', number, end })
    return end
  }

  #tell(life: Life, check: CheckCall, answer: End | 'UNKNOWN', said: string = answer): TransactionResolution {
    life.tell({ type: 'checked', check, answer })
    return said as TransactionResolution
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
