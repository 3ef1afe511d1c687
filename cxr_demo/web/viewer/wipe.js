// Wipe: two maps of a film in one picture, divided by a movable line.

import {fit, picture, stopsOf} from './canvas.js';
import {limitOf} from './cards.js';
import {findingShown, mapsOf} from './difference.js';
import {button, make, penOf, makeStage} from './dom.js';
import {followPointers} from './gestures.js';
import {tr} from './i18n.js';
import {current, methodOf, on, publish, setWipe, shown, state} from './store.js';

/** @typedef {ReturnType<typeof createParts>} Parts */
/** Key of the film without a map. */
const FILM = 'film';

/** @param {() => void} readAloud @returns the wipe's card, and the button that shows it */
export function createWipe(readAloud) {
  const parts = createParts();
  const {card, canvas} = parts;
  followPointers(canvas, readAloud);
  const opener = button(tr('ui.wipe.opener'), {class: 'quiet', id: 'cxr-wipe', 'aria-pressed': 'false', title: tr('ui.wipe.opener_hint')}, () => {
    setWipe({on: !state.wipe.on});
    card.hidden = !state.wipe.on;
    opener.setAttribute('aria-pressed', String(state.wipe.on));
    publish('cards-shown');
    if (state.wipe.on) card.scrollIntoView({block: 'nearest'});
  });
  on('draw', () => drawWipe(parts));
  on('cards', () => drawWipe(parts));
  return {card, opener};
}

function createParts() {
  const {canvas, node} = makeStage(tr('ui.wipe.two_maps'));
  const at = make('input', {type: 'range', id: 'cxr-wipe-at', min: 0, max: 1, step: 0.005, value: 0.5, 'aria-label': tr('ui.wipe.position'),
    oninput: () => { setWipe({at: Number(at.value)}); drawWipe(parts); }});
  const a = make('select', {'aria-label': tr('ui.wipe.left'), onchange: () => { setWipe({a: a.value}); drawWipe(parts); }});
  const b = make('select', {'aria-label': tr('ui.wipe.right'), onchange: () => { setWipe({b: b.value}); drawWipe(parts); }});
  const card = make('article', {class: 'card wipe', 'aria-label': tr('ui.wipe.card'), hidden: true},
    make('header', {}, make('h3', {}, tr('ui.wipe.opener')), a, make('span', {class: 'unit'}, tr('ui.wipe.left_right')), b),
    node, at,
    make('p', {class: 'reading'}, tr('ui.wipe.reading')));
  const parts = {card, canvas, stage: node, a, b};
  return parts;
}

/** @param {string | null} key */
const nameOf = key => methodOf(key ?? '')?.title ?? tr('ui.wipe.film_alone');

/** @param {Parts} parts */
function drawWipe({canvas, stage, a, b}) {
  const result = current();
  stage.classList.toggle('blank', !result);
  if (!state.wipe.on || !result) return;
  const keys = [...shown().map(method => method.key), FILM];
  offer(keys, a, b);
  fit(canvas, result.image);
  const {width, height} = canvas;
  const pen = penOf(canvas);
  const x = Math.round(state.wipe.at * width);
  for (const [key, left, wide] of /** @type {const} */ ([[state.wipe.a, 0, x], [state.wipe.b, x, width - x]])) {
    const method = methodOf(key ?? '');
    const maps = method && mapsOf(method);
    pen.save();
    pen.beginPath(); pen.rect(left, 0, wide, height); pen.clip();
    picture(canvas, result, maps ? {maps, limit: limitOf(method, maps), stops: stopsOf(method)} : null);
    pen.restore();
  }
  for (const [colour, thick] of /** @type {const} */ ([['rgb(0 0 0 / .8)', 4], ['rgb(255 255 255)', 2]])) {
    pen.fillStyle = colour;
    pen.fillRect(x - thick / 2, 0, thick, height);
  }
  canvas.setAttribute('aria-label', tr('ui.wipe.caption',
    {left: nameOf(state.wipe.a), right: nameOf(state.wipe.b), finding: findingShown()}));
}

/** Offers the available maps; a chosen map that is gone is replaced by the next. @param {string[]} keys @param {HTMLSelectElement} a @param {HTMLSelectElement} b */
function offer(keys, a, b) {
  if (!keys.includes(state.wipe.a ?? '')) setWipe({a: keys[0]});
  if (!keys.includes(state.wipe.b ?? '')) setWipe({b: keys.find(key => key !== state.wipe.a) ?? null});
  for (const [list, key] of /** @type {const} */ ([[a, state.wipe.a], [b, state.wipe.b]])) {
    if ([...list.options].map(option => option.value).join() !== keys.join()) {
      list.replaceChildren(...keys.map(one => make('option', {value: one}, nameOf(one))));
    }
    list.value = key ?? '';
  }
}
