// How far a method's map can be trusted, in one sentence.

/** @import {Method, Result} from './types.d.ts' */
import {say, tr} from './i18n.js';
import {state} from './store.js';


/**
 * @param {Method} method @param {Result} result @param {number} i a finding
 * @returns the verdict's key and sentence; null until the current map has been measured
 */
export function reliabilityOf({key}, {entries, scramble, trust}, i) {
  const found = trust?.methods?.[key];
  if (!found || !trust.about.split(' ').includes(`${key}:${entries.get(key)?.run}`)) return null;
  const kept = scramble?.maps.get(key)?.kept?.[i] ?? NaN;
  const stays = kept >= state.page.stays ? tr('ui.cards.stays') : '';
  return {key: found.verdict[i], words: [say(found.says[i]), stays].filter(Boolean).join(' ')};
}
