import fc from 'fast-check';

/** What a path may hold, percent-encoded or not, and what makes trouble in one. */
export const junkText = fc.string({
  unit: fc.constantFrom(...'ab1/._-:%25?&=#+~@;,\\'.split(''), '%2f', '%c3%a9', '%ff', '%0a'),
  maxLength: 30,
});

/** What a header may hold. */
export const headerText = fc.string({
  unit: fc.constantFrom(...'ab 0129-=,;:/*"\'\t\u00e9%'.split('')),
  maxLength: 40,
});

/** Numbers, and what a careless parser takes for one. */
export const numberText = fc.oneof(
  fc.nat({ max: 5000 }).map(String),
  fc.constantFrom('-1', '-0', '1e3', '0x10', '9007199254740993', '99999999999999999999999', '', '+', 'NaN', '1.5'),
);

/** Six times in seven the usual. */
export function mostly<Value>(usual: fc.Arbitrary<Value>, odd: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: odd });
}
