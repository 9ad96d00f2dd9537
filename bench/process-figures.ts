/** What the operating system and the event loop say about this process. */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the event loop is looked at; it is part of what the histogram counts. */
const LOOP_RESOLUTION_MS = 1

/** Bytes that the process caused to be written to the storage; `undefined` where the system does not tell. */
export function writtenBytes(): number | undefined {
  try {
    const match = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}

/** Most memory that the process ever had, in bytes. */
export function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** Watches the event loop; the answer is how much later than due it turned, in milliseconds. */
export function watchLoop(): { delayMs(share: number): number } {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  histogram.enable()
  return {
    delayMs(share) {
      return Math.max(0, histogram.percentile(share * 100) / 1e6 - LOOP_RESOLUTION_MS)
    },
  }
}

/** Samples the memory of the process every 50 ms until it is stopped; answers bytes. */
export function watchRss(): { stop(): readonly number[] } {
  const samples: number[] = []
  const timer = setInterval(() => samples.push(process.memoryUsage.rss()), 50)
  return {
    stop() {
      clearInterval(timer)
      return samples
    },
  }
}
