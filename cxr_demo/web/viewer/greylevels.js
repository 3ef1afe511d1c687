// A film's grey levels, 0 to 65535, and windows on them.

/** @import {Frame, Window} from './types.d.ts' */
import {clamp} from './geometry.js';

/** @typedef {{readonly width: number, readonly height: number, readonly values: Uint16Array}} Level */

export const DEEPEST = 65535;
/** Width of the narrowest window. */
export const NARROWEST = 1 / 256;

/**
 * A film at successively halved resolutions, finest first, for display at any size.
 * @param {number} width @param {number} height @param {Uint16Array} values @returns {Level[]}
 */
export function halves(width, height, values) {
  const found = [{width, height, values}];
  while (Math.max(found[found.length - 1].width, found[found.length - 1].height) > 256) found.push(halved(found[found.length - 1]));
  return found;
}

/** @param {Level} level @returns {Level} means of blocks of 2 x 2 pixels */
function halved({width: w, height: h, values: from}) {
  const [half, rows] = [Math.max(1, w >> 1), Math.max(1, h >> 1)];
  const to = new Uint16Array(half * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0, k = 2 * y * w; x < half; x++, k += 2) to[y * half + x] = (from[k] + from[k + 1] + from[k + w] + from[k + w + 1] + 2) >> 2;
  }
  return {width: half, height: rows, values: to};
}

/** Inverse of `viewer_data.pixels_of`: decodes differences along rows, high bytes before low ones. @param {Uint8Array} bytes @param {number} width @param {number} height */
export function undone(bytes, width, height) {
  const values = new Uint16Array(width * height);
  for (let k = 0, before = 0; k < values.length; k++) {
    if (k % width === 0) before = 0;
    before = (before + (bytes[k] << 8) + bytes[values.length + k]) & DEEPEST;
    values[k] = before;
  }
  return values;
}

/** @param {Window} window @returns table of opaque RGBA by grey level */
export function greys({low, high, inverted}) {
  const table = new Uint32Array(DEEPEST + 1);
  for (let v = 0; v <= DEEPEST; v++) {
    const t = clamp((v / DEEPEST - low) / (high - low), 0, 1);
    table[v] = 0xff000000 + 0x010101 * Math.round(255 * (inverted ? 1 - t : t));
  }
  return table;
}

/** The 1st and 99th percentile of grey levels within the model input. @param {Level} level @param {Frame} crop @returns {number[]} low and high */
export function hundredths({width, height, values}, crop) {
  /** @type {(k: number, size: number, from: number, share: number) => boolean} */
  const inside = (k, size, from, share) => k >= Math.floor(from * size) && k < Math.ceil((from + share) * size);
  const seen = values.filter((_, k) =>
    inside(k % width, width, crop.left, crop.width) && inside(Math.floor(k / width), height, crop.top, crop.height)).sort();
  return [0.01, 0.99].map(q => seen[Math.round(q * (seen.length - 1))] / DEEPEST);
}
