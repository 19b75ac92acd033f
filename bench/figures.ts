/** Something that was measured. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly value: number;
}

/**
 * Prints docker-registry's figures beside ours, which are the same in the same order. `times better`: whichever way is
 * better.
 */
export function printFigures(theirs: readonly Figure[], ours: readonly Figure[]): void {
  const rows = ours.map((figure, position) => {
    const other = theirs[position]?.value ?? Number.NaN;
    const ratio = figure.better === 'more' ? figure.value / other : other / figure.value;
    return {
      figure: figure.name,
      unit: figure.unit,
      'docker-registry': round(other),
      entrepot: round(figure.value),
      'times better': round(ratio),
    };
  });
  console.table(rows);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
