// Keyboard shortcuts, and the dialog that lists them with mouse and touch gestures.

/** @import {createLooks} from './looks.js' */
import {choose, pick} from './actions.js';
import {button, make} from './dom.js';
import {clamp} from './geometry.js';
import {tr} from './i18n.js';
import {current, drawSoon, note, state} from './store.js';
import {autoWindow, lookAt, setWindow, zoomBy} from './viewport.js';

/** @typedef {readonly [string, string, () => void]} Key name, description and action */

/** @param {Key[]} keys of the page @returns the dialog, and the button that opens it */
export function createKeys(keys) {
  const own = /** @type {Key} */ (['?', tr('ui.keys.these'), () => dialog.showModal()]);
  const known = [...keys, own];
  const on = make('input', {type: 'checkbox', id: 'cxr-keys-on', checked: true});
  const dialog = make('dialog', {class: 'keys', 'aria-labelledby': 'cxr-keys-title'},
    make('h3', {id: 'cxr-keys-title'}, tr('ui.keys.title')),
    make('dl', {}, ...[...known, ...gestures()].flatMap(([key, words]) => [make('dt', {}, make('kbd', {}, key)), make('dd', {}, words)])),
    make('label', {}, on, ' ', tr('ui.keys.single')),
    make('form', {method: 'dialog'}, make('button', {class: 'quiet'}, tr('ui.common.close'))));
  document.addEventListener('keydown', event => { if (on.checked && !dialog.open) press(known, event); });
  return {dialog, opener: button(tr('ui.keys.opener'), {class: 'quiet', id: 'cxr-keys'}, () => dialog.showModal())};
}

const FIELDS = 'input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]';

/** Runs a key's action, except while the visitor types or holds a modifier key, as for the browser's shortcuts. @param {Key[]} known @param {KeyboardEvent} event */
function press(known, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.closest(FIELDS)) return;
  const [, , act] = known.find(([key]) => key === event.key) ?? [];
  if (!act) return;
  event.preventDefault();
  act();
}

/** @returns {[string, string][]} */
const gestures = () => [
  [tr('ui.keys.arrows'), tr('ui.keys.arrows_do')], [tr('ui.keys.shift_arrows'), tr('ui.keys.shift_arrows_do')],
  [tr('ui.keys.drag'), tr('ui.keys.drag_does')], [tr('ui.keys.right_drag'), tr('ui.keys.right_drag_does')],
  [tr('ui.keys.enter'), tr('ui.keys.enter_does')],
  [tr('ui.keys.ctrl_wheel'), tr('ui.keys.ctrl_wheel_does')], [tr('ui.keys.double_click'), tr('ui.keys.double_click_does')],
];

// ------------------------------------------------------------------ what single keys do

/**
 * @param {HTMLInputElement} opacity @param {ReturnType<typeof createLooks>} looks @param {HTMLElement} wipe
 * @param {HTMLElement} fullScreen @param {() => void} drawBox @returns {Key[]}
 */
export function keysOf(opacity, looks, wipe, fullScreen, drawBox) {
  /** @type {(field: HTMLInputElement | HTMLSelectElement, value: string, event: string) => void} */
  const change = (field, value, event) => {
    field.value = value;
    field.dispatchEvent(new Event(event));
  };
  /** @param {number} by */
  const slide = by => change(opacity, String(clamp(Number(opacity.value) + by, 0, 1)), 'input');
  return [
    ['+', tr('ui.keys.zoom_in'), () => zoomBy(1.5)], ['-', tr('ui.keys.zoom_out'), () => zoomBy(1 / 1.5)], ['0', tr('ui.keys.whole_film'), () => lookAt(0, 0, 1)],
    ['w', tr('ui.keys.auto_window'), autoWindow], ['W', tr('ui.keys.full_window'), () => setWindow(0.5, 1)],
    ['i', tr('ui.keys.invert'), () => looks.invert.click()],
    ['[', tr('ui.keys.less_colour'), () => slide(-0.1)], [']', tr('ui.keys.more_colour'), () => slide(0.1)],
    ['s', tr('ui.keys.smooth'), () => change(looks.surface, state.smooth ? 'cells' : 'smooth', 'change')],
    ['c', tr('ui.keys.contour'), () => change(looks.levels, looks.levels.value ? '' : '50', 'input')],
    ['m', tr('ui.keys.wipe'), () => wipe.click()], ['f', tr('ui.keys.full_screen'), () => fullScreen.click()],
    ['j', tr('ui.keys.next_finding'), () => stepFinding(1)], ['k', tr('ui.keys.finding_before'), () => stepFinding(-1)],
    ['n', tr('ui.keys.next_film'), () => stepFilm(1)], ['p', tr('ui.keys.film_before'), () => stepFilm(-1)],
    ['b', tr('ui.keys.draw_box'), drawBox],
  ];
}

/** @param {number} by */
function stepFilm(by) {
  const to = state.films[state.films.findIndex(film => film === state.film) + by];
  if (to) choose(to);
}

/** @param {number} by */
function stepFinding(by) {
  const ranked = current()?.seen.ranked;
  if (ranked) pick(ranked[clamp(ranked.indexOf(state.chosen) + by, 0, ranked.length - 1)]);
}

/** @param {() => HTMLElement} bench the element shown in full screen */
export function createFullScreen(bench) {
  const words = () => document.fullscreenElement ? tr('ui.page.leave_full_screen') : tr('ui.page.full_screen');
  const opener = button(tr('ui.page.full_screen'), {class: 'quiet', id: 'cxr-full-screen', title: tr('ui.page.full_screen_hint')}, () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else bench().requestFullscreen().catch(() => note('look', tr('ui.page.no_full_screen')));
  });
  document.addEventListener('fullscreenchange', () => {
    opener.textContent = words();
    drawSoon();
  });
  return opener;
}
