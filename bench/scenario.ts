/** What a scenario is, and the shape of what it measures. */

/** One measured line; `--json` writes an array of these. */
export interface Figure {
  /** The scenario and, behind a slash, which of its figures. */
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The same work done by the baseline in the same run; `null` where there is none. */
  readonly baseline: number | null
  /** Value divided by baseline. */
  readonly ratio: number | null
  /** Such as `ratio >= 0.8` or `value <= 30`; `null` where the figure only informs. */
  readonly goal: string | null
  readonly met: boolean | null
}

/** What a scenario is told. */
export interface Setup {
  /** Small inputs: the figures show that everything works, not how fast it is. */
  readonly quick: boolean
  /** Says something that is no figure, such as how far the rounds lie apart. */
  note(text: string): void
}

/** A named piece of work that is measured in a process of its own. */
export interface Scenario {
  readonly name: string
  /** What is done, in one line. */
  readonly title: string
  run(setup: Setup): Promise<readonly Figure[]>
}

/** What a figure has to reach. */
export interface Goal {
  readonly of: 'value' | 'ratio'
  readonly is: '>=' | '<='
  readonly bound: number
}

export function atLeast(of: Goal['of'], bound: number): Goal {
  return { of, is: '>=', bound }
}

export function atMost(of: Goal['of'], bound: number): Goal {
  return { of, is: '<=', bound }
}

/** Completes a figure: its ratio, and whether it meets its goal. */
export function figure(
  name: string,
  value: number,
  unit: string,
  { baseline = null, goal = null }: { baseline?: number | null; goal?: Goal | null } = {},
): Figure {
  const ratio = baseline === null ? null : value / baseline
  const text = goal === null ? null : `${goal.of} ${goal.is} ${goal.bound}`
  return {
    name,
    value,
    unit,
    baseline,
    ratio,
    goal: text,
    met: goal === null ? null : meets(goal, value, ratio),
  }
}

function meets(goal: Goal, value: number, ratio: number | null): boolean {
  const measured = goal.of === 'value' ? value : (ratio ?? Number.NaN)
  return goal.is === '>=' ? measured >= goal.bound : measured <= goal.bound
}
