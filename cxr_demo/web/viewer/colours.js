// Colour scales: linear interpolation between the stops of `render.PALETTES`.

/** @import {Sides, Stops} from './types.d.ts' */
import {clamp} from './geometry.js';

/** Colours of lines in charts, distinguishable with colour blindness (Okabe and Ito 2008). */
export const LINES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];

/** @param {Stops} stops @param {number} t @returns {number[]} red, green, blue */
export function shade(stops, t) {
  let k = 1;
  while (k < stops.length - 1 && stops[k][0] < t) k++;
  const [low, high] = [stops[k - 1], stops[k]];
  const share = (t - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map(j => low[j] + share * (high[j] - low[j]));
}

/** Whether a value's sign is hidden, since the visitor chose to see only the other one. @param {number} t @param {Sides} side */
export const isHidden = (t, side) => (side === 'for' && t < 0) || (side === 'against' && t > 0);

/** @param {number} t @param {Sides} side @param {number} opacity @returns opacity of the colour at t, 0 to 1 */
export const cover = (t, side, opacity) => isHidden(t, side) ? 0 : Math.abs(t) * opacity;

/**
 * A table of colours by a value's byte.
 * @param {number} step of a byte in the value's unit @param {number} limit value with full colour @param {Stops} stops @param {Sides} side @param {number} opacity
 */
export function coloured(step, limit, stops, side, opacity) {
  const bytes = new Uint8ClampedArray(4 * 256);  // RGBA
  for (let q = -127; q < 128; q++) {
    const t = clamp(q * step / limit, stops[0][0], 1);
    bytes.set([...shade(stops, t), isHidden(t, side) ? 0 : 255 * Math.abs(t) * opacity], 4 * (q & 255));
  }
  return new Uint32Array(bytes.buffer);
}

/** @param {Stops} stops @param {Sides} side @param {number} opacity @returns a scale's colours as a CSS picture */
export function ramp(stops, side, opacity) {
  const low = stops[0][0];
  const parts = Array.from({length: 17}, (_, k) => low + (1 - low) * k / 16)
    .map(t => `rgb(${shade(stops, t).map(Math.round).join(' ')} / ${cover(t, side, opacity).toFixed(3)})`);
  return `linear-gradient(90deg, ${parts.join(', ')})`;
}
