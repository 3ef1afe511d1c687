// The visible part and window of the film, in step on all pictures: zoom, position and grey levels. None of this changes
// the model input.

/** @import {Place} from './types.d.ts' */
import {clamp} from './geometry.js';
import {NARROWEST, hundredths} from './greylevels.js';
import {askPixels, levelsOf} from './pixels.js';
import {current, drawSoon, note, publish, setLevels, setPointer, setView, state} from './store.js';

/** Largest zoom factor. */
export const LARGEST = 16;

/** @param {number} x @param {number} y left and top @param {number} zoom */
export function lookAt(x, y, zoom) {
  const closer = clamp(zoom, 1, LARGEST);
  const edge = 1 - 1 / closer;
  setView({x: clamp(x, 0, edge), y: clamp(y, 0, edge), zoom: closer});
  publish('view');
  askPixels();
  drawSoon();
}

/** Resets zoom and window for another film. */
export function lookAfresh() {
  setLevels({low: 0, high: 1, inverted: false});
  lookAt(0, 0, 1);
  setWindow(0.5, 1, false);
  note('look', '');
}

/** Zooms about a place of the film, which keeps its position on the screen. @param {Place} place @param {number} times */
export function zoomAt(place, times) {
  const {x, y, zoom} = state.view;
  const closer = clamp(zoom * times, 1, LARGEST);
  lookAt(place.x - (place.x - x) * zoom / closer, place.y - (place.y - y) * zoom / closer, closer);
}

/** @returns {Place} the centre of the visible part */
export const middle = () => ({x: state.view.x + 0.5 / state.view.zoom, y: state.view.y + 0.5 / state.view.zoom});
/** @param {number} times */
export const zoomBy = times => zoomAt(state.pointer ?? middle(), times);
/** @param {number} dx @param {number} dy in shares of the picture */
export const moveBy = (dx, dy) =>
  lookAt(state.view.x + dx / state.view.zoom, state.view.y + dy / state.view.zoom, state.view.zoom);

/** @param {Place | null} place in shares of the film; null for no place */
export function point(place) {
  if (!current()) return;
  setPointer(place && {x: clamp(place.x, 0, 1), y: clamp(place.y, 0, 1)});
  publish('point');
}

/** @param {number} centre @param {number} width in shares of all grey levels @param {boolean} [inverted] */
export function setWindow(centre, width, inverted = state.window.inverted) {
  const wide = clamp(width, NARROWEST, 1);
  const at = clamp(centre, 0, 1);
  setLevels({low: at - wide / 2, high: at + wide / 2, inverted});
  publish('view');
  askPixels();
  drawSoon();
}

/** Sets the window from the 1st to the 99th percentile of grey levels within the model input. */
export function autoWindow() {
  const result = current();
  if (!result) return;
  const levels = levelsOf(result);
  const [low, high] = hundredths(levels[levels.length - 1], result.seen.film.crop);
  setWindow((low + high) / 2, high - low);
}

/** Inverts the grey levels. */
export function invertWindow() {
  const {low, high, inverted} = state.window;
  setWindow((low + high) / 2, high - low, !inverted);
}

/** @param {HTMLCanvasElement} canvas @param {{clientX: number, clientY: number}} event @returns {Place} of the film */
export function placeOn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const {x, y, zoom} = state.view;
  return {x: x + (event.clientX - box.left) / box.width / zoom, y: y + (event.clientY - box.top) / box.height / zoom};
}
