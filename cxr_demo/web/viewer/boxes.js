// Boxes that the visitor draws around findings, and measures of the maps against them.

/** @import {Parts} from './film.js' */
import {clearBoxes, drawing, finishBox} from './actions.js';
import {button, make, makeTable, refill, setDisabled} from './dom.js';
import {edgesOf} from './geometry.js';
import {tr} from './i18n.js';
import {figure, share} from './numbers.js';
import {askTrust, boxesTold} from './requests.js';
import {current, on, publish, pullBox, state, takesFilms, titleOf} from './store.js';
import {trustWords} from './trust.js';
import {boxesOf} from './truth.js';
import {middle, placeOn, point} from './viewport.js';

/** @param {Parts} film the pane on which boxes are drawn @returns the panel, a pencil on the film, and a function that begins a box */
export function createBoxes(film) {
  const toggle = () => drawing(!state.drawing);
  let byKeys = false;  // whether a key begins the box, here or in another pane
  document.addEventListener('keydown', () => { byKeys = true; }, {capture: true});
  document.addEventListener('pointerdown', () => { byKeys = false; }, {capture: true});
  const draw = button('\u270e', {class: 'pencil', id: 'cxr-draw-box', 'aria-pressed': 'false', 'aria-label': tr('ui.boxes.draw'), title: tr('ui.boxes.draw_key'), hidden: true}, toggle);
  film.stage.append(draw);
  const clear = button(tr('ui.boxes.remove'), {class: 'quiet'}, clearBoxes);
  const place = make('div', {});
  const panel = make('div', {class: 'block boxes'},
    make('h4', {}, tr('ui.boxes.title')),
    make('p', {class: 'soft'}, tr('ui.boxes.hint')),
    make('div', {class: 'group'}, clear), place);
  on('boxes', () => {
    draw.setAttribute('aria-pressed', String(state.drawing));
    film.stage.classList.toggle('drawing', state.drawing);
    if (!state.drawing) return;
    film.canvas.focus({preventScroll: true});
    if (byKeys) point(state.pointer ?? middle());  // where the arrow keys begin
  });
  on('film', () => { draw.hidden = !current() || !takesFilms(); });
  on('tables', () => {
    refill(place, measuresOrButton(), panel);
    setDisabled(clear, !boxesOf(state.label).length);
  });
  drawByPointer(film.canvas);
  drawByKeys(film.stage);
  return {panel, toggle};
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

/** Measures of the maps against the chosen finding's boxes by method; null unless they apply to the current boxes. */
export function measuredBoxes() {
  const found = current()?.trust;
  const now = state.film && found?.asked === JSON.stringify(boxesTold(state.film));
  return now ? found?.boxes?.[state.label] ?? null : null;
}

function measuresOrButton() {
  const measured = Object.entries(measuredBoxes() ?? {});
  if (measured.length) {
    return [makeTable([tr('ui.boxes.peak_inside'), tr('ui.boxes.energy'), tr('ui.boxes.iou'), tr('ui.boxes.best_iou')], measured.map(([key, m]) => [titleOf(key),
      [share(m.peak), figure(m.energy), figure(m.iou), figure(m.ceiling)].map(text => make('td', {}, text))]))];
  }
  if (!boxesOf(state.label).length) return [];
  const trust = current()?.trust ?? null;
  if (!trust?.methods || trust.state === 'running') return [make('p', {class: 'soft'}, trustWords(trust))];
  return [button(tr('ui.boxes.measure'), {class: 'quiet', id: 'cxr-measure-boxes'}, () => askTrust(true))];
}
