// The pane of findings with their probabilities.

/** @import {Prediction, Score} from './types.d.ts' */
import {pick} from './actions.js';
import {button, make, refill, stepped} from './dom.js';
import {rounded} from './facts.js';
import {readable, say, tr} from './i18n.js';
import {percent} from './numbers.js';
import {createPin} from './pin.js';
import {alongAxis, isAbove} from './predictions.js';
import {narrow} from './stages.js';
import {NONE, current, on, state} from './store.js';
import {boxesOf} from './truth.js';

/** Findings among the chips above a narrow screen's list. */
const FIRST = 3;

/** @returns the list of findings, and the first of them as chips, which stay while the list scrolls on a narrow screen */
export function createFindings() {
  const list = make('div', {class: 'list', role: 'listbox', tabindex: 0, 'aria-label': tr('ui.findings.list'), onkeydown: stepInList});
  const axis = make('span', {class: 'soft', title: tr('ui.findings.axis_hint')}, tr('ui.findings.axis'));
  const pane = make('section', {class: 'findings', 'aria-label': tr('ui.findings.title')},
    make('div', {class: 'heads'}, make('h2', {}, tr('ui.findings.title')), axis),
    make('p', {class: 'doubt'}, tr('ui.findings.doubted')),
    list);
  const chips = make('div', {class: 'chips'});
  const leading = make('div', {class: 'leading', role: 'group', 'aria-label': tr('ui.findings.leading')}, chips);
  const pin = createPin();
  const place = () => { if (pin) narrow.matches ? leading.append(pin) : axis.before(pin); };
  place();
  narrow.addEventListener('change', place);
  on('findings', () => {
    showFindings(list, pane);
    refill(chips, chipsOf(current()?.seen ?? null), list);
  });
  on('mark', () => {
    mark(list);
    for (const chip of /** @type {Iterable<HTMLElement>} */ (chips.children)) chip.setAttribute('aria-pressed', isChosen(Number(chip.dataset.chip)));
  });
  on('tables', () => markBoxes(list));
  return {pane, leading};
}

/** @param {number} i */
const isChosen = i => String(i === state.chosen);

/** @param {Prediction | null} seen */
const chipsOf = seen => (seen?.ranked ?? []).slice(0, FIRST).map(i =>
  button(`${readable(seen?.labels[i] ?? '')} ${percent(seen?.probabilities[i] ?? NaN)}`, {class: 'chip', 'data-chip': i, 'aria-pressed': isChosen(i)}, () => pick(i)));

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
  const to = stepped(event, ranked.indexOf(state.chosen), ranked.length, ['ArrowUp', 'ArrowDown']);
  if (to !== null) pick(ranked[to]);
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
    'aria-selected': isChosen(i), 'aria-label': words, title: [words, aurocWords(labels[i])].filter(Boolean).join('\n'),
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
