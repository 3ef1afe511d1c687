// Stores the open films over a reload, until the tab is closed.

/** @import {Box, Source} from './types.d.ts' */
import {chosenModel, state, takesFilms} from './store.js';

const KEY = 'cxr-films';

/** @typedef {{name: string, source: Source, boxes: Box[], findings: [string, string][]}} KeptFilm */
/** @typedef {{model: string, pinned: string | null, at: number, films: KeptFilm[]}} Kept */

export function keepFilms() {
  if (!takesFilms()) return;
  const films = state.films.filter(film => film.source && (!film.error || film.results.size));
  const kept = {model: state.wanted ?? chosenModel(), pinned: state.pinned, at: films.findIndex(film => film === state.film),
    films: films.map(({name, source, boxes, findings}) => ({name, source, boxes, findings: [...findings]}))};
  try { sessionStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* a frame without storage */ }
}

/** @returns {Kept | null} */
export function keptFilms() {
  if (!takesFilms()) return null;
  try {
    /** @type {Kept | null} */
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    return kept?.films.length ? kept : null;
  } catch {
    return null;
  }
}
