// How far a method's map can be trusted: a verdict, and how well the map predicts the score.

/** @import {Method, MethodTrust, Result} from './types.d.ts' */
import {make, setText} from './dom.js';
import {readable, say, tr} from './i18n.js';
import {figure} from './numbers.js';
import {state} from './store.js';

/**
 * @param {Method} method @param {Result} result @param {number} i a finding
 * @returns the verdict's key, its sentence for the card and all its sentences, whether the map stays when the weights are
 *   permuted, and the scores; null until the current map has been measured
 */
export function reliabilityOf({key}, {entries, scramble, trust}, i) {
  const found = trust?.methods?.[key];
  if (!found || !trust.about.split(' ').includes(`${key}:${entries.get(key)?.run}`)) return null;
  const stays = (scramble?.maps.get(key)?.kept?.[i] ?? NaN) >= state.page.stays;
  const also = stays ? [tr('ui.cards.stays')] : [];
  return {key: found.verdict[i], stays, ...scoresOf(found, i),
    short: (stays ? also : [say(found.short[i])]).join(' '), full: [...found.says[i].map(say), ...also].join(' ')};
}

/** Scores with the covers that test a finding best. @param {MethodTrust} found @param {number} i */
export function scoresOf({cover, covers}, i) {
  const {faithfulness, faithfulness_of_lungs: lungs, faithfulness_limit: limit} = covers[cover[i]];
  return {score: faithfulness[i], lungs: lungs[i], limit: limit[i]};
}

/** @returns a bar from 0 to 1 with the band of chance and the lungs' mark, and a function that shows a score on it */
export function createMeter() {
  const [band, bar, mark] = ['band', 'bar', 'mark'].map(name => make('i', {class: name}));
  const scale = make('span', {class: 'meter', role: 'img'}, band, bar, mark);
  const value = make('b'), lungs = make('small');
  const node = make('div', {class: 'predicts', hidden: true}, make('span', {}, tr('ui.cards.predicts')), scale, value,
    lungs);
  /** @param {Method} method @param {ReturnType<typeof scoresOf> | null} scores */
  const show = (method, scores) => {
    node.hidden = scores?.score === null || scores?.score === undefined;
    if (!scores || node.hidden) return;
    const wide = (/** @type {number | null} */ score) => `${100 * Math.max(0, score ?? 0)}%`;
    band.style.width = wide(scores.limit);
    bar.style.width = wide(scores.score);
    mark.style.left = wide(scores.lungs);
    setText(value, figure(scores.score));
    setText(lungs, scores.lungs === null ? '' : tr('ui.cards.lungs', {value: figure(scores.lungs)}));
    const words = tr('ui.cards.predicts_of', {method: method.title, finding: readable(state.label),
      value: figure(scores.score), lungs: figure(scores.lungs), limit: figure(scores.limit)});
    scale.setAttribute('aria-label', words);
    node.title = words;
  };
  return {node, show};
}
