// Single keys, and the dialog that lists them with what mouse and fingers do.

import {button, make} from './dom.js';
import {tr} from './i18n.js';

/** @typedef {readonly [string, string, () => void]} Key its name, what it does in words, and the doing */

/** @param {Key[]} keys of the page @returns the dialog, and a button that opens it */
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
  [tr('ui.keys.arrows'), tr('ui.keys.arrows_do')], [tr('ui.keys.shift_arrows'), tr('ui.keys.shift_arrows_do')],
  [tr('ui.keys.drag'), tr('ui.keys.drag_does')], [tr('ui.keys.right_drag'), tr('ui.keys.right_drag_does')],
  [tr('ui.keys.enter'), tr('ui.keys.enter_does')],
  [tr('ui.keys.ctrl_wheel'), tr('ui.keys.ctrl_wheel_does')], [tr('ui.keys.double_click'), tr('ui.keys.double_click_does')],
];
