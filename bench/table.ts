/** How figures look on a terminal. */
import type { Figure } from './scenario.ts'

const HEADS = ['figure', 'value', 'baseline', 'ratio', 'goal', ''] as const

/** One row for every figure, columns aligned. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = [HEADS, ...figures.map(cellsOf)]
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row.map((cell, column) => pad(cell, column, widths[column] ?? 0)).join('  '),
  )
  return lines.map((line) => line.trimEnd()).join('\n')
}

function cellsOf({ name, value, unit, baseline, ratio, goal, met }: Figure): string[] {
  return [
    name,
    `${format(value)} ${unit}`,
    baseline === null ? '' : `${format(baseline)} ${unit}`,
    ratio === null ? '' : ratio.toFixed(2),
    goal ?? '',
    met === null ? '' : met ? 'met' : 'MISSED',
  ]
}

/** Numbers stand to the right, words to the left. */
function pad(cell: string, column: number, width: number): string {
  return column === 1 || column === 2 || column === 3 ? cell.padStart(width) : cell.padEnd(width)
}

function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }
  return value.toLocaleString('en', digits)
}
