// Draws films and maps on canvases, at the chosen zoom, window and colours.

/** @import {Edges, Film, Frame, Maps, Method, Origin, Result, Size, Stops, View} from './types.d.ts' */
import {coloured, isHidden} from './colours.js';
import {make, penOf, present} from './dom.js';
import {frame, within} from './geometry.js';
import {greys} from './greylevels.js';
import {isoline, plane, smoothed, unsureAt} from './maps.js';
import {levelsOf} from './pixels.js';
import {current, guessing, state} from './store.js';
import {boxesOf, plantedEdges, truthEdges} from './truth.js';

/** @type {View} The whole film. */
export const WHOLE = {x: 0, y: 0, zoom: 1};

export const coloursNow = () => (state.page.palettes.find(({key}) => key === state.palette) ?? state.page.palettes[0]).colours;
/** @param {Method} method @returns {Stops} of its unit in the chosen palette */
export const stopsOf = method => coloursNow()[method.unit.key];
/** @param {Maps} maps @param {number} i @returns one finding's values, smoothed if chosen */
export const planeShown = (maps, i) => state.smooth ? smoothed(maps, i) : plane(maps, i);

/** Sizes a canvas to its element, with the film's aspect ratio and the screen's pixel density. @param {HTMLCanvasElement} canvas @param {Size} size */
export function fit(canvas, {width, height}) {
  const place = canvas.parentElement;
  const box = Math.max(1, Math.min(place?.clientWidth || 320, place?.clientHeight || Infinity));
  const dense = Math.min(window.devicePixelRatio || 1, 2);
  const k = box / Math.max(width, height);
  const [w, h] = [Math.max(1, Math.round(width * k * dense)), Math.max(1, Math.round(height * k * dense))];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  canvas.style.width = `${Math.round(width * k)}px`;
  canvas.style.height = `${Math.round(height * k)}px`;
}

/** @param {HTMLImageElement} image */
export function thumbnail(image) {
  const k = 56 / Math.max(image.width, image.height);
  const small = make('canvas', {width: Math.round(image.width * k), height: Math.round(image.height * k)});
  penOf(small).drawImage(image, 0, 0, small.width, small.height);
  return small;
}

/**
 * Draws the film, with a map of one finding over it if given.
 * @param {HTMLCanvasElement} canvas @param {Result} result
 * @param {{maps: Maps, limit: number, stops: Stops} | null} [map]
 * @param {{view?: View, i?: number, label?: string}} [options]
 */
export function picture(canvas, result, map = null, {view = state.view, i = state.chosen, label = state.label} = {}) {
  const pen = penOf(canvas);
  const {crop} = result.seen.film;
  pen.drawImage(filmAt(result, canvas.width, canvas.height, view), 0, 0);
  if (map) {
    const {left, top, width, height} = within(frame(canvas, view), crop);
    pen.imageSmoothingEnabled = state.smooth;
    pen.drawImage(paint(map.maps, i, map.limit, map.stops), left, top, width, height);
    contours(pen, map.maps, i, map.limit, {left, top, width, height}, canvas.width);
  }
  hatch(pen, canvas, crop, view);
  if (result === current()) outline(pen, canvas, view, label);  // boxes belong to the current film
}

// ------------------------------------------------------------------ the film

/** @typedef {{pictures: Map<string, HTMLCanvasElement>, window: string, greys: Uint32Array, levels: unknown}} Drawn */

/** @type {WeakMap<Film, Drawn>} Cached pictures of a film, since mostly only the map over it changes. */
const drawn = new WeakMap();

/** @param {Film} film */
export function forgetPictures(film) { drawn.delete(film); }

/** Draws the film at a canvas's current size. @param {Result} result @param {number} width @param {number} height @param {View} view */
export function filmAt(result, width, height, view) {
  const levels = levelsOf(result);
  const kept = drawnOf(result.film, levels);
  const about = [width, height, view.x, view.y, view.zoom, kept.window].join(' ');
  const known = kept.pictures.get(about);
  if (known) return known;
  const level = levels.findLast(one => one.width >= view.zoom * width) ?? levels[0];
  const [left, right] = [view.x, view.x + 1 / view.zoom].map(x => x * level.width);
  const [top, bottom] = [view.y, view.y + 1 / view.zoom].map(y => y * level.height);
  const [x0, y0] = [Math.max(0, Math.floor(left) - 1), Math.max(0, Math.floor(top) - 1)];
  const [w, h] = [Math.min(level.width, Math.ceil(right) + 1) - x0, Math.min(level.height, Math.ceil(bottom) + 1) - y0];
  const source = pictureOf(level, kept.greys, x0, y0, w, h);
  const made = make('canvas', {width, height});
  const pen = penOf(made);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(source, left - x0, top - y0, right - left, bottom - top, 0, 0, width, height);
  if (kept.pictures.size > 3) kept.pictures.clear();
  kept.pictures.set(about, made);
  return made;
}

/** The cache of a film: pictures are valid for the same levels, greys for the same window. @param {Film} film @param {unknown} levels @returns {Drawn} */
function drawnOf(film, levels) {
  const {low, high, inverted} = state.window;
  const window = `${low} ${high} ${inverted}`;
  const known = drawn.get(film);
  if (known?.window === window && known.levels === levels) return known;
  /** @type {Drawn['pictures']} */
  const pictures = known && known.levels === levels ? known.pictures : new Map();
  const fresh = {pictures, window, levels, greys: known?.window === window ? known.greys : greys(state.window)};
  drawn.set(film, fresh);
  return fresh;
}

/** @param {import('./greylevels.js').Level} level @param {Uint32Array} table @param {number} x0 @param {number} y0 @param {number} w @param {number} h */
function pictureOf(level, table, x0, y0, w, h) {
  const part = new ImageData(w, h);
  const pixels = new Uint32Array(part.data.buffer);
  for (let y = 0; y < h; y++) {
    const row = (y0 + y) * level.width + x0;
    for (let x = 0; x < w; x++) pixels[y * w + x] = table[level.values[row + x]];
  }
  const source = make('canvas', {width: w, height: h});
  penOf(source).putImageData(part, 0, 0);
  return source;
}

// ------------------------------------------------------------------ maps over it

/** @type {WeakMap<Maps, HTMLCanvasElement>} */
const painted = new WeakMap();

/** @param {Maps} maps @param {number} i @param {number} limit @param {Stops} stops */
function paint(maps, i, limit, stops) {
  const table = coloured(maps.scale[i], limit, stops, state.side, state.opacity);
  const image = new ImageData(maps.side, maps.side);
  const pixels = new Uint32Array(image.data.buffer);
  const values = planeShown(maps, i);
  for (let k = 0; k < pixels.length; k++) pixels[k] = table[values[k] & 255];
  if (maps.unsure && state.opacity) markUnsure(maps, i, pixels);
  const canvas = painted.get(maps) ?? make('canvas', {width: maps.side, height: maps.side});
  painted.set(maps, canvas);
  penOf(canvas).putImageData(image, 0, 0);
  return canvas;
}

/** Draws dark dots over cells whose sign is uncertain. @param {Maps} maps @param {number} i @param {Uint32Array} pixels */
function markUnsure(maps, i, pixels) {
  const values = plane(maps, i);
  for (let k = 0; k < pixels.length; k++) {
    const dot = k % maps.side % 6 < 2 && Math.floor(k / maps.side) % 6 < 2;
    if (dot && unsureAt(maps, i, k) && !isHidden(values[k], state.side)) pixels[k] = 0xb0000000;
  }
}

/**
 * Draws contours at the chosen shares of the scale's end: solid for positive evidence, dashed for negative.
 * @param {CanvasRenderingContext2D} pen @param {Maps} maps @param {number} i @param {number} limit @param {Frame} place @param {number} size
 */
function contours(pen, maps, i, limit, {left, top, width, height}, size) {
  const values = planeShown(maps, i);
  for (const level of state.levels.flatMap(share => [share, -share])) {
    if (isHidden(level, state.side)) continue;
    const lines = isoline(values, maps.side, level * limit / maps.scale[i]);
    const thick = Math.max(1, size / 420);
    stroke(pen, lines, maps.side, {left, top, width, height}, {ink: 'rgb(255 255 255)', thick, dash: level < 0 ? [5 * thick, 4 * thick] : []});
  }
}

/**
 * Outlines the places from which a map's highest cell gets half of its value.
 * @param {HTMLCanvasElement} canvas @param {Result} result @param {Origin} origin
 */
export function outlineOrigin(canvas, result, {side, values, level}) {
  const place = within(frame(canvas, state.view), result.seen.film.crop);
  const thick = Math.max(1, canvas.width / 420);
  stroke(penOf(canvas), isoline(values, side, level), side, place, {ink: ORIGIN, thick, dash: [thick, 3 * thick]});
}

/**
 * Draws line segments, in cells of a map, with a dark edge.
 * @param {CanvasRenderingContext2D} pen @param {ReturnType<typeof isoline>} lines @param {number} side @param {Frame} place
 * @param {{ink: string, thick: number, dash: number[]}} style
 */
function stroke(pen, lines, side, {left, top, width, height}, {ink, thick, dash}) {
  const path = new Path2D();
  for (const [a, b] of lines) {
    path.moveTo(left + a[0] * width / side, top + a[1] * height / side);
    path.lineTo(left + b[0] * width / side, top + b[1] * height / side);
  }
  for (const [colour, times] of /** @type {const} */ ([['rgb(0 0 0 / .75)', 3], [ink, 1.2]])) {
    pen.save();
    Object.assign(pen, {strokeStyle: colour, lineWidth: thick * times, lineCap: 'round'});
    pen.setLineDash(dash);
    pen.stroke(path);
    pen.restore();
  }
}

/**
 * Dims and hatches the strips of the film outside the model input.
 * @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} canvas @param {Frame} crop @param {View} view
 */
export function hatch(pen, canvas, crop, view) {
  const {left, top, width, height} = frame(canvas, view);
  const inner = within({left, top, width, height}, crop);
  const [x0, y0, x1, y1] = [inner.left, inner.top, inner.left + inner.width, inner.top + inner.height];
  const strips = [[left, top, x0 - left, height], [x1, top, left + width - x1, height],
    [x0, top, x1 - x0, y0 - top], [x0, y1, x1 - x0, top + height - y1]].filter(([, , w, h]) => w > 0.5 && h > 0.5);
  const period = Math.max(6, Math.round(Math.max(canvas.width, canvas.height) / 64));
  for (const [x, y, w, h] of strips) {
    pen.save();
    pen.beginPath(); pen.rect(x, y, w, h); pen.clip();
    pen.fillStyle = 'rgb(0 0 0 / .67)'; pen.fill();
    pen.strokeStyle = 'rgb(115 115 115)'; pen.lineWidth = Math.max(1, period / 8);
    pen.beginPath();
    for (let d = x; d < x + w + h; d += period) { pen.moveTo(d, y); pen.lineTo(d - h, y + h); }
    pen.stroke(); pen.restore();
  }
}

// ------------------------------------------------------------------ boxes over both

const [KNOWN, MARKED, ORIGIN] = ['rgb(255 214 70)', 'rgb(120 255 160)', 'rgb(190 230 255)'];

/**
 * Draws a finding's boxes or a student's mark; dashed, where it is planted, and all true places once the answer is shown.
 * @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} canvas @param {View} view @param {string} label
 */
function outline(pen, canvas, view, label) {
  const film = state.film;
  if (!film) return;
  const place = frame(canvas, view);
  const marked = guessing() ? [film.guess?.edges] : boxesOf(label).map(box => box.edges);
  const known = guessing() ? [] : state.quiz.on ? truthEdges(film) : plantedEdges(film, label);
  const unit = canvas.width / 500;
  /** @type {(ink: string, edges: Edges, dash: number[]) => void} */
  const draw = (ink, [left, top, right, bottom], dash) => {
    pen.save();
    pen.setLineDash(dash);
    for (const [colour, thick] of /** @type {const} */ ([['rgb(0 0 0 / .8)', 4], [ink, 2]])) {
      Object.assign(pen, {strokeStyle: colour, lineWidth: Math.max(1, thick * unit)});
      pen.strokeRect(place.left + left * place.width, place.top + top * place.height, (right - left) * place.width, (bottom - top) * place.height);
    }
    pen.restore();
  };
  for (const edges of [...marked, state.pulled].filter(present)) draw(MARKED, edges, []);
  for (const edges of known) draw(KNOWN, edges, [10 * unit, 6 * unit]);  // last, since a good mark covers it
}
