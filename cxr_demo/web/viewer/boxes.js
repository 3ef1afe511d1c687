// Boxes around findings: drawn by the visitor on the film, and how the maps lie to them.

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

/** @param {Parts} film the pane on which boxes are drawn @returns the block, and what begins a box */
export function createBoxes(film) {
  const toggle = () => drawing(!state.drawing);
  const draw = button(tr('Draw a box'), {class: 'quiet', id: 'cxr-draw-box', 'aria-pressed': 'false'}, toggle);
  const clear = button(tr('Remove boxes'), {class: 'quiet'}, clearBoxes);
  const place = make('div', {});
  const block = make('div', {class: 'block boxes'},
    make('h4', {}, tr('Does the map lie where the finding is?')),
    make('p', {class: 'soft'}, tr('Draw where you see the chosen finding, on the film above: press, pull, let go. Or drop a table of boxes (CSV) with your films.')),
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

/** Heard after the canvas itself, where arrows move the place. @param {HTMLElement} stage */
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

/** How the maps lie to the boxes of the chosen finding, if that is measured for the boxes as they are. */
function measuresOrButton() {
  const found = current()?.trust;
  const now = state.film && found?.asked === JSON.stringify(boxesTold(state.film));
  const measured = now ? Object.entries(found?.boxes?.[state.label] ?? {}) : [];
  if (measured.length) {
    return [makeTable([tr('peak inside'), tr('energy in box'), tr('IoU'), tr('best IoU of its pieces')], measured.map(([key, m]) => [titleOf(key),
      [m.pointing === null ? '\u2013' : m.pointing ? tr('yes') : tr('no'), figure(m.energy), figure(m.iou), figure(m.ceiling)].map(text => make('td', {}, text))]))];
  }
  if (!boxesOf(state.label).length || !found?.methods) return [];
  return [button(tr('Measure the boxes'), {class: 'quiet', id: 'cxr-measure-boxes'}, () => askTrust(true))];
}
