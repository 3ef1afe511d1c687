// Boxes that the visitor draws around findings, and measures of the maps against them.

/** @import {Parts} from './film.js' */
import {clearBoxes, drawing, finishBox} from './actions.js';
import {button, make, makeTable} from './dom.js';
import {edgesOf} from './geometry.js';
import {tr} from './i18n.js';
import {figure} from './numbers.js';
import {askTrust, boxesTold} from './requests.js';
import {current, on, publish, pullBox, state, titleOf} from './store.js';
import {boxesOf} from './truth.js';
import {middle, placeOn, point} from './viewport.js';

/** @param {Parts} film the pane on which boxes are drawn @returns the block, and a function that begins a box */
export function createBoxes(film) {
  const toggle = () => drawing(!state.drawing);
  const draw = button(tr('ui.boxes.draw'), {class: 'quiet', id: 'cxr-draw-box', 'aria-pressed': 'false'}, toggle);
  const clear = button(tr('ui.boxes.remove'), {class: 'quiet'}, clearBoxes);
  const place = make('div', {});
  const block = make('div', {class: 'block boxes'},
    make('h4', {}, tr('ui.boxes.title')),
    make('p', {class: 'soft'}, tr('ui.boxes.hint')),
    make('div', {class: 'group'}, draw, clear), place);
  on('boxes', () => {
    draw.setAttribute('aria-pressed', String(state.drawing));
    film.stage.classList.toggle('drawing', state.drawing);
    if (!state.drawing) return;
    film.stage.scrollIntoView({block: 'nearest'});
    film.canvas.focus({preventScroll: true});
  });
  on('tables', () => {
    place.replaceChildren(...measuresOrButton());
    clear.disabled = !boxesOf(state.label).length;
  });
  drawByPointer(film.canvas);
  drawByKeys(film.stage);
  return {block, toggle};
}

/** @param {HTMLCanvasElement} canvas */
function drawByPointer(canvas) {
  canvas.addEventListener('pointerdown', event => {
    if (!state.drawing || !current()) return;
    canvas.setPointerCapture(event.pointerId);
    pullBox(placeOn(canvas, event), state.pulled);
  });
  canvas.addEventListener('pointermove', event => {
    if (!state.corner) return;
    pullBox(state.corner, edgesOf(state.corner, placeOn(canvas, event)));
    publish('draw');
  });
  canvas.addEventListener('pointerup', event => { if (state.corner) finishBox(edgesOf(state.corner, placeOn(canvas, event))); });
}

/** Keys for drawing a box; called after the canvas's own listener, in which arrows move the place. @param {HTMLElement} stage */
function drawByKeys(stage) {
  stage.addEventListener('keydown', event => {
    if (!state.drawing || !current()) return;
    const here = state.pointer ?? middle();
    if (['Enter', ' '].includes(event.key)) {
      event.preventDefault();
      point(here);
      if (state.corner) return finishBox(edgesOf(state.corner, here));
      pullBox(here, state.pulled);
    } else if (state.corner) pullBox(state.corner, edgesOf(state.corner, here));
    publish('draw');
  });
  document.addEventListener('keydown', event => { if (event.key === 'Escape' && state.drawing) drawing(false); });
}

/** Measures of the maps against the boxes of the chosen finding, if they apply to the current boxes. */
function measuresOrButton() {
  const found = current()?.trust;
  const now = state.film && found?.asked === JSON.stringify(boxesTold(state.film));
  const measured = now ? Object.entries(found?.boxes?.[state.label] ?? {}) : [];
  if (measured.length) {
    return [makeTable([tr('ui.boxes.peak_inside'), tr('ui.boxes.energy'), tr('ui.boxes.iou'), tr('ui.boxes.best_iou')], measured.map(([key, m]) => [titleOf(key),
      [m.pointing === null ? '\u2013' : m.pointing ? tr('ui.boxes.yes') : tr('ui.boxes.no'), figure(m.energy), figure(m.iou), figure(m.ceiling)].map(text => make('td', {}, text))]))];
  }
  if (!boxesOf(state.label).length || !found?.methods) return [];
  return [button(tr('ui.boxes.measure'), {class: 'quiet', id: 'cxr-measure-boxes'}, () => askTrust(true))];
}
