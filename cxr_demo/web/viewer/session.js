// Stores the open films, and how maps are displayed, over a reload, until the tab is closed.

/** @import {Box, Source, State} from './types.d.ts' */
import {chosenModel, state, takesFilms} from './store.js';

const [FILMS, DISPLAY] = ['cxr-films', 'cxr-display'];

/** @typedef {{name: string, source: Source, boxes: Box[], findings: [string, string][]}} KeptFilm */
/** @typedef {{model: string, pinned: string | null, at: number, films: KeptFilm[]}} KeptFilms */
/** @typedef {{methods: string[], look: Pick<State, 'opacity' | 'scale' | 'side' | 'palette' | 'smooth'>}} KeptDisplay */

export function keepFilms() {
  const films = state.films.filter(film => film.source && (!film.error || film.results.size));
  keep(FILMS, {model: state.wanted ?? chosenModel(), pinned: state.pinned, at: films.findIndex(film => film === state.film),
    films: films.map(({name, source, boxes, findings}) => ({name, source, boxes, findings: [...findings]}))});
}

/** @returns {KeptFilms | null} null without films */
export function keptFilms() {
  /** @type {KeptFilms | null} */
  const found = kept(FILMS);
  return found?.films.length ? found : null;
}

/** Stores the visible methods and the look of their maps. */
export function keepDisplay() {
  const {on, opacity, scale, side, palette, smooth} = state;
  keep(DISPLAY, {methods: [...on], look: {opacity, scale, side, palette, smooth}});
}

/** @returns {KeptDisplay | null} */
export const keptDisplay = () => kept(DISPLAY);

/** @param {string} key @param {object} value; a report stores none */
function keep(key, value) {
  if (!takesFilms()) return;
  try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* a frame without storage */ }
}

/** @param {string} key @returns {any} null if nothing is stored */
function kept(key) {
  if (!takesFilms()) return null;
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}
