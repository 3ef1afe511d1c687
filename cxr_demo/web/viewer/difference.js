// The difference of two findings' maps: why one finding rather than another.

/** @import {Maps, Method} from './types.d.ts' */
import {make} from './dom.js';
import {readable, tr} from './i18n.js';
import {lessOf} from './maps.js';
import {NONE, current, entryOf, on, publish, setOther, shown, state} from './store.js';

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
      ...others.map(label => make('option', {value: label}, tr('ui.difference.than', {other: readable(label)}))));
    list.value = otherIndex() === NONE ? '' : state.other ?? '';
    name();
    list.disabled = state.chosen === NONE || !others.length;
  };
  for (const topic of /** @type {const} */ (['findings', 'mark', 'spec'])) on(topic, offer);
  offer();
  return list;
}

/** Index of the second finding; NONE without one, or if the model lacks it. */
function otherIndex() {
  if (state.other === null || state.chosen === NONE || state.other === state.label) return NONE;
  return (current()?.seen ?? state.spec).labels.indexOf(state.other);
}

export const isDifference = () => otherIndex() !== NONE;

/** The name of what the maps show: the chosen finding, or it rather than another. */
export const findingShown = () => isDifference()
  ? tr('ui.difference.pair', {finding: readable(state.label), other: readable(state.other ?? '')}) : readable(state.label);

/**
 * A method's maps for display: with a second finding, the chosen one's map less the other's; null if the method only ranks,
 * since its maps have no unit in common.
 * @param {Method} method @returns {Maps | null}
 */
export function mapsOf(method) {
  const maps = entryOf(method)?.maps ?? null;
  const j = otherIndex();
  if (!maps || j === NONE) return maps;
  return method.comparable ? lessOther(maps, state.chosen, j) : null;
}

/** @type {WeakMap<Maps, Map<string, Maps>>} */
const kept = new WeakMap();

/** Maps whose finding i is that of `maps` less its finding j; without dots, since the error of a difference is unknown. @param {Maps} maps @param {number} i @param {number} j */
function lessOther(maps, i, j) {
  const known = kept.get(maps) ?? new Map();
  kept.set(maps, known);
  const key = `${i} ${j}`;
  if (!known.has(key)) known.set(key, difference(maps, i, j));
  return /** @type {Maps} */ (known.get(key));
}

/** @param {Maps} maps @param {number} i @param {number} j @returns {Maps} */
export function difference(maps, i, j) {
  const less = lessOf(maps, i, maps, j);
  const planes = maps.planes.slice();
  planes.set(less.planes, i * maps.side ** 2);
  return {...maps, planes, scale: maps.scale.with(i, less.scale[0]), limit: maps.limit.with(i, less.limit[0]), unsure: null};
}
