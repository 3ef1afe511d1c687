// Narrow screens show one picture at a time: the film or a method's map, behind tabs and by swipes.

/** @import {Method} from './types.d.ts' */
import {pick} from './actions.js';
import {button, make} from './dom.js';
import {readable, tr} from './i18n.js';
import {percent} from './numbers.js';
import {current, on, publish, shown, state, waitsForRequest} from './store.js';

/** A finger moves at least this far sideways to swipe, pixels. */
const SWIPE = 60;
/** Findings among the chips above the list. */
const FIRST = 3;

export const narrow = matchMedia('(max-width: 620px)');

/** @typedef {{key: string, title: string, node: HTMLElement}} Picture a tab's picture */

/**
 * @param {HTMLElement} root whose class says that the film is in front
 * @param {HTMLElement} film @param {ReadonlyMap<Method, HTMLElement>} cards
 */
export function createStages(root, film, cards) {
  let front = 'film';
  let met = false;  // whether a film has been shown
  const bar = make('div', {class: 'stages', role: 'group', 'aria-label': tr('ui.page.pictures')});
  /** @returns {Picture[]} */
  const pictures = () => [{key: 'film', title: tr('ui.common.film'), node: film},
    ...shown().map(method => ({key: method.key, title: method.title, node: /** @type {HTMLElement} */ (cards.get(method))}))];
  const show = () => {
    const offered = pictures();
    if (!met && current()) {
      met = true;
      front = offered[1]?.key ?? front;
    }
    if (!offered.some(({key}) => key === front) || asks()) front = 'film';
    for (const node of [film, ...cards.values()]) node.classList.toggle('front', offered.some(one => one.key === front && one.node === node));
    root.classList.toggle('film-front', front === 'film');
    bar.replaceChildren(...offered.map(({key, title}) => button(title, {'aria-pressed': String(key === front)}, () => { front = key; show(); })));
    publish('draw');
  };
  swiped(root, by => {
    const keys = pictures().map(({key}) => key);
    front = keys[keys.indexOf(front) + by] ?? front;
    show();
  });
  on('film', () => {
    if (state.failures.length) front = 'film';
    show();
  });
  on('cards-shown', show);
  return bar;
}

/** Whether the film's pane has words that the visitor must see first. */
const asks = () => Boolean(state.film?.error) || waitsForRequest();

/** Calls back with 1 after a swipe to the left over a picture, and with -1 after one to the right. @param {HTMLElement} root @param {(by: number) => void} heard */
function swiped(root, heard) {
  /** @type {Touch | null} */
  let began = null;
  root.addEventListener('touchstart', event => {
    const picture = /** @type {Element} */ (event.target).closest('.film .stage, .card .stage');
    began = picture && event.touches.length === 1 && state.view.zoom === 1 && !state.drawing ? event.touches[0] : null;
  }, {passive: true});
  root.addEventListener('touchend', event => {
    if (!began || !narrow.matches) return;
    const {clientX, clientY} = event.changedTouches[0];
    const [across, along] = [clientX - began.clientX, clientY - began.clientY];
    if (Math.abs(across) > SWIPE && Math.abs(across) > 2 * Math.abs(along)) heard(across < 0 ? 1 : -1);
  });
}

/** The first findings as chips, which stay while the list of all scrolls. */
export function createFirstFindings() {
  const chips = make('div', {class: 'chips leading', role: 'group', 'aria-label': tr('ui.findings.leading')});
  const show = () => {
    const seen = current()?.seen;
    chips.replaceChildren(...(seen?.ranked ?? []).slice(0, FIRST).map(i =>
      button(`${readable(seen?.labels[i] ?? '')} ${percent(seen?.probabilities[i] ?? NaN)}`, {class: 'chip', 'aria-pressed': String(i === state.chosen)}, () => pick(i))));
  };
  on('findings', show);
  on('mark', show);
  return chips;
}
