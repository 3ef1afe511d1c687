// Reads tables of boxes dropped with the films: `file` and `boxes` (a JSON list of label, x, y, w, h), or the NIH's list
// (file, finding, x, y, w, h). Both are in pixels of the uploaded file.

/** @import {Box, Edges, SeenFilm, TableBox} from './types.d.ts' */
import {parseCsv} from './csv.js';
import {turned} from './geometry.js';

/** @type {Readonly<Record<string, string>>} Spellings in the NIH's list of boxes. */
const OTHER_NAMES = {Infiltrate: 'Infiltration'};

/** @param {string} label in a table */
export const labelOf = label => OTHER_NAMES[label] ?? label;

/** @param {string} name of a file */
export const stem = name => name.replace(/\.[^.]*$/, '');

/**
 * @param {string} name @param {string} text
 * @returns {{read: Map<string, TableBox[]>, wrong: number, ours: boolean}} boxes by stem of the file's name, the number
 * of invalid entries, and whether the table has a column `boxes`
 */
export function readBoxTable(name, text) {
  const [head, ...rows] = parseCsv(text);
  const [file, boxes] = ['file', 'boxes'].map(column => head?.indexOf(column) ?? -1);
  /** @type {Map<string, TableBox[]>} */
  const read = new Map();
  let wrong = 0;
  for (const row of rows) {
    const listed = entriesOf(row, boxes);
    const good = listed.filter(isBox).map(({label, x, y, w, h}) => ({label, x, y, w, h, from: name}));
    wrong += listed.length - good.length;
    const key = stem(row[file >= 0 ? file : 0]);
    if (good.length) read.set(key, [...(read.get(key) ?? []), ...good]);
  }
  return {read, wrong, ours: boxes >= 0};
}

/** @param {string[]} row @param {number} boxes the column, -1 in the NIH's list @returns {unknown[]} */
function entriesOf(row, boxes) {
  if (boxes < 0) return [{label: row[1], x: Number(row[2]), y: Number(row[3]), w: Number(row[4]), h: Number(row[5])}];
  try {
    const listed = JSON.parse(row[boxes] || '[]');
    return Array.isArray(listed) ? listed : [null];
  } catch {
    return [null];
  }
}

/** @param {any} box @returns {box is TableBox} */
function isBox(box) {
  return Boolean(box?.label && [box.x, box.y, box.w, box.h].every(Number.isFinite) && box.w > 0 && box.h > 0);
}

/**
 * Converts a table's boxes to shares of the displayed film.
 * @param {readonly TableBox[]} boxes @param {SeenFilm} size @param {number} turns of the film to the left, in quarters
 * @returns {{inside: Box[], beside: number}} boxes on the film, and the number of boxes outside it
 */
export function placed(boxes, size, turns) {
  const [width, height] = turns % 2 ? [size.height, size.width] : [size.width, size.height];
  const all = boxes.map(({label, x, y, w, h}) => ({label: labelOf(label), given: true,
    edges: turned([x / width, y / height, (x + w) / width, (y + h) / height], turns)}));
  const inside = all.filter(({edges: [left, top, right, bottom]}) => left < 1 && top < 1 && right > 0 && bottom > 0);
  return {inside, beside: all.length - inside.length};
}

/** @param {readonly Box[]} boxes @param {readonly string[]} labels of the model @returns the boxes to send to the server: those of the model's findings */
export const askable = (boxes, labels) =>
  boxes.filter(box => labels.includes(box.label)).map(({label, edges}) => ({label, edges: /** @type {Edges} */ (edges)}));
