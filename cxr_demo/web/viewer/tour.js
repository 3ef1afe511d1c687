// A short guided tour of the page, on a phantom with known findings.

import {addBuiltIn} from './actions.js';
import {button, make, setText} from './dom.js';
import {tr} from './i18n.js';
import {state} from './store.js';

/** @returns {[string[], string][]} selectors and text of each stop, which points at the first place that is visible */
const stops = () => [
  [['.stages', '.film'], tr('ui.tour.films')],
  [['.findings', '.quiz'], tr('ui.tour.findings')],
  [['.stages', '.cards'], tr('ui.tour.maps')],
  [['#cxr-view'], tr('ui.tour.looks')],
  [['#cxr-check', '.drawer'], tr('ui.tour.trust')],
  [['#cxr-quiz', '#cxr-menu'], tr('ui.tour.quiz')],
];

/** @param {HTMLElement} root @returns the dialog, and the button that begins the tour */
export function createTour(root) {
  const way = stops();
  let at = -1;
  const words = make('p', {});
  const next = button(tr('ui.tour.next'), {class: 'quiet', id: 'cxr-tour-next'}, () => step(at + 1));
  const back = button(tr('ui.tour.back'), {class: 'quiet'}, () => step(at - 1));
  const end = button(tr('ui.tour.end'), {class: 'quiet', id: 'cxr-tour-end'}, () => step(-1));
  const pane = make('div', {class: 'tour', role: 'dialog', 'aria-label': tr('ui.tour.opener'), hidden: true}, make('div', {role: 'status'}, words),
    make('div', {class: 'group'}, back, next, end));
  const opener = button(tr('ui.tour.opener'), {class: 'quiet', id: 'cxr-tour'}, () => {
    openPhantom();
    step(0);
  });
  /** @param {number} to index of a stop; -1 or an index beyond the last ends the tour */
  const step = to => {
    root.querySelector('.toured')?.classList.remove('toured');
    at = to < way.length ? to : -1;
    pane.hidden = at < 0;
    if (pane.hidden) return /** @type {HTMLElement | null} */ (root.querySelector('#cxr-menu'))?.focus();  // its own button waits in there
    const [where, text] = way[at];
    setText(words, `${tr('ui.tour.place', {at: at + 1, n: way.length})} ${text}`);
    setText(next, at + 1 < way.length ? tr('ui.tour.next') : tr('ui.tour.done'));
    back.hidden = at === 0;
    end.hidden = at + 1 === way.length;
    const place = where.map(selector => root.querySelector(selector)).find(node => node?.checkVisibility());
    place?.classList.add('toured');
    place?.scrollIntoView({block: 'center'});
    next.focus({preventScroll: true});
  };
  document.addEventListener('keydown', event => { if (event.key === 'Escape' && at >= 0) step(-1); });
  return {pane, opener};
}

function openPhantom() {
  const {phantoms} = state.page;
  if (!state.film && phantoms.length) addBuiltIn('phantom', phantoms.find(item => item.finding === 'Effusion') ?? phantoms[0]);
}
