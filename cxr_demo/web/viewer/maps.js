// Maps: int8 planes (L, S, S) in steps of `scale[i]`, and computations on them.

/** @import {Edges, Frame, Maps, PackedMaps} from './types.d.ts' */
import {cellsOf} from './geometry.js';

// ------------------------------------------------------------------ from bytes

/** @param {BufferSource} bytes compressed by deflate */
export async function inflated(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
}

/** @param {string} text base64 of deflated bytes */
export async function inflate(text) {
  return inflated(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)));
}

/** @param {PackedMaps} maps @returns {Promise<Maps>} */
export async function unpacked({labels, side, scale, limit, data, unsure, blurred: isBlurred}) {
  const [planes, bits] = await Promise.all([inflate(data), unsure === null ? null : inflate(unsure)]);
  return {labels, side, scale, limit, planes: new Int8Array(planes), unsure: bits && new Uint8Array(bits), blurred: isBlurred};
}

// ------------------------------------------------------------------ values

/** One finding's values, still in steps. @param {Maps} maps @param {number} i */
export const plane = (maps, i) => maps.planes.subarray(i * maps.side ** 2, (i + 1) * maps.side ** 2);

/** @param {Maps} maps @param {number} i @param {number} x @param {number} y a cell */
export const valueAt = (maps, i, x, y) => plane(maps, i)[y * maps.side + x] * maps.scale[i];

/** @param {Maps} maps @param {number} i @param {{x: number, y: number}} place in shares of the map */
export function valueIn(maps, i, place) {
  return valueAt(maps, i, Math.floor(place.x * maps.side), Math.floor(place.y * maps.side));
}

/** @param {Int8Array} values @returns {[number, number]} minimum (at most 0) and maximum (at least 0) */
export function extremes(values) {
  let [least, most] = [0, 0];
  for (const q of values) { if (q < least) least = q; else if (q > most) most = q; }
  return [least, most];
}

/** A cell's bit in the packed `sure`, most significant bit first. @param {Maps} maps @param {number} i @param {number} k */
export function unsureAt(maps, i, k) {
  const bit = i * maps.side ** 2 + k;
  return maps.unsure ? (maps.unsure[bit >> 3] >> (7 - (bit & 7))) & 1 : 0;
}

/** @param {Maps} maps @param {number} i */
export const anyUnsure = (maps, i) => Boolean(maps.unsure) && plane(maps, i).some((_, k) => unsureAt(maps, i, k));

/**
 * The difference a - b of one finding each, in the cells of a.
 * @param {Maps} a @param {number} i @param {Maps} b @param {number} j @returns {Maps} of one finding
 */
export function lessOf(a, i, b, j) {
  const values = Float32Array.from(plane(a, i), (q, k) => {
    const [x, y] = [k % a.side, Math.floor(k / a.side)].map(at => Math.floor((at + 0.5) / a.side * b.side));
    return q * a.scale[i] - valueAt(b, j, x, y);
  });
  return quantised(a, i, values, a.side);
}

/**
 * The map of finding i less the weighted sum of all.
 * @param {Maps} maps @param {number} i @param {readonly number[]} weights by finding @returns {Maps} of one finding
 */
export function lessWeighted(maps, i, weights) {
  const values = Float32Array.from(plane(maps, i), q => q * maps.scale[i]);
  weights.forEach((weight, j) => { if (weight) plane(maps, j).forEach((q, k) => { values[k] -= weight * q * maps.scale[j]; }); });
  return quantised(maps, i, values, maps.side);
}

/** @param {Maps} like @param {number} i @param {Float32Array} values @param {number} side @returns {Maps} of one finding */
function quantised(like, i, values, side) {
  const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const planes = Int8Array.from(values, value => Math.round(value / limit * 127));
  return {labels: [like.labels[i]], side, scale: [limit / 127], limit: [limit], planes, unsure: null, blurred: like.blurred};
}

/**
 * Share of the positive evidence that lies in a box; null without positive evidence.
 * @param {Maps} maps @param {number} i @param {Edges} edges @param {Frame} crop
 */
export function evidenceIn(maps, i, edges, crop) {
  const {side} = maps;
  const [x0, x1, y0, y1] = cellsOf(edges, side, crop);
  let [inside, all] = [0, 0];
  plane(maps, i).forEach((q, k) => {
    if (q <= 0) return;
    const [x, y] = [k % side, Math.floor(k / side)];
    all += q;
    if (x >= x0 && x < x1 && y >= y0 && y < y1) inside += q;
  });
  return all ? inside / all : null;
}

// ------------------------------------------------------------------ smooth, for the eye

/** @type {WeakMap<Maps, Map<number, Int8Array>>} */
const kept = new WeakMap();

/** One finding's values, blurred by a third of a cell of the 7 x 7 grid as in `render.overlay`. @param {Maps} maps @param {number} i */
export function smoothed(maps, i) {
  if (maps.blurred) return plane(maps, i);
  const known = kept.get(maps) ?? new Map();
  kept.set(maps, known);
  if (!known.has(i)) known.set(i, Int8Array.from(blurred(Float32Array.from(plane(maps, i)), maps.side), Math.round));
  return /** @type {Int8Array} */ (known.get(i));
}

/** @param {Float32Array} values @param {number} side */
export function blurred(values, side) {
  const across = blurredRows(values, side);
  return transposed(blurredRows(transposed(across, side), side), side);
}

/** @param {Float32Array} values @param {number} side */
const transposed = (values, side) => values.map((_, k) => values[(k % side) * side + Math.floor(k / side)]);

/** Gaussian blur along rows, mirrored at the edges. @param {Float32Array} values @param {number} side */
function blurredRows(values, side) {
  const sigma = side / 21;
  const reach = Math.ceil(4 * sigma);
  const weights = Array.from({length: 2 * reach + 1}, (_, k) => Math.exp(-(((k - reach) / sigma) ** 2) / 2));
  const total = weights.reduce((a, b) => a + b);
  const at = Array.from({length: side + 2 * reach}, (_, k) => {
    const x = (((k - reach) % (2 * side)) + 2 * side) % (2 * side);
    return x < side ? x : 2 * side - 1 - x;
  });
  const out = new Float32Array(values.length);
  for (let y = 0; y < values.length; y += side) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * values[y + at[x + k]];
      out[y + x] = sum / total;
    }
  }
  return out;
}

// ------------------------------------------------------------------ lines of equal value

/** @typedef {'top' | 'right' | 'bottom' | 'left'} Side */

/** @type {Readonly<Record<number, readonly (readonly [Side, Side])[]>>} Crossed sides by the corners above the level: 1 top left, 2 top right, 4 bottom right, 8 bottom left. */
const CROSSED = {
  1: [['left', 'top']], 2: [['top', 'right']], 3: [['left', 'right']], 4: [['right', 'bottom']],
  5: [['left', 'top'], ['right', 'bottom']], 6: [['top', 'bottom']], 7: [['left', 'bottom']], 8: [['bottom', 'left']],
  9: [['top', 'bottom']], 10: [['top', 'right'], ['bottom', 'left']], 11: [['right', 'bottom']], 12: [['left', 'right']],
  13: [['top', 'right']], 14: [['left', 'top']],
};

/**
 * Marching squares (Lorensen and Cline 1987, in the plane): line segments where the values cross `level`, in units of
 * cells, with the values at the centres of the cells.
 * @param {ArrayLike<number>} values @param {number} side @param {number} level
 * @returns {[[number, number], [number, number]][]}
 */
export function isoline(values, side, level) {
  /** @type {[[number, number], [number, number]][]} */
  const found = [];
  if (!Number.isFinite(level)) return found;
  /** @param {number} k */
  const over = k => Number(values[k] >= level);
  /** @param {number} a @param {number} b */
  const between = (a, b) => (level - values[a]) / (values[b] - values[a]);
  for (let y = 0; y + 1 < side; y++) {
    for (let x = 0; x + 1 < side; x++) {
      const [a, b] = [y * side + x, y * side + x + 1];
      const [c, d] = [a + side, b + side];
      const kind = over(a) + 2 * over(b) + 4 * over(d) + 8 * over(c);
      if (kind === 0 || kind === 15) continue;
      const [X, Y] = [x + 0.5, y + 0.5];
      /** @type {Record<Side, () => [number, number]>} */
      const edge = {
        top: () => [X + between(a, b), Y], right: () => [X + 1, Y + between(b, d)],
        bottom: () => [X + between(c, d), Y + 1], left: () => [X, Y + between(a, c)]};
      for (const [from, to] of CROSSED[kind]) found.push([edge[from](), edge[to]()]);
    }
  }
  return found;
}
