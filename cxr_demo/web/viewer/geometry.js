// Geometry of places and boxes, in shares of the film.

/** @import {Edges, Frame, Place, Size, View} from './types.d.ts' */

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * The rectangle of the whole film in a canvas's pixels; larger than the canvas if the film is enlarged.
 * @param {Size} canvas @param {View} view @returns {Frame}
 */
export function frame({width, height}, view) {
  return {left: -view.x * view.zoom * width, top: -view.y * view.zoom * height, width: view.zoom * width, height: view.zoom * height};
}

/** @param {Frame} film as `frame` returns it @param {Frame} crop in shares of the film @returns {Frame} in the canvas's pixels */
export function within({left, top, width, height}, crop) {
  return {left: left + crop.left * width, top: top + crop.top * height, width: crop.width * width, height: crop.height * height};
}

/** @param {Place} place @param {Frame} crop @returns {Place | null} in shares of the crop; null outside */
export function placeIn(place, crop) {
  const [x, y] = [(place.x - crop.left) / crop.width, (place.y - crop.top) / crop.height];
  return x < 0 || x >= 1 || y < 0 || y >= 1 ? null : {x, y};
}

/** @param {Edges} edges @param {number} quarters of the film's rotation to the left @returns {Edges} on the turned film */
export function turned(edges, quarters) {
  let [left, top, right, bottom] = edges;
  for (let k = 0; k < (quarters + 4) % 4; k++) [left, top, right, bottom] = [top, 1 - right, bottom, 1 - left];
  return [left, top, right, bottom];
}

/** Places edges on the part of a film that a correction keeps, which it then turns. @param {Edges} edges on the film as sent @param {number} quarters @param {Edges} [part] @returns {Edges} */
export function corrected(edges, quarters, part = [0, 0, 1, 1]) {
  const [left, top, right, bottom] = part;
  /** @type {(x: number) => number} */ const across = x => (x - left) / (right - left);
  /** @type {(y: number) => number} */ const down = y => (y - top) / (bottom - top);
  return turned([across(edges[0]), down(edges[1]), across(edges[2]), down(edges[3])], quarters);
}

/** The inverse of `corrected`. @param {Edges} edges on the corrected film @param {number} quarters @param {Edges} [part] @returns {Edges} on the film as sent */
export function asSent(edges, quarters, part = [0, 0, 1, 1]) {
  const [left, top, right, bottom] = part;
  const [a, b, c, d] = turned(edges, -quarters);
  return [left + a * (right - left), top + b * (bottom - top), left + c * (right - left), top + d * (bottom - top)];
}

/** @param {Place} a @param {Place} b two corners @returns {Edges} */
export function edgesOf(a, b) {
  return [clamp(Math.min(a.x, b.x), 0, 1), clamp(Math.min(a.y, b.y), 0, 1), clamp(Math.max(a.x, b.x), 0, 1), clamp(Math.max(a.y, b.y), 0, 1)];
}

/** Intersection over union. @param {Edges} one @param {Edges} other */
export function overlapOf([a, b, c, d], [e, f, g, h]) {
  const shared = Math.max(0, Math.min(c, g) - Math.max(a, e)) * Math.max(0, Math.min(d, h) - Math.max(b, f));
  return shared / ((c - a) * (d - b) + (g - e) * (h - f) - shared);
}

/**
 * A box in the cells of a map, clipped to the model input: first and last column, first and last row.
 * @param {Edges} edges @param {number} side @param {Frame} crop @returns {[number, number, number, number]}
 */
export function cellsOf([left, top, right, bottom], side, crop) {
  /** @type {(value: number, from: number, size: number) => number} */
  const at = (value, from, size) => clamp(Math.round((value - from) / size * side), 0, side);
  return [at(left, crop.left, crop.width), at(right, crop.left, crop.width), at(top, crop.top, crop.height), at(bottom, crop.top, crop.height)];
}

/** @param {Edges} edges @param {Frame} crop @returns the share of the model input that a box covers */
export function areaOf(edges, crop) {
  const [x0, x1, y0, y1] = cellsOf(edges, 1000, crop);
  return (x1 - x0) * (y1 - y0) / 1000 ** 2;
}
