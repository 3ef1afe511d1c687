// Builds DOM nodes. Text from outside (file names, errors, model cards) enters the page only as textContent.
import {clamp} from './geometry.js';

/** @typedef {Node | string | null | undefined} Child */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Makes a node; attributes that begin with "on" are listeners, true is an empty attribute, false and null are omitted.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [attributes] @param {Child[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value ?? '';
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.filter(present));
  return node;
}

/** @template T @param {T | null | undefined} child @returns {child is T} */
export function present(child) { return child !== null && child !== undefined; }

/** @param {string} name @param {Record<string, string | number>} attributes @param {(Node | string)[]} children */
export function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** @param {Node} node @param {string} text set only if it differs, so that screen readers speak it once */
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

/** @param {string} text @param {Record<string, any>} attributes @param {(event: Event) => void} onclick */
export function button(text, attributes, onclick) {
  const isOff = () => node.ariaDisabled === 'true';
  const node = make('button', {type: 'button', ...attributes, onclick: (/** @type {Event} */ event) => { if (!isOff()) onclick(event); },
    onblur: () => { if (isOff()) setDisabled(node, true); }}, text);
  return node;
}

/**
 * Disables or enables a button. One that has the focus keeps it, since the keyboard would lose its place: until the focus
 * moves on, it ignores presses and says that it is disabled.
 * @param {HTMLButtonElement} node as `button` makes it @param {boolean} is
 */
export function setDisabled(node, is) {
  const keeps = is && node === document.activeElement;
  node.disabled = is && !keeps;
  node.ariaDisabled = keeps ? 'true' : null;
}

/** @param {string | Node} name as text, or as the label of a single field @param {Child[]} members */
export function group(name, ...members) {
  const several = typeof name === 'string';
  return make('div', {class: 'group', role: several ? 'group' : null, 'aria-label': several ? name : null},
    several ? make('span', {}, name) : name, ...members);
}

/** @param {string[]} heads @param {(readonly [Child, readonly HTMLTableCellElement[]])[]} rows, each with its header */
export function makeTable(heads, rows) {
  return make('table', {}, make('thead', {}, make('tr', {}, make('td'), ...heads.map(text => make('th', {scope: 'col'}, text)))),
    make('tbody', {}, ...rows.map(([name, cells]) => make('tr', {}, make('th', {scope: 'row'}, name), ...cells))));
}

/** @param {string} label of an empty canvas @param {Child[]} more */
export function makeStage(label, ...more) {
  const canvas = make('canvas', {role: 'img', tabindex: 0, 'aria-label': label});
  return {canvas, node: make('div', {class: 'stage'}, canvas, make('i', {class: 'cross', hidden: true}), ...more)};
}

/** @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [settings] */
export function penOf(canvas, settings) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', settings));
}

/**
 * The place in a list to which an arrow key, Home or End leads; null for any other key, which is left to the browser.
 * @param {KeyboardEvent} event @param {number} at @param {number} count @param {readonly [string, string]} arrows back and forth
 */
export function stepped(event, at, count, [back, forth]) {
  /** @type {Readonly<Record<string, number>>} */
  const places = {[back]: at - 1, [forth]: at + 1, Home: 0, End: count - 1};
  const to = places[event.key];
  if (to === undefined) return null;
  event.preventDefault();
  return clamp(to, 0, count - 1);
}

const CONTROLS = 'button, a[href], input, select, [tabindex]';

/**
 * Replaces a node's children. If a control among them has the focus, the one at its place gets it, or else `next`, since
 * the keyboard would lose its place.
 * @param {HTMLElement} node @param {Child[]} children @param {HTMLElement} [next] not among the children
 */
export function refill(node, children, next) {
  /** @returns {HTMLElement[]} */
  const controls = () => [...node.querySelectorAll(CONTROLS)].filter(one => one instanceof HTMLElement);
  const at = controls().findIndex(one => one === document.activeElement);
  node.replaceChildren(...children.filter(present));
  if (at >= 0) (controls()[at] ?? controls().at(-1) ?? next)?.focus({preventScroll: true});
}

/** @param {string} path of a visitor's file on the server */
export function addressOf(path) {
  return `${/** @type {any} */ (window).gradio_config?.root ?? ''}/gradio_api/file=${path}`;
}

/** @param {string} href @param {string} name */
export function follow(href, name) { make('a', {href, download: name}).click(); }

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  follow(address, name);
  URL.revokeObjectURL(address);
}
