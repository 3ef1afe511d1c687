// Mouse, touch and arrow keys on a picture.

/** @import {Place, Window} from './types.d.ts' */
import {clamp, frame} from './geometry.js';
import {setView, state} from './store.js';
import {lookAt, middle, moveBy, placeOn, point, setWindow, zoomAt} from './viewport.js';

/** @type {Map<number, PointerEvent>} The last event of each pressed pointer. */
const fingers = new Map();
/** @type {Readonly<Record<string, readonly [number, number]>>} */
const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** @typedef {{windows: boolean, from: Window, x: number, y: number}} Held the drag of a pressed pointer */

/**
 * @param {HTMLCanvasElement} canvas @param {() => void} readAloud called after an arrow key has moved the place
 * @param {() => boolean} [taken] whether the pointer has another use now, such as drawing a box
 */
export function followPointers(canvas, readAloud, taken = () => false) {
  /** @type {Held | null} */
  let held = null;
  canvas.addEventListener('pointerdown', event => { if (!taken()) held = press(canvas, event); });
  canvas.addEventListener('pointermove', event => move(canvas, event, held));
  canvas.addEventListener('pointerup', event => fingers.delete(event.pointerId));
  canvas.addEventListener('pointercancel', event => fingers.delete(event.pointerId));
  canvas.addEventListener('pointerleave', event => { if (!fingers.has(event.pointerId)) point(null); });
  canvas.addEventListener('blur', () => point(null));
  canvas.addEventListener('contextmenu', event => event.preventDefault());  // the right button sets the window
  canvas.addEventListener('dblclick', event => (state.view.zoom > 1 ? lookAt(0, 0, 1) : zoomAt(placeOn(canvas, event), 2)));
  canvas.addEventListener('wheel', event => turnWheel(canvas, event), {passive: false});
  // two fingers zoom; one scrolls the page unless the film is enlarged
  canvas.addEventListener('touchmove', event => {
    if (event.touches.length > 1 || state.view.zoom > 1) event.preventDefault();
  }, {passive: false});
  canvas.addEventListener('keydown', event => stepBy(event, readAloud));
}

/** @param {HTMLCanvasElement} canvas @param {PointerEvent} event @returns {Held} */
function press(canvas, event) {
  point(placeOn(canvas, event));
  fingers.set(event.pointerId, event);
  const windows = event.button === 2;
  if (fingers.size === 1 && (state.view.zoom > 1 || windows)) canvas.setPointerCapture(event.pointerId);
  return {windows, from: state.window, x: event.clientX, y: event.clientY};
}

/** @param {HTMLCanvasElement} canvas @param {PointerEvent} event @param {Held | null} held */
function move(canvas, event, held) {
  if (event.pointerType === 'mouse' && !event.buttons) fingers.delete(event.pointerId);  // released outside the canvas
  const before = fingers.get(event.pointerId);
  if (!before) return point(placeOn(canvas, event));
  const box = canvas.getBoundingClientRect();
  if (fingers.size === 2) pinch(canvas, event);
  else if (held?.windows) {
    const {low, high} = held.from;
    const width = (high - low) * 2 ** ((event.clientX - held.x) / box.width * 4);
    setWindow((low + high) / 2 + (event.clientY - held.y) / box.height, width);
  } else if (state.view.zoom > 1) {
    moveBy((before.clientX - event.clientX) / box.width, (before.clientY - event.clientY) / box.height);
  }
  fingers.set(event.pointerId, event);
  point(placeOn(canvas, event));
}

/** @param {HTMLCanvasElement} canvas @param {PointerEvent} event of one of two fingers */
function pinch(canvas, event) {
  const [one, other] = [...fingers.values()];
  const still = one.pointerId === event.pointerId ? other : one;
  const before = still === one ? other : one;
  /** @type {(a: PointerEvent, b: PointerEvent) => number} */
  const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
  /** @type {(a: PointerEvent, b: PointerEvent) => Place} */
  const between = (a, b) => placeOn(canvas, {clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2});
  const [from, to] = [between(before, still), between(event, still)];
  const {x, y, zoom} = state.view;
  setView({x: x - (to.x - from.x), y: y - (to.y - from.y), zoom});
  zoomAt(from, apart(event, still) / apart(before, still));
}

/** Zooms by the wheel with Ctrl, or on a focused picture; otherwise the page scrolls. @param {HTMLCanvasElement} canvas @param {WheelEvent} event */
function turnWheel(canvas, event) {
  const ours = event.ctrlKey || event.metaKey || (document.activeElement === canvas && (state.view.zoom > 1 || event.deltaY < 0));
  if (!ours) return;
  event.preventDefault();
  zoomAt(placeOn(canvas, event), 2 ** (-clamp(event.deltaY, -100, 100) / 200));
}

/** @param {KeyboardEvent} event @param {() => void} readAloud */
function stepBy(event, readAloud) {
  const step = STEPS[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (event.shiftKey) return moveBy(step[0] / 8, step[1] / 8);
  const from = state.pointer ?? middle();
  point({x: from.x + step[0] / 56 / state.view.zoom, y: from.y + step[1] / 56 / state.view.zoom});
  readAloud();
}

/** Marks the pointer's place on all pictures. @param {HTMLElement} root */
export function placeCrosses(root) {
  for (const cross of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll('.cross'))) {
    const canvas = cross.parentElement?.querySelector('canvas');
    if (!canvas) continue;
    const {left, top, width, height} = frame({width: canvas.offsetWidth, height: canvas.offsetHeight}, state.view);
    const [x, y] = state.pointer ? [left + state.pointer.x * width, top + state.pointer.y * height] : [-1, -1];
    cross.hidden = x < 0 || y < 0 || x > canvas.offsetWidth || y > canvas.offsetHeight;
    cross.style.left = `${canvas.offsetLeft + x}px`;
    cross.style.top = `${canvas.offsetTop + y}px`;
  }
}
