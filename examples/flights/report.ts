/** The report: what happened, by the records and by the store, beside what the file says must have happened. */
import type { PocketMQ } from 'pocketmq'
import type { Flight } from './flight.ts'
import { expectedOf, GROUPS, type Group } from './groups.ts'
import type { Delivery, Records } from './records.ts'
import { TOPIC } from './send.ts'

/** A count and what it has to be. */
interface Check {
  readonly what: string
  readonly actual: number
  readonly expected: number
}

/** Prints the report and answers whether every count is right. */
export async function printReport(
  mq: PocketMQ,
  flights: readonly Flight[],
  records: Records,
): Promise<boolean> {
  const deliveries = records.deliveries()
  const queues = await mq.admin.topicStatus(TOPIC)
  const stored = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
  const checks: Check[] = [
    { what: 'flights sent and acknowledged', actual: records.acknowledged().size, expected: flights.length },
    { what: 'messages stored', actual: stored, expected: flights.length },
  ]
  for (const group of GROUPS) checks.push(...(await checkGroup(mq, group, flights, deliveries)))

  for (const check of checks) console.log(lineOf(check))
  console.log(`  ${'delivered more than once'.padEnd(48)}${format(duplicatesIn(deliveries))}`)
  return checks.every(isRight)
}

async function checkGroup(
  mq: PocketMQ,
  group: Group,
  flights: readonly Flight[],
  deliveries: readonly Delivery[],
): Promise<Check[]> {
  const expected = expectedOf(group, flights)
  const seen = deliveries.filter((delivery) => delivery.group === group.name)
  const deadLetters = await mq.admin.deadLetters(group.name)
  const dead = new Set(deadLetters.map((message) => message.json<Flight>().number))
  const who = `${group.name} (${group.filter})`
  return [
    { what: `${who}: flights`, actual: distinct(seen, firstAttempt), expected: expected.flights },
    { what: `${who}: retries`, actual: distinct(seen, laterAttempt), expected: expected.retries },
    { what: `${who}: dead letters`, actual: dead.size, expected: expected.deadLetters },
  ]
}

/** How many different deliveries there were of a kind; one that a kill repeated counts once. */
function distinct(deliveries: readonly Delivery[], kind: (delivery: Delivery) => boolean): number {
  return new Set(deliveries.filter(kind).map(identity)).size
}

function duplicatesIn(deliveries: readonly Delivery[]): number {
  return deliveries.length - new Set(deliveries.map(identity)).size
}

function firstAttempt({ attempt }: Delivery): boolean {
  return attempt === 1
}

function laterAttempt({ attempt }: Delivery): boolean {
  return attempt > 1
}

function identity({ group, flight, attempt }: Delivery): string {
  return `${group} ${flight} ${attempt}`
}

function isRight({ actual, expected }: Check): boolean {
  return actual === expected
}

function lineOf(check: Check): string {
  const verdict = isRight(check) ? 'right' : 'WRONG'
  return `  ${check.what.padEnd(48)}${format(check.actual)} of ${format(check.expected)}  ${verdict}`
}

function format(count: number): string {
  return count.toLocaleString('en').padStart(6)
}
