import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import { printable } from './format.ts';

/** The library's time grows with the square of the rows: 3 s for 10,000, so that large tables are made of small ones. */
const CHUNK_ROWS = 100;
const LINES = [
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right',
  'left left-mid mid mid-mid right right-mid',
];
const NO_LINES = Object.fromEntries(LINES.flatMap((names) => names.split(' ')).map((name) => [name, '']));

/** A plain table, as docker's are: columns under headings, no lines. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings.map((heading) => styleText('bold', heading)), ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => cells.reduce((width, row) => Math.max(width, widthOf(row[column])), 0));
  const lines: string[] = [];
  for (let start = 0; start < cells.length; start += CHUNK_ROWS) {
    lines.push(...formatChunk(cells.slice(start, start + CHUNK_ROWS), widths));
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}

function formatChunk(rows: readonly (readonly string[])[], colWidths: number[]): string[] {
  const table = new Table({
    chars: { ...NO_LINES, middle: '   ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colWidths,
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString().split('\n');
}

function widthOf(cell = ''): number {
  return stripVTControlCharacters(cell).length;
}
