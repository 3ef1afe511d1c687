// The pane of findings with their probabilities.

/** @import {Prediction, Score} from './types.d.ts' */
import {pick} from './actions.js';
import {make} from './dom.js';
import {rounded} from './facts.js';
import {clamp} from './geometry.js';
import {readable, say, tr} from './i18n.js';
import {percent} from './numbers.js';
import {createPin} from './pin.js';
import {alongAxis, isAbove} from './predictions.js';
import {NONE, current, on, state} from './store.js';
import {boxesOf} from './truth.js';

export function createFindings() {
  const list = make('div', {class: 'list', role: 'listbox', tabindex: 0, 'aria-label': tr('ui.findings.list'), onkeydown: stepInList});
  const pane = make('section', {class: 'findings', 'aria-label': tr('ui.findings.title')},
    make('div', {class: 'heads'}, make('h2', {}, tr('ui.findings.title')), createPin(), make('span', {class: 'soft', title: tr('ui.findings.axis_hint')}, tr('ui.findings.axis'))),
    make('p', {class: 'doubt'}, tr('ui.findings.doubted')),
    list);
  on('findings', () => showFindings(list, pane));
  on('mark', () => mark(list));
  on('tables', () => markBoxes(list));
  return pane;
}

/** @param {HTMLElement} list @param {HTMLElement} pane */
function showFindings(list, pane) {
  const seen = current()?.seen ?? null;
  const {labels} = seen ?? state.spec;
  const order = seen?.ranked ?? labels.map((_, i) => i);
  list.replaceChildren(...order.map(i => row(i, seen)));
  pane.classList.toggle('doubted', Boolean(seen?.doubted));
  mark(list);
  markBoxes(list);
}

/** @param {HTMLElement} list */
const rowsOf = list => /** @type {HTMLElement[]} */ ([...list.children]);

/** @param {HTMLElement} list */
function mark(list) {
  for (const node of rowsOf(list)) node.setAttribute('aria-selected', String(Number(node.dataset.finding) === state.chosen));
  if (state.chosen !== NONE) list.setAttribute('aria-activedescendant', `cxr-row-${state.chosen}`);
}

/** Marks the findings with a box on the film. @param {HTMLElement} list */
function markBoxes(list) {
  const {labels} = current()?.seen ?? state.spec;
  for (const node of rowsOf(list)) {
    const boxed = boxesOf(labels[Number(node.dataset.finding)]).length > 0;
    node.classList.toggle('boxed', boxed);
    if (boxed) node.setAttribute('aria-description', tr('ui.findings.has_box')); else node.removeAttribute('aria-description');
  }
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
  const p = seen?.probabilities[i] ?? null;
  const above = seen !== null && isAbove(seen, i);
  const name = readable(labels[i]);
  const words = p === null ? name : rowWords(name, p, threshold);
  return make('div', {class: `row${above ? ' above' : ''}`, role: 'option', id: `cxr-row-${i}`, 'data-finding': i,
    'aria-selected': String(i === state.chosen), 'aria-label': words, title: [words, aurocWords(labels[i])].filter(Boolean).join('\n'),
    onclick: () => pick(i)},
  make('span', {class: 'label'}, name),
  make('span', {class: 'track'},
    p === null ? null : make('span', {class: 'fill', style: `width:${100 * alongAxis(p)}%`}),
    threshold === null ? null : make('span', {class: 'mark', style: `left:${100 * alongAxis(threshold)}%`})),
  make('span', {class: 'number'}, p === null ? '\u2013' : `${above ? '\u25b2 ' : ''}${percent(p)}`));
}

/** @param {string} finding @param {number} p @param {number | null} threshold */
const rowWords = (finding, p, threshold) => threshold === null
  ? tr('ui.findings.row_unknown', {finding, p: percent(p)})
  : tr('ui.findings.row', {finding, p: percent(p), threshold: percent(threshold)});

/** @param {string} label */
function aurocWords(label) {
  /** @type {Score | undefined} */
  const auroc = state.spec.auroc[label];
  return auroc ? tr('ui.findings.auroc_measured',
    {...rounded(auroc), subset: say(auroc.subset), positives: auroc.positives, n: auroc.films}) : '';
}
