// A second film beside the current one, e.g. an earlier film of the same patient.

import {fit, picture} from './canvas.js';
import {group, make, setText, makeStage} from './dom.js';
import {followPointers} from './gestures.js';
import {readable, tr} from './i18n.js';
import {percent, signedWhole} from './numbers.js';
import {current, on, probabilityOf, publish, resultOf, setBeside, state} from './store.js';

/** @typedef {ReturnType<typeof createParts>} Parts */

/** @param {() => void} readAloud @returns the film's card, and the list to choose it from */
export function createBeside(readAloud) {
  const parts = createParts();
  followPointers(parts.canvas, readAloud);
  on('films', () => showBeside(parts));
  on('draw', () => drawBeside(parts));
  return parts;
}

function createParts() {
  const choice = make('select', {id: 'cxr-beside', 'aria-label': tr('ui.beside.film_beside'), onchange: () => {
    setBeside(choice.value === '' ? null : state.films[Number(choice.value)]);
    showBeside(parts);
  }});
  const box = group(make('label', {for: 'cxr-beside'}, tr('ui.beside.beside_it')), choice);
  box.hidden = true;
  const {canvas, node} = makeStage(tr('ui.beside.no_film'));
  const name = make('h3', {});
  const words = make('p', {class: 'reading'});
  const card = make('article', {class: 'card beside-card', 'aria-label': tr('ui.beside.card'), hidden: true},
    make('header', {}, name), node, words);
  const parts = {card, box, choice, canvas, name, words};
  return parts;
}

/** @param {Parts} parts */
function showBeside(parts) {
  const {box, choice, card} = parts;
  const others = state.films.filter(film => film !== state.film && resultOf(film));
  if (!others.some(film => film === state.beside)) setBeside(null);
  box.hidden = !others.length;
  choice.replaceChildren(make('option', {value: ''}, tr('ui.beside.no_other')),
    ...others.map(film => make('option', {value: state.films.indexOf(film), selected: film === state.beside}, film.name)));
  const before = card.hidden;
  card.hidden = !state.beside || !current();
  if (card.hidden !== before) return publish('cards-shown');
  drawBeside(parts);
}

/** @param {Parts} parts */
function drawBeside({card, canvas, name, words}) {
  const {film, beside, chosen} = state;
  const result = beside && resultOf(beside);
  if (card.hidden || !film || !result) return;
  fit(canvas, result.image);
  picture(canvas, result);
  setText(name, beside.name);
  const [here, there] = [film, beside].map(one => probabilityOf(one, chosen));
  const points = Math.round(100 * (there - here));
  setText(words, [tr('ui.beside.here_and_there', {finding: readable(state.label), there: percent(there), here: percent(here)}),
    points === 0 ? tr('ui.beside.same') : tr('ui.beside.difference', {points: signedWhole(points)}),
    tr('ui.beside.same_view')].join(' '));
  canvas.setAttribute('aria-label', tr('ui.films.named', {name: beside.name}));
}
