// A short way round the page, on a drawn film whose truth is known.

import {addBuiltIn} from './actions.js';
import {button, make, setText} from './dom.js';
import {tr} from './i18n.js';
import {state} from './store.js';

/** @returns {[string, string][]} where each stop is, and what it says */
const stops = () => [
  ['.film', tr('Films are dropped, pasted or chosen here. The examples called phantoms are drawn by this program: what they show is known.')],
  ['.findings', tr('Each bar is the model\u2019s probability of a finding, by itself; the upright line is its operating point. A click chooses the finding that the maps explain.')],
  ['.cards', tr('Three methods say where the evidence for it lies: orange speaks for the finding, blue against it, no colour means none. Point anywhere to read all of them there.')],
  ['.looks', tr('Zoom, window, colours, contours and a wipe between two maps. Keys lists the shortcuts.')],
  ['.believe', tr('Are the maps better than chance? Do they agree? The line under each map says what the numbers support. On a drawn film you see for yourself which map misses what is there, and which line is too strict.')],
  ['#cxr-quiz', tr('Guess first hides all answers until you have given yours. That is the tour.')],
];

/** @param {HTMLElement} root @returns the dialog, and the button that begins the tour */
export function createTour(root) {
  const way = stops();
  let at = -1;
  const words = make('p', {});
  const next = button(tr('Next'), {class: 'quiet', id: 'cxr-tour-next'}, () => step(at + 1));
  const pane = make('div', {class: 'tour', role: 'dialog', 'aria-label': tr('Tour'), hidden: true}, make('div', {role: 'status'}, words),
    make('div', {class: 'group'}, button(tr('Back'), {class: 'quiet'}, () => step(Math.max(0, at - 1))), next,
      button(tr('End the tour'), {class: 'quiet', id: 'cxr-tour-end'}, () => step(-1))));
  const opener = button(tr('Tour'), {class: 'quiet', id: 'cxr-tour'}, () => {
    openPhantom();
    step(0);
  });
  /** @param {number} to a stop; beyond the last, or -1, ends the tour */
  const step = to => {
    root.querySelector('.toured')?.classList.remove('toured');
    at = to < way.length ? to : -1;
    pane.hidden = at < 0;
    if (pane.hidden) return opener.focus();
    const [where, text] = way[at];
    setText(words, `${tr('{at} of {n}.', {at: at + 1, n: way.length})} ${text}`);
    setText(next, at + 1 < way.length ? tr('Next') : tr('Done'));
    const place = root.querySelector(where);
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
