// A film's full pixels and grey levels, fetched when the visitor zooms beyond the picture of the prediction.

/** @import {Answer, Film, Result} from './types.d.ts' */
/** @import {Level} from './greylevels.js' */
import {addressOf, make, penOf} from './dom.js';
import {halves, undone} from './greylevels.js';
import {say, tr} from './i18n.js';
import {inflated} from './maps.js';
import {about, ask} from './requests.js';
import {current, drawSoon, nextRun, note, setPixels, state} from './store.js';

/** @type {WeakMap<Film, Level[]>} */
const levels = new WeakMap();

/** A film's levels: of the prediction's picture until the full pixels have arrived. @param {Result} result @returns {Level[]} finest first */
export function levelsOf({film, image}) {
  const known = levels.get(film);
  if (known) return known;
  const {width, height} = image;
  const pen = penOf(make('canvas', {width, height}), {willReadFrequently: true});
  pen.drawImage(image, 0, 0);
  const {data} = pen.getImageData(0, 0, width, height);
  const found = halves(width, height, Uint16Array.from({length: width * height}, (_, k) => 257 * data[4 * k]));
  levels.set(film, found);
  return found;
}

/** @param {Result} result @returns the displayed pixels: all (done), or the prediction's picture, before (copy) and during the fetch */
export const pixelState = ({film, seen}) =>
  !seen.film.deeper || film.pixels?.done ? 'done' : film.pixels ? 'running' : 'copy';

/** Requests the full pixels if the view needs them. */
export function askPixels() {
  const {low, high} = state.window;
  if (state.view.zoom > 1 || low > 0 || high < 1) wholeFilm();
}

/** Requests the full pixels once; resolves when they have arrived or failed. */
export async function wholeFilm() {
  const result = current();
  if (!result?.seen.film.deeper) return;
  const {film} = result;
  if (!film.pixels) {
    const run = nextRun();
    let end = () => {};
    const ended = new Promise(/** @param {(value: void) => void} resolve */ resolve => { end = resolve; });
    setPixels(film, {run, done: false, ended, end});
    ask('pixels', about(run));
  }
  await film.pixels?.ended;
}

/** @param {Answer} answer */
export async function heardPixels({run, path, error}) {
  const film = [state.film, ...state.films].find(one => one?.pixels?.run === run);
  if (!film) return;
  const found = path ? await fetched(path) : null;
  const fetching = film.pixels;
  if (!fetching || fetching.run !== run) return;
  if (!found) return noPixels(film, error ? say(error) : tr('ui.films.pixels_failed'));
  const [{seen: {film: {width, height}}}] = film.results.values();
  levels.set(film, halves(width, height, undone(found, width, height)));
  setPixels(film, {...fetching, done: true});
  fetching.end();
  drawSoon();
}

/** @param {string} path @returns null if the request fails */
async function fetched(path) {
  try {
    const answer = await fetch(addressOf(path));
    return answer.ok ? new Uint8Array(await inflated(await answer.arrayBuffer())) : null;
  } catch {
    return null;
  }
}

/** Reports a failure; the next view that needs the pixels requests them again. @param {Film} film @param {string} words */
export function noPixels(film, words) {
  film.pixels?.end();
  setPixels(film, null);
  note('look', words);
}

/** Drops a film's full pixels, which take tens of megabytes. @param {Film} film */
export function forgetPixels(film) {
  levels.delete(film);
  setPixels(film, null);
}
