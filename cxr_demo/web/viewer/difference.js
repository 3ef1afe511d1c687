// The difference of two findings' maps: why one finding rather than another.

/** @import {Maps, Method} from './types.d.ts' */
import {make} from './dom.js';
import {readable, tr} from './i18n.js';
import {lessWeighted} from './maps.js';
import {NONE, current, entryOf, on, publish, setOther, shown, state} from './store.js';

/** In place of a second finding: all other classes of a softmax, which is no name of one. */
const OTHERS = '*';

/** @returns the list from which a visitor chooses the second finding */
export function createOther() {
  const list = make('select', {id: 'cxr-other', 'aria-label': tr('ui.difference.title'), onchange: () => {
    setOther(list.value || null);
    name();
    for (const topic of /** @type {const} */ (['draw', 'trust'])) publish(topic);
    for (const method of shown()) publish('card', method);
  }});
  // the list is too narrow for its choice
  const name = () => { list.title = isDifference() ? findingShown() : tr('ui.difference.hint'); };
  const offer = () => {
    const {labels} = current()?.seen ?? state.spec;
    const others = labels.filter(label => label !== state.label);
    list.replaceChildren(make('option', {value: ''}, tr('ui.difference.opener')),
      ...hasOthers() ? [make('option', {value: OTHERS}, tr('ui.difference.than', {other: nameOf(OTHERS)}))] : [],
      ...others.map(label => make('option', {value: label}, tr('ui.difference.than', {other: readable(label)}))));
    list.value = isDifference() ? state.other ?? '' : '';
    name();
    list.disabled = state.chosen === NONE || !others.length;
  };
  for (const topic of /** @type {const} */ (['findings', 'mark', 'spec'])) on(topic, offer);
  offer();
  return list;
}

/** Whether the model's findings are classes of a softmax, of which there are more than two. */
const hasOthers = () => Boolean(current()?.seen.exclusive) && (current()?.seen.labels.length ?? 0) > 2;

/** The second finding, or OTHERS; null without one, or if the model lacks it. */
export function otherShown() {
  const {chosen, label, other} = state;
  if (other === null || chosen === NONE || other === label) return null;
  return (other === OTHERS ? hasOthers() : (current()?.seen ?? state.spec).labels.includes(other)) ? other : null;
}

export const isDifference = () => otherShown() !== null;

/** The second finding for people, and for the name of a file. @param {string} other */
export const nameOf = other => other === OTHERS ? tr('ui.difference.others') : readable(other);
/** @param {string} other */
export const slugOf = other => other === OTHERS ? 'the-others' : other;

/**
 * How much of each finding's map is taken off that of finding i: all of one, or of all others by their probabilities,
 * which explains log(p / (1 - p)) of a softmax to the first order.
 * @param {readonly string[]} labels @param {readonly number[]} probabilities @param {number} i @param {string} other
 */
export function weightsOf(labels, probabilities, i, other) {
  if (other !== OTHERS) return labels.map(label => Number(label === other));
  const theirs = probabilities.map((p, j) => j === i ? 0 : p);
  const sum = theirs.reduce((a, b) => a + b);
  return theirs.map(p => sum ? p / sum : 0);
}

/** The name of what the maps show: the chosen finding, or it rather than another. */
export const findingShown = () => isDifference()
  ? tr('ui.difference.pair', {finding: readable(state.label), other: nameOf(state.other ?? '')}) : readable(state.label);

/**
 * A method's maps for display: with a second finding, the chosen one's map less the other's; null if the method only ranks,
 * since its maps have no unit in common.
 * @param {Method} method @returns {Maps | null}
 */
export function mapsOf(method) {
  const maps = entryOf(method)?.maps ?? null;
  const [result, other] = [current(), otherShown()];
  if (!maps || other === null || !result) return maps;
  return method.comparable ? lessOther(maps, state.chosen, weightsOf(maps.labels, result.seen.probabilities, state.chosen, other)) : null;
}

/** @type {WeakMap<Maps, Map<string, Maps>>} */
const kept = new WeakMap();

/** Maps whose finding i is that of `maps` less the weighted sum; without dots, since the error of a difference is unknown. @param {Maps} maps @param {number} i @param {readonly number[]} weights */
function lessOther(maps, i, weights) {
  const known = kept.get(maps) ?? new Map();
  kept.set(maps, known);
  const key = `${i} ${weights}`;
  if (!known.has(key)) known.set(key, difference(maps, i, weights));
  return /** @type {Maps} */ (known.get(key));
}

/** @param {Maps} maps @param {number} i @param {readonly number[]} weights by finding @returns {Maps} */
export function difference(maps, i, weights) {
  const less = lessWeighted(maps, i, weights);
  const planes = maps.planes.slice();
  planes.set(less.planes, i * maps.side ** 2);
  return {...maps, planes, scale: maps.scale.with(i, less.scale[0]), limit: maps.limit.with(i, less.limit[0]), unsure: null};
}
