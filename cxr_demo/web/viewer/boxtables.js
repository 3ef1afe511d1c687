// Reads lists of boxes dropped with the films: our own tables (`file`, and `boxes` as a JSON list of label, x, y, w, h), the
// NIH's, VinDr's and RSNA's lists, and COCO's JSON. All are in pixels of the film, or of the size that the list gives for it.

/** @import {Box, Edges, SeenFilm, TableBox} from './types.d.ts' */
import {parseCsv} from './csv.js';
import {corrected} from './geometry.js';

/** @type {Readonly<Record<string, string>>} Spellings of findings in public lists. */
const OTHER_NAMES = {'Infiltrate': 'Infiltration', 'Pleural effusion': 'Effusion', 'Pleural thickening': 'Pleural_Thickening',
  'Nodule/Mass': 'Nodule', 'Pulmonary fibrosis': 'Fibrosis'};

/** @param {string} label in a table */
export const labelOf = label => OTHER_NAMES[label] ?? label;

/** @param {string} name of a file */
export const stem = name => name.replace(/\.(png|jpe?g|jp2|tiff?|bmp|webp|avif|dcm|dicom)(\.gz)?$/i, '');

/** @typedef {{file: string, listed: any[]}} Entry the boxes of a line, still unchecked */
/** @typedef {{read: Map<string, TableBox[]>, wrong: number, known: boolean}} BoxTable boxes by stem of the file's name, the number of invalid entries, and whether its kind is known */

/** @param {string} name @param {string} text @returns {BoxTable} */
export function readBoxTable(name, text) {
  const entries = /^\s*[{[]/.test(text) ? cocoEntries(text) : tableEntries(text);
  /** @type {Map<string, TableBox[]>} */
  const read = new Map();
  let wrong = 0;
  for (const {file, listed} of entries ?? []) {
    const good = listed.filter(isBox).map(({label, x, y, w, h, of}) => ({label, x, y, w, h, ...(isSize(of) ? {of} : {}), from: name}));
    wrong += listed.length - good.length;
    const key = stem(file);
    if (good.length) read.set(key, [...(read.get(key) ?? []), ...good]);
  }
  return {read, wrong, known: entries !== null};
}

/** @param {any} box @returns {box is TableBox} */
function isBox(box) {
  return Boolean(box?.label && [box.x, box.y, box.w, box.h].every(Number.isFinite) && box.w > 0 && box.h > 0);
}

/** @param {any} size */
const isSize = size => size?.width > 0 && size?.height > 0;

// ------------------------------------------------------------------ CSV, by its header

/** @param {string} text @returns {Entry[] | null} null if no known columns are there */
function tableEntries(text) {
  const [head = [], ...rows] = parseCsv(text);
  const names = head.map(name => name.trim().toLowerCase());
  /** @param {string[]} wanted @returns the columns' places, or null if one is missing */
  const places = wanted => {
    const found = wanted.map(name => names.indexOf(name));
    return found.includes(-1) ? null : found;
  };
  const ours = places(['file', 'boxes']);
  if (ours) return rows.map(row => ({file: row[ours[0]] ?? '', listed: listIn(row[ours[1]])}));
  const nih = places(['image index', 'finding label', 'x', 'y', 'w', 'h']) ?? (names[2]?.startsWith('bbox [x') ? [0, 1, 2, 3, 4, 5] : null);
  if (nih) return rows.map(row => entryOf(row, nih, on1024));
  const vindr = places(['image_id', 'class_name', 'x_min', 'y_min', 'x_max', 'y_max']);
  const size = places(['width', 'height']);
  if (vindr) {
    return rows.filter(row => row[vindr[1]] !== 'No finding')
      .map(row => entryOf(row, vindr, edges => ({...cornered(edges), ...(size ? {of: {width: Number(row[size[0]]), height: Number(row[size[1]])}} : {})})));
  }
  const rsna = places(['patientid', 'target', 'x', 'y', 'width', 'height']);
  // the challenge's boxes are opacities that suggest pneumonia
  if (rsna) {
    return rows.filter(row => Number(row[rsna[1]]) === 1).map(row =>
      entryOf([row[rsna[0]], 'Pneumonia', ...rsna.slice(2).map(k => row[k])], [0, 1, 2, 3, 4, 5], on1024));
  }
  return null;
}

/** @param {string[]} row @param {number[]} places of file, finding and four numbers @param {(edges: number[]) => object} shaped @returns {Entry} */
const entryOf = (row, [file, label, ...edges], shaped) =>
  ({file: row[file] ?? '', listed: [{label: row[label], ...shaped(edges.map(k => row[k]?.trim() ? Number(row[k].replace(',', '.')) : NaN))}]});

/** The NIH's and RSNA's boxes, in pixels of their films of 1,024. @param {number[]} edges left, top, width, height */
const on1024 = ([x, y, w, h]) => ({x, y, w, h, of: {width: 1024, height: 1024}});
/** @param {number[]} edges left, top, right, bottom */
const cornered = ([x, y, right, bottom]) => ({x, y, w: right - x, h: bottom - y});

/** @param {string | undefined} cell @returns {unknown[]} */
function listIn(cell) {
  try {
    const listed = JSON.parse(cell || '[]');
    return Array.isArray(listed) ? listed : [null];
  } catch {
    return [null];
  }
}

// ------------------------------------------------------------------ COCO

/** @param {string} text @returns {Entry[] | null} null if it is no COCO file */
function cocoEntries(text) {
  const {images, annotations, categories} = objectIn(text);
  if (![images, annotations, categories].every(Array.isArray)) return null;
  const [films, names] = [images, categories].map(list => new Map(list.map((/** @type {any} */ item) => [item?.id, item])));
  return annotations.map((/** @type {any} */ one) => {
    const film = films.get(one?.image_id);
    const [x, y, w, h] = Array.isArray(one?.bbox) ? one.bbox : [];
    return {file: String(film?.file_name ?? '').replace(/^.*\//, ''), listed: [film ? {label: names.get(one.category_id)?.name, x, y, w, h, of: film} : null]};
  });
}

/** @param {string} text @returns {any} empty if it is no JSON object */
function objectIn(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/**
 * Converts a table's boxes to shares of the displayed film.
 * @param {readonly TableBox[]} boxes @param {SeenFilm} shown @param {number} turns of the film to the left, in quarters
 * @param {Edges} [part] of the picture as sent that is shown
 * @returns {{inside: Box[], beside: number}} boxes on the film, and the number of boxes outside it
 */
export function placed(boxes, shown, turns, part = [0, 0, 1, 1]) {
  const [wide, high] = turns % 2 ? [shown.height, shown.width] : [shown.width, shown.height];
  const [width, height] = [wide / (part[2] - part[0]), high / (part[3] - part[1])];
  const all = boxes.map(({label, x, y, w, h, of}) => {
    const size = of ?? {width, height};
    return {label: labelOf(label), given: true, edges: corrected([x / size.width, y / size.height, (x + w) / size.width, (y + h) / size.height], turns, part)};
  });
  const inside = all.filter(({edges: [left, top, right, bottom]}) => left < 1 && top < 1 && right > 0 && bottom > 0);
  return {inside, beside: all.length - inside.length};
}

/** @param {readonly Box[]} boxes @param {readonly string[]} labels of the model @returns the boxes to send to the server: those of the model's findings */
export const askable = (boxes, labels) =>
  boxes.filter(box => labels.includes(box.label)).map(({label, edges}) => ({label, edges: /** @type {Edges} */ (edges)}));
