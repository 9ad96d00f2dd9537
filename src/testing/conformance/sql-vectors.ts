/** What SQL filters say of messages (semantics section 5.4). */

/** T true, F false, U unknown, RE: it cannot be evaluated. Only what is true passes. */
export type SqlTruth = 'T' | 'F' | 'U' | 'RE'
/** An expression, the properties of a message as `a=1,b=2` or `-`, and what the one says of the other. */
export type SqlVector = readonly [expression: string, properties: string, truth: SqlTruth]

/** Sentences about SQL filters, each with what shows it. */
export const sqlVectors: readonly (readonly [title: string, vectors: readonly SqlVector[]])[] = [
  [
    'Beside a whole number a property is read as a whole number of its size',
    [
      ['a > 5', 'a=6', 'T'],
      ['a > 5', 'a=5', 'F'],
      ['a >= 5', 'a=5', 'T'],
      ['a < 5', 'a=-6', 'T'],
      ['a <= 5', 'a=6', 'F'],
      ['a > 5', 'a=abc', 'RE'],
      ['a > 5', 'a=6.5', 'RE'],
      ['a = 5', 'a=5.0', 'RE'],
      ['a > 5', 'a=2147483647', 'T'],
      ['a > 5', 'a=3000000000', 'RE'],
      ['a > 3000000000', 'a=3000000001', 'T'],
      ['a > 3000000000', 'a=5', 'F'],
      ['a = 5L', 'a=5', 'T'],
      ['a > 5L', 'a=3000000000', 'T'],
      ['a >= -2147483648', 'a=-2147483648', 'T'],
      ['a = -9223372036854775808', 'a=-9223372036854775808', 'T'],
      ['a = 9223372036854775807', 'a=9223372036854775806', 'F'],
      ['5 < a', 'a=6', 'T'],
      ['5 = a', 'a=5', 'T'],
    ],
  ],
  [
    'Beside a number with a fraction or an exponent a property is read as a double',
    [
      ['a > 5.0', 'a=6.5', 'T'],
      ['a = 5.0', 'a=5', 'T'],
      ['a = 5.', 'a=5.00', 'T'],
      ['a > 1e3', 'a=1001', 'T'],
      ['a < .5', 'a=0.25', 'T'],
      ['a < .5', 'a=quarter', 'RE'],
    ],
  ],
  [
    'Two properties are ordered as numbers, and equal as texts',
    [
      ['a > b', 'a=3,b=2', 'T'],
      ['a > b', 'a=10,b=9', 'T'],
      ['a > b', 'a=3.5,b=3.25', 'T'],
      ['a > b', 'a=x,b=y', 'RE'],
      ['a = b', 'a=5,b=5', 'T'],
      ['a = b', 'a=5,b=5.0', 'F'],
      ['a <> b', 'a=x,b=y', 'T'],
    ],
  ],
  [
    'Texts are equal or not, to the letter',
    [
      ["a = 'x'", 'a=x', 'T'],
      ["a = 'x'", 'a=X', 'F'],
      ["a <> 'x'", 'a=y', 'T'],
      ["a <> 'x'", 'a=x', 'F'],
      ["a = '5'", 'a=5.0', 'F'],
      ["a = 'it''s'", "a=it's", 'T'],
      ["a = 'größer als'", 'a=größer als', 'T'],
      ["'x' = a", 'a=x', 'T'],
    ],
  ],
  [
    'A comparison with a missing property is unknown, and so is what is opposite to it',
    [
      ['a > 5', '-', 'U'],
      ['not (a > 5)', '-', 'U'],
      ['a <= 5', '-', 'U'],
      ["a = 'x'", '-', 'U'],
      ["a <> 'x'", '-', 'U'],
      ["a in ('x','y')", '-', 'U'],
      ["a not in ('x','y')", '-', 'U'],
      ['a between 1 and 5', '-', 'U'],
      ['a not between 1 and 5', '-', 'U'],
      ['a > b', 'a=1', 'U'],
    ],
  ],
  [
    'Names of properties are compared to the letter, keywords are not',
    [
      ["A = 'x'", 'a=x', 'U'],
      ["A = 'x'", 'A=x', 'T'],
      ["a Is NoT nUlL aNd $b_1 = 'y'", 'a=x,$b_1=y', 'T'],
      ['now IS NULL', '-', 'T'],
    ],
  ],
  [
    'A property can be asked for, which is never unknown',
    [
      ['a is null', '-', 'T'],
      ['a is null', 'a=1', 'F'],
      ['a is not null', 'a=1', 'T'],
      ['a is not null', '-', 'F'],
      ["(a = 'x') is null", '-', 'T'],
    ],
  ],
  [
    'IN and NOT IN compare with each text of the list',
    [
      ["a in ('x','y')", 'a=y', 'T'],
      ["a in ('x','y')", 'a=z', 'F'],
      ["a not in ('x','y')", 'a=z', 'T'],
      ["a not in ('x','y')", 'a=x', 'F'],
      ["a in ('1')", 'a=1.0', 'F'],
    ],
  ],
  [
    'BETWEEN includes its bounds, and NOT BETWEEN excludes them',
    [
      ['a between 1 and 5', 'a=1', 'T'],
      ['a between 1 and 5', 'a=5', 'T'],
      ['a between 1 and 5', 'a=6', 'F'],
      ['a between 3 and 3', 'a=3', 'T'],
      ['a not between 1 and 5', 'a=6', 'T'],
      ['a not between 1 and 5', 'a=5', 'F'],
      ['a between 1 and 5', 'a=x', 'RE'],
    ],
  ],
  [
    'CONTAINS, STARTSWITH and ENDSWITH look for a text, and find none of nothing, behind NOT neither',
    [
      ["a contains 'bc'", 'a=abcd', 'T'],
      ["a contains 'BC'", 'a=abcd', 'F'],
      ["a startswith 'ab'", 'a=abcd', 'T'],
      ["a startswith 'bc'", 'a=abcd', 'F'],
      ["a endswith 'cd'", 'a=abcd', 'T'],
      ["a endswith 'bc'", 'a=abcd', 'F'],
      ["a not contains 'x'", 'a=abcd', 'T'],
      ["a not startswith 'ab'", 'a=abcd', 'F'],
      ["a not contains 'bc'", '-', 'F'],
      ["a contains 'bc'", '-', 'F'],
      ["a contains ''", 'a=abcd', 'F'],
      ["a not endswith ''", 'a=abcd', 'F'],
    ],
  ],
  [
    'Beside TRUE or FALSE a property counts as true if it says so, in whatever letters, else as false',
    [
      ['a = TRUE', 'a=TRUE', 'T'],
      ['a = TRUE', 'a=true', 'T'],
      ['a = true', 'a=yes', 'F'],
      ['a = FALSE', 'a=yes', 'T'],
      ["a = (b = 'x')", 'a=true,b=x', 'T'],
    ],
  ],
  [
    'A constant is a condition, and a property alone is never true',
    [
      ['TRUE', '-', 'T'],
      ['FALSE', '-', 'F'],
      ['NULL', '-', 'U'],
      ['a', 'a=true', 'F'],
      ['a', '-', 'U'],
      ["a or b = 'y'", 'a=true,b=y', 'T'],
    ],
  ],
  [
    'A negated property is unknown, a negated number is a number',
    [
      ['-a > -5', 'a=3', 'U'],
      ['a > -5', 'a=-4', 'T'],
      ['a = +5', 'a=5', 'T'],
    ],
  ],
  [
    'AND, OR and NOT know three truths',
    [
      ['TRUE and TRUE', '-', 'T'],
      ['TRUE and FALSE', '-', 'F'],
      ['FALSE and NULL', '-', 'F'],
      ['NULL and FALSE', '-', 'F'],
      ['TRUE and NULL', '-', 'U'],
      ['NULL and NULL', '-', 'U'],
      ['FALSE or FALSE', '-', 'F'],
      ['TRUE or NULL', '-', 'T'],
      ['NULL or TRUE', '-', 'T'],
      ['FALSE or NULL', '-', 'U'],
      ['NULL or NULL', '-', 'U'],
      ['not (NULL)', '-', 'U'],
      ["NOT (a = 'x')", 'a=y', 'T'],
      ["a = 'x' or b = 'y'", 'b=y', 'T'],
      ["a = 'x' and b = 'y'", 'b=y', 'U'],
    ],
  ],
  [
    'What need not be looked at cannot fail, and what fails passes by no NOT',
    [
      ["a = 'x' or b > 5", 'a=x,b=abc', 'T'],
      ["a = 'y' or b > 5", 'a=x,b=abc', 'RE'],
      ["a = 'y' and b > 5", 'a=x,b=abc', 'F'],
      ["a = 'x' and b > 5", 'a=x,b=abc', 'RE'],
    ],
  ],
  [
    'NOT binds tighter than AND, AND tighter than OR, and parentheses tighter than all',
    [
      ["a = '1' or b = '1' and c = '1'", 'a=1,b=0,c=0', 'T'],
      ["(a = '1' or b = '1') and c = '1'", 'a=1,b=0,c=0', 'F'],
      ["not (a = '1') or b = '1'", 'a=1,b=1', 'T'],
      ["not (a = '1' or b = '1')", 'a=1,b=1', 'F'],
      ['a > 1 = TRUE', 'a=2', 'T'],
    ],
  ],
  [
    'Comments and line ends are passed over',
    [
      ["a = 'x' -- c", 'a=x', 'T'],
      ["a -- 'y'\n =\t'x'", 'a=x', 'T'],
      ["a /* b * / c */ = 'x'", 'a=x', 'T'],
      ["a = '-- x'", 'a=-- x', 'T'],
    ],
  ],
]
