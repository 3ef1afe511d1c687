// The drawer under the maps: measures, boxes, grid and films, one at a time behind tabs.

import {make, stepped} from './dom.js';
import {tr} from './i18n.js';
import {isExample, on, publish} from './store.js';

/** Height below the maps that an open drawer needs, pixels. */
const ROOM = 240;

/** @typedef {{key: string, title: string, panel: HTMLElement, offered: () => boolean}} Drawer a tab with its panel */

/** @param {Drawer[]} drawers @returns the node, a function that opens the tab with a key, and one that opens or closes the drawer */
export function createDrawer(drawers) {
  /** @type {string | null} */
  let open = null;
  let met = false;  // whether a film of the visitor's has been shown
  const tabs = drawers.map(drawer => tabOf(drawer, () => show(open === drawer.key ? null : drawer.key)));
  const bar = make('div', {class: 'tabs', role: 'tablist', 'aria-label': tr('ui.drawer.title'),
    onkeydown: (/** @type {KeyboardEvent} */ event) => step(event, tabs.filter(tab => !tab.hidden))}, ...tabs);
  const node = make('section', {class: 'drawer', 'aria-label': tr('ui.drawer.title')}, bar, ...drawers.map(({panel}) => panel));

  /** @param {string | null} key of the tab to open; null closes the drawer */
  function show(key) {
    open = key;
    const offered = drawers.map(drawer => drawer.offered());
    if (!drawers.some((drawer, i) => drawer.key === open && offered[i])) open = null;
    const focused = Math.max(drawers.findIndex(drawer => drawer.key === open), offered.indexOf(true));
    drawers.forEach(({key: own, panel}, i) => {
      panel.hidden = own !== open;
      tabs[i].hidden = !offered[i];
      tabs[i].setAttribute('aria-selected', String(own === open));
      tabs[i].tabIndex = i === focused ? 0 : -1;
    });
    node.hidden = !offered.some(Boolean);
    node.classList.toggle('open', open !== null);
    publish('drawer');
  }

  for (const topic of /** @type {const} */ (['film', 'films', 'quiz'])) {
    on(topic, () => {
      const first = !met && drawers[0].offered() && !isExample();
      met ||= first;
      if (first) node.hidden = false;  // a hidden bar has no place to measure
      // the first panel opens by itself where it takes no room from the maps; a telephone shows no bar
      const roomy = bar.checkVisibility() && window.innerHeight - bar.getBoundingClientRect().top > ROOM;
      show(first && roomy ? drawers[0].key : open);
    });
  }
  on('mark', () => { if (drawers.some((drawer, i) => drawer.offered() === tabs[i].hidden)) show(open); });
  show(null);
  return {node, open: show, toggle: () => show(open === null ? drawers[0].key : null)};
}

/** @param {Drawer} drawer @param {() => void} onclick @returns its tab */
function tabOf({key, title, panel}, onclick) {
  panel.id = `cxr-panel-${key}`;
  panel.tabIndex = 0;  // so that keys scroll it
  panel.setAttribute('role', 'tabpanel');
  panel.setAttribute('aria-labelledby', `cxr-tab-${key}`);
  return make('button', {type: 'button', role: 'tab', id: `cxr-tab-${key}`, 'aria-controls': panel.id, onclick}, title);
}

/** Moves the focus by arrow keys. @param {KeyboardEvent} event @param {HTMLElement[]} tabs */
function step(event, tabs) {
  const at = tabs.indexOf(/** @type {HTMLElement} */ (event.target));
  const to = stepped(event, at, tabs.length, ['ArrowLeft', 'ArrowRight']);
  if (to !== null) tabs[to].focus();
}
