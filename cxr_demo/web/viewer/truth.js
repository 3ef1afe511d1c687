// Known truth of a film: the findings planted in a phantom, or the boxes of a table.

/** @import {Edges, Film, Lesson, Phantom, Result} from './types.d.ts' */
import {present} from './dom.js';
import {NONE, state} from './store.js';

/** @param {Film} film @returns {Phantom | null} */
export const plantedIn = film =>
  film.source?.kind === 'phantom' ? state.page.phantoms.find(item => item.key === film.source?.key) ?? null : null;

/** @param {Film} film @returns {Lesson | null} its failure case */
export const lessonOf = film =>
  film.source?.kind === 'lesson' ? state.page.lessons.find(item => item.key === film.source?.key) ?? null : null;

/** @param {Film} film @param {string} label @returns {Edges[]} where this finding is planted, if it is */
export function plantedEdges(film, label) {
  const planted = plantedIn(film);
  return planted?.edges && planted.finding === label ? [planted.edges] : [];
}

/** @param {Film} film */
const givenBoxes = film => film.boxes.filter(box => box.given);

/** @param {string} label @returns boxes of a finding on the current film */
export const boxesOf = label => state.film?.boxes.filter(box => box.label === label) ?? [];

/** @param {Film} film @returns {string[] | null} its true findings; null if unknown */
export function knownFindings(film) {
  const planted = plantedIn(film);
  if (planted) return [planted.finding].filter(present);
  const given = givenBoxes(film).map(box => box.label);
  return given.length ? [...new Set(given)] : null;
}

/** @param {Result} result @param {number} finding guessed */
export function isRight({film, seen}, finding) {
  const known = knownFindings(film) ?? [];
  return finding === NONE ? !known.length : known.includes(seen.labels[finding]);
}

/** @param {Film} film @returns {Edges[]} the true places of all findings */
export const truthEdges = film => [plantedIn(film)?.edges, ...givenBoxes(film).map(box => box.edges)].filter(present);

/** @param {Result} result @param {number} finding @returns {Edges[]} the finding's true places */
export function knownEdges({film, seen}, finding) {
  const planted = plantedIn(film);
  if (planted) return planted.edges ? [planted.edges] : [];
  return givenBoxes(film).filter(box => box.label === seen.labels[finding]).map(box => box.edges);
}
