// Formats numbers with the language's decimal sign.

import {point, tr} from './i18n.js';

/** @param {number} value @param {number} digits */
export const fixed = (value, digits) => value.toFixed(digits).replace('.', point());

/** @param {number} p a probability */
export const percent = p => `${fixed(100 * p, p < 0.0995 ? 1 : 0)} %`;

/** @param {number} value @param {number} [reference] value that decides the number of digits */
export function signed(value, reference = Math.abs(value)) {
  const digits = reference >= 10 ? 1 : reference >= 1 ? 2 : reference >= 0.1 ? 3 : 4;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? '0' : (value > 0 ? '+' : '\u2212') + text.replace('.', point());
}

/** @param {number} points of a percentage, whole */
export const signedWhole = points => points === 0 ? '0' : `${points > 0 ? '+' : '\u2212'}${Math.abs(points).toFixed(0)}`;

/** @param {number | null | undefined} value @param {number} [digits] @returns the measure, or a dash if it is missing */
export const figure = (value, digits = 2) => value === null || value === undefined ? '\u2013'
  : fixed(Number(value.toFixed(digits)) || 0, digits).replace('-', '\u2212');

/** @param {number | null | undefined} value @returns a share in percent */
export const share = value => value === null || value === undefined ? '\u2013' : `${figure(100 * value, 0)} %`;

/** @param {number} seconds */
export const lasting = seconds =>
  seconds >= 90 ? tr('ui.common.minutes', {n: Math.round(seconds / 60)}) : `${Math.max(1, Math.round(seconds))} s`;

/** @param {string} text */
export const sentenceCase = text => text[0].toUpperCase() + text.slice(1);

/**
 * Names without the beginning that all of them share, so that a narrow place shows where they differ.
 * @param {readonly string[]} names
 */
export function distinct(names) {
  const [first = '', ...others] = names;
  let shared = 0;
  while (others.length && shared < first.length && others.every(name => name[shared] === first[shared])) shared += 1;
  // a short beginning stays readable, and equal names stay whole
  return shared > 5 && shared < Math.min(...names.map(name => name.length)) ? names.map(name => `\u2026${name.slice(shared)}`) : names;
}
