// The pane of findings with their probabilities, and the pane of the model's facts.

/** @import {Prediction, Score} from './types.d.ts' */
import {pick} from './actions.js';
import {make, present} from './dom.js';
import {clamp} from './geometry.js';
import {readable, say, tr} from './i18n.js';
import {fixed, percent} from './numbers.js';
import {createPin} from './pin.js';
import {isAbove} from './predictions.js';
import {NONE, current, on, publish, state} from './store.js';

/** @returns the pane of findings, the pane of the model's facts, and a list for the bar over the maps */
export function createFindings() {
  const list = make('div', {class: 'list', role: 'listbox', tabindex: 0, 'aria-label': tr('ui.findings.list'), onkeydown: stepInList});
  const chooser = make('select', {id: 'cxr-finding', onchange: () => pick(Number(chooser.value))});
  const facts = make('section', {class: 'facts', 'aria-label': tr('ui.findings.facts')});
  const pane = make('section', {class: 'findings', 'aria-label': tr('ui.findings.title')}, createPin(), heads(),
    make('p', {class: 'doubt'}, tr('ui.findings.doubted')),
    list);
  on('findings', () => showFindings(list, chooser, pane));
  on('mark', () => mark(list, chooser));
  on('spec', () => showModel(facts));
  return {pane, facts, chooser};
}

function heads() {
  return make('div', {class: 'row head', 'aria-hidden': 'true'},
    make('span', {class: 'label'}, tr('ui.common.finding')), make('span', {class: 'track'}), make('span', {class: 'number'}, tr('ui.findings.probability')),
    make('span', {class: 'point', title: tr('ui.findings.cutoff_hint')}, tr('ui.findings.cutoff')),
    make('span', {class: 'auroc', title: tr('ui.findings.auroc_hint')}, tr('ui.findings.auroc')));
}

/** @param {HTMLElement} list @param {HTMLSelectElement} chooser @param {HTMLElement} pane */
function showFindings(list, chooser, pane) {
  const seen = current()?.seen ?? null;
  const {labels} = seen ?? state.spec;
  const order = seen?.ranked ?? labels.map((_, i) => i);
  list.replaceChildren(...order.map(i => row(i, seen)));
  pane.classList.toggle('doubted', Boolean(seen?.doubted));
  chooser.replaceChildren(...order.map(i => make('option', {value: i}, readable(labels[i]))));
  chooser.disabled = !seen;
  mark(list, chooser);
}

/** @param {HTMLElement} list @param {HTMLSelectElement} chooser */
function mark(list, chooser) {
  for (const node of /** @type {Iterable<HTMLElement>} */ (list.children)) {
    node.setAttribute('aria-selected', String(Number(node.dataset.finding) === state.chosen));
  }
  if (state.chosen === NONE) return;
  list.setAttribute('aria-activedescendant', `cxr-row-${state.chosen}`);
  chooser.value = String(state.chosen);
}

/** @param {KeyboardEvent} event */
function stepInList(event) {
  const ranked = current()?.seen.ranked;
  if (!ranked) return;
  const at = ranked.indexOf(state.chosen);
  /** @type {Readonly<Record<string, number>>} */
  const steps = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ranked.length - 1};
  const to = steps[event.key];
  if (to === undefined) return;
  event.preventDefault();
  pick(ranked[clamp(to, 0, ranked.length - 1)]);
}

/** @param {number} i @param {Prediction | null} seen */
function row(i, seen) {
  const {labels} = seen ?? state.spec;
  const threshold = seen?.thresholds[i] ?? null;
  const above = seen !== null && isAbove(seen, i);
  const auroc = state.spec.auroc[labels[i]];
  const name = readable(labels[i]);
  return make('div', {class: `row${above ? ' above' : ''}`, role: 'option', id: `cxr-row-${i}`, 'data-finding': i,
    'aria-selected': String(i === state.chosen), 'aria-label': seen && rowWords(name, seen.probabilities[i], threshold),
    onclick: () => pick(i)},
  make('span', {class: 'label'}, name),
  make('span', {class: 'track'},
    make('span', {class: 'fill', style: `width:${100 * (seen?.probabilities[i] ?? 0)}%`}),
    threshold === null ? null : make('span', {class: 'mark', style: `left:${100 * threshold}%`, title: tr('ui.findings.cutoff_at', {threshold: percent(threshold)})})),
  make('span', {class: 'number'}, seen ? percent(seen.probabilities[i]) : '\u2013'),
  make('span', {class: 'point'}, threshold === null ? '' : above ? `\u25b2 ${percent(threshold)}` : percent(threshold)),
  make('span', {class: 'auroc', title: auroc ? aurocWords(auroc) : null}, auroc ? fixed(auroc.value, 2) : ''));
}

/** @param {string} finding @param {number} p @param {number | null} threshold */
const rowWords = (finding, p, threshold) => threshold === null
  ? tr('ui.findings.row_unknown', {finding, p: percent(p)})
  : tr('ui.findings.row', {finding, p: percent(p), threshold: percent(threshold)});

/** @param {Score} auroc */
const aurocWords = auroc => tr('ui.findings.auroc_measured',
  {...rounded(auroc), subset: say(auroc.subset), positives: auroc.positives, n: auroc.films});

/** @param {Score} score */
const rounded = ({value, low, high}) => ({value: fixed(value, 2), low: fixed(low, 2), high: fixed(high, 2)});

/** @param {HTMLElement} facts */
function showModel(facts) {
  const {spec} = state;
  const measured = spec.means.map(s => make('p', {class: 'measured'},
    make('b', {}, `${say(s.metric)} ${fixed(s.value, 2)}`),
    make('span', {class: 'soft'}, tr('ui.findings.mean_measured', {...rounded(s), subset: say(s.subset)}))));
  facts.replaceChildren(...[
    make('h2', {}, say(spec.title)),
    make('p', {class: 'soft'}, make('code', {}, spec.revision)),
    ...measured.slice(0, 2),
    spec.means.length ? null : make('p', {class: 'soft'}, tr('ui.findings.not_measured')),
    make('details', {}, make('summary', {}, tr('ui.findings.how_measured')), ...measured.slice(2),
      spec.scored_on ? make('p', {class: 'soft', lang: 'en'}, spec.scored_on) : null,
      make('p', {class: 'soft', lang: 'en'}, spec.trained_on)),
  ].filter(present));
  if (!current()) publish('findings');
}
