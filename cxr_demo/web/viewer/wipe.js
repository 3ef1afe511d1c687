// Two maps of a film in one picture, with a line between them that moves.

import {fit, picture, stopsOf} from './canvas.js';
import {limitOf} from './cards.js';
import {button, make, penOf, makeStage} from './dom.js';
import {followPointers} from './gestures.js';
import {tr} from './i18n.js';
import {readable} from './numbers.js';
import {current, entryOf, methodOf, on, publish, setWipe, shown, state} from './store.js';

/** @typedef {ReturnType<typeof createParts>} Parts */
/** The film without a map. */
const FILM = 'film';

/** @param {() => void} readAloud @returns its card, and the button that shows it */
export function createWipe(readAloud) {
  const parts = createParts();
  const {card, canvas} = parts;
  followPointers(canvas, readAloud);
  const opener = button(tr('Wipe'), {class: 'quiet', id: 'cxr-wipe', 'aria-pressed': 'false', title: tr('Two maps in one picture (M)')}, () => {
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
  const {canvas, node} = makeStage(tr('Two maps under one wipe'));
  const at = make('input', {type: 'range', id: 'cxr-wipe-at', min: 0, max: 1, step: 0.005, value: 0.5, 'aria-label': tr('Where the wipe stands'),
    oninput: () => { setWipe({at: Number(at.value)}); drawWipe(parts); }});
  const a = make('select', {'aria-label': tr('Left of the wipe'), onchange: () => { setWipe({a: a.value}); drawWipe(parts); }});
  const b = make('select', {'aria-label': tr('Right of the wipe'), onchange: () => { setWipe({b: b.value}); drawWipe(parts); }});
  const card = make('article', {class: 'card wipe', 'aria-label': tr('Wipe between two maps'), hidden: true},
    make('header', {}, make('h3', {}, tr('Wipe')), a, make('span', {class: 'unit'}, tr('left, right')), b),
    node, at,
    make('p', {class: 'reading'}, tr('The left part shows one map, the right part the other, each in its own scale and at the same place of the film.')));
  const parts = {card, canvas, stage: node, a, b};
  return parts;
}

/** @param {string | null} key */
const nameOf = key => methodOf(key ?? '')?.title ?? tr('the film alone');

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
    const maps = method && entryOf(method)?.maps;
    pen.save();
    pen.beginPath(); pen.rect(left, 0, wide, height); pen.clip();
    picture(canvas, result, maps ? {maps, limit: limitOf(method, maps), stops: stopsOf(method.unit)} : null);
    pen.restore();
  }
  for (const [colour, thick] of /** @type {const} */ ([['rgb(0 0 0 / .8)', 4], ['rgb(255 255 255)', 2]])) {
    pen.fillStyle = colour;
    pen.fillRect(x - thick / 2, 0, thick, height);
  }
  canvas.setAttribute('aria-label', tr('{left} left of {right}, {finding}',
    {left: nameOf(state.wipe.a), right: nameOf(state.wipe.b), finding: readable(state.label)}));
}

/** The maps that are there; one that went makes room for the next. @param {string[]} keys @param {HTMLSelectElement} a @param {HTMLSelectElement} b */
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
