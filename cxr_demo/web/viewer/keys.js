// Single keys, and the dialog that lists them with what mouse and fingers do.

import {button, make} from './dom.js';
import {tr} from './i18n.js';

/** @typedef {readonly [string, string, () => void]} Key its name, what it does in words, and the doing */

/** @param {Key[]} keys of the page @returns the dialog, and a button that opens it */
export function createKeys(keys) {
  const own = /** @type {Key} */ (['?', tr('these keys'), () => dialog.showModal()]);
  const known = [...keys, own];
  const on = make('input', {type: 'checkbox', id: 'cxr-keys-on', checked: true});
  const dialog = make('dialog', {class: 'keys', 'aria-labelledby': 'cxr-keys-title'},
    make('h3', {id: 'cxr-keys-title'}, tr('Keys, mouse and fingers')),
    make('dl', {}, ...[...known, ...gestures()].flatMap(([key, words]) => [make('dt', {}, make('kbd', {}, key)), make('dd', {}, words)])),
    make('label', {}, on, ' ', tr('single keys do something')),
    make('form', {method: 'dialog'}, make('button', {class: 'quiet'}, tr('Close'))));
  document.addEventListener('keydown', event => { if (on.checked && !dialog.open) press(known, event); });
  return {dialog, opener: button(tr('Keys'), {class: 'quiet', id: 'cxr-keys'}, () => dialog.showModal())};
}

const FIELDS = 'input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]';

/** Never while one types, nor over a shortcut of the browser's. @param {Key[]} known @param {KeyboardEvent} event */
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
  [tr('arrows'), tr('on a picture: move the place whose values are read')], [tr('Shift + arrows'), tr('on a picture: move the enlarged film')],
  [tr('drag'), tr('move the enlarged film')], [tr('right button and drag'), tr('window: up and down its level, left and right its width')],
  [tr('Enter'), tr('while a box is drawn: a corner of it, then the other; Esc ends it')],
  [tr('Ctrl + wheel, or two fingers'), tr('zoom')], [tr('double click'), tr('zoom in, or the whole film')],
];
