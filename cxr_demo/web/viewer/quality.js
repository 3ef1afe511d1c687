// A method's own measures of its map: how well it fits the model, how sure its values are, and how nearly they add up.

/** @import {Progress} from './types.d.ts' */
import {tr} from './i18n.js';
import {fixed, percent} from './numbers.js';

/**
 * @param {Progress | null} entry @param {number} i a finding
 * @returns {{said: string, meaning: string}[]} the known measures in words, and a sentence that explains each
 */
export function measuresOf(entry, i) {
  const [fidelity, error, missing, expected] = [entry?.fidelity, entry?.error_share, entry?.missing, entry?.expected_sum]
    .map(all => all?.[i] ?? null);
  return [
    fidelity === null ? null : {said: tr('ui.quality.fidelity', {value: fixed(fidelity, 2)}), meaning: tr('ui.quality.fidelity_means')},
    error === null ? null : {said: tr('ui.quality.error', {share: percent(error)}), meaning: tr('ui.quality.error_means')},
    missing === null || expected === null ? null
      : {said: tr('ui.quality.missing', {value: fixed(Math.abs(missing), 2), whole: fixed(Math.abs(expected), 2)}), meaning: tr('ui.quality.missing_means')},
  ].filter(one => one !== null);
}
