// Narrow screens show one picture at a time: the film or a method's map, behind tabs and by swipes.

/** @import {Method} from './types.d.ts' */
import {button, make} from './dom.js';
import {tr} from './i18n.js';
import {current, guessing, on, publish, shown, state, waitsForRequest} from './store.js';

/** A finger moves at least this far sideways to swipe, pixels. */
const SWIPE = 60;

export const narrow = matchMedia('(max-width: 620px)');

/** @typedef {{key: string, title: string, node: HTMLElement}} Picture a tab's picture */

/**
 * @param {HTMLElement} root whose class says that the film is in front
 * @param {HTMLElement} film @param {ReadonlyMap<Method, HTMLElement>} cards
 */
export function createStages(root, film, cards) {
  /** @type {string | null} */
  let chosen = null;  // the picture that the visitor chose
  let front = 'film';
  let hid = false;  // whether the visitor was guessing
  /** @type {Map<string, HTMLButtonElement>} */
  let tabs = new Map();
  const bar = make('div', {class: 'stages', role: 'group', 'aria-label': tr('ui.page.pictures')});
  /** @returns {Picture[]} */
  const pictures = () => [{key: 'film', title: tr('ui.common.film'), node: film},
    ...shown().map(method => ({key: method.key, title: method.title, node: /** @type {HTMLElement} */ (cards.get(method))}))];
  /** @param {Picture[]} offered @returns the chosen one's key, or else the first map's */
  const foremost = offered => {
    if (asks() || !current()) return 'film';
    return offered.find(({key}) => key === chosen)?.key ?? offered[1]?.key ?? 'film';
  };
  const show = () => {
    const offered = pictures();
    const before = front;
    if (hid && !guessing()) chosen = 'film';  // the answer is drawn on it
    hid = guessing();
    front = foremost(offered);
    for (const node of [film, ...cards.values()]) node.classList.toggle('front', offered.some(one => one.key === front && one.node === node));
    root.classList.toggle('film-front', front === 'film');
    if ([...tabs.keys()].join() !== offered.map(({key}) => key).join()) {
      tabs = new Map(offered.map(({key, title}) => [key, button(title, {}, () => turnTo(key))]));
      bar.replaceChildren(...tabs.values());
    }
    for (const [key, tab] of tabs) tab.setAttribute('aria-pressed', String(key === front));
    if (front !== before && narrow.matches) publish('draw');  // a hidden canvas has no size to draw in
  };
  /** @param {string} key */
  const turnTo = key => {
    chosen = key;
    show();
  };
  swiped(root, by => {
    const keys = [...tabs.keys()];
    const next = keys[keys.indexOf(front) + by];
    if (next) turnTo(next);
  });
  on('film', () => {
    if (state.failures.length) chosen = 'film';
    show();
  });
  on('cards-shown', show);
  on('quiz', show);
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
