// The model's facts: how good it is, measured on what.

/** @import {Score} from './types.d.ts' */
import {make, present} from './dom.js';
import {say, tr} from './i18n.js';
import {fixed} from './numbers.js';
import {createPopover} from './popovers.js';
import {current, on, publish, state} from './store.js';

/** @returns the button beside the list of models, and the popover with the chosen model's figures */
export function createFacts() {
  const facts = make('div', {class: 'facts'});
  on('spec', () => showModel(facts));
  return createPopover('cxr-facts', 'i', tr('ui.findings.facts'), facts);
}

/** @param {Score} score */
export const rounded = ({value, low, high}) => ({value: fixed(value, 2), low: fixed(low, 2), high: fixed(high, 2)});

/** @param {HTMLElement} facts */
function showModel(facts) {
  const {spec} = state;
  const measured = spec.means.map(s => make('p', {class: 'measured'},
    make('b', {}, `${say(s.metric)} ${fixed(s.value, 2)}`),
    make('span', {class: 'soft'}, tr('ui.findings.mean_measured', {...rounded(s), subset: say(s.subset)}))));
  const several = spec.labels.length > 1 && spec.means.length;
  facts.replaceChildren(...[
    make('h2', {}, say(spec.title)),
    make('p', {class: 'soft'}, make('code', {}, spec.revision)),
    several ? make('p', {class: 'soft'}, tr('ui.findings.means')) : null,
    ...measured,
    spec.means.length ? null : make('p', {class: 'soft'}, tr('ui.findings.not_measured')),
    spec.scored_on ? make('p', {class: 'soft', lang: 'en'}, spec.scored_on) : null,
    make('p', {class: 'soft', lang: 'en'}, spec.trained_on),
  ].filter(present));
  if (!current()) publish('findings');
}
