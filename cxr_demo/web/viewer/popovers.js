// Popovers: controls that wait behind a button until they are needed.

/** @import {Child} from './dom.js' */
import {make} from './dom.js';

/** Space between a popover and its button, and least distance to the window's edge, pixels. */
const GAP = 4;

/**
 * Makes a button and the popover that it opens. Escape and a click elsewhere close it; the browser keeps the focus order.
 * @param {string} id of the button @param {Child} face of the button @param {string} title accessible name of both
 * @param {Child[]} content
 */
export function createPopover(id, face, title, ...content) {
  const pane = make('div', {class: 'popover', popover: 'auto', id: `${id}-pane`, role: 'dialog', 'aria-label': title}, ...content);
  const opener = make('button', {type: 'button', class: 'quiet', id, popovertarget: pane.id, title, 'aria-label': title, 'aria-haspopup': 'dialog'}, face);
  pane.addEventListener('beforetoggle', event => { if (/** @type {ToggleEvent} */ (event).newState === 'open') hang(pane, opener); });
  return {opener, pane};
}

/** Hangs a popover on the nearest corner of its button that leaves it the most room. @param {HTMLElement} pane @param {HTMLElement} opener */
export function hang(pane, opener) {
  const {left, right, top, bottom} = opener.getBoundingClientRect();
  const {innerWidth: width, innerHeight: height} = window;
  const [below, toRight] = [height - bottom >= top, width - left >= right];
  Object.assign(pane.style, {
    left: toRight ? `${Math.max(GAP, left)}px` : 'auto', right: toRight ? 'auto' : `${Math.max(GAP, width - right)}px`,
    top: below ? `${bottom + GAP}px` : 'auto', bottom: below ? 'auto' : `${height - top + GAP}px`,
    maxHeight: `${(below ? height - bottom : top) - 2 * GAP}px`, maxWidth: `${(toRight ? width - left : right) - 2 * GAP}px`,
  });
}
