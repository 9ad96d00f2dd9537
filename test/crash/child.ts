/** The process that is killed: waits for a job on its standard input, then works at it until it is gone. */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { keepConsumersBusy } from './busy-consumers.ts'
import { keepStoreBusy } from './busy-store.ts'
import type { Job } from './job.ts'
import { LedgerWriter } from './ledger.ts'

// Loading takes its time; the clock of the kill starts behind it.
writeSync(process.stdout.fd, 'ready\n')
const [line] = await once(createInterface({ input: process.stdin }), 'line')
const job: Job = JSON.parse(line)
const ledger = new LedgerWriter(job.ledger)
await (job.profile === 'consumer' ? keepConsumersBusy(job, ledger) : keepStoreBusy(job, ledger))
