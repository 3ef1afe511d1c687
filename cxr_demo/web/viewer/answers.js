// Handling of the server's answers. Answers to obsolete requests are ignored.

/** @import {Answer, Entry, Film, Method, Prediction, Result} from './types.d.ts' */
import {dropFilm, giveBoxes, openArchive, returnToModel, settle} from './actions.js';
import {thumbnail} from './canvas.js';
import {endPacking, heardExport, heardPacked} from './export.js';
import {heardJob} from './gridruns.js';
import {say} from './i18n.js';
import {unpacked} from './maps.js';
import {heardNamed} from './models.js';
import {heardPixels, noPixels} from './pixels.js';
import {askTrust, complete, heardServer, refusePart} from './requests.js';
import {addResult, answeredTurn, changeEntry, current, entryOf, filmFailed, filmRests, forgetError, giveThumb, isBusy, methodOf, modelAnswered, publish, refuseAsked, setEntry, setSpec, state} from './store.js';
import {heardScramble} from './scramble.js';
import {heardTrust} from './trust.js';

/** @param {string} channel the DOM event that carries answers @param {import('./models.js').Form} form of models of the Hub */
export function listen(channel, form) {
  /** @type {Readonly<Record<string, (answer: Answer) => unknown>>} */
  const heard = {trust: heardTrust, scramble: heardScramble, estimate: answer => publish('estimate', answer), pixels: heardPixels,
    export: heardExport, bundle: heardPacked, named: answer => heardNamed(form, answer)};
  document.addEventListener(channel, event => {
    /** @type {Answer | null} */
    const answer = /** @type {CustomEvent} */ (event).detail;
    if (!answer) return;
    heardServer();
    if (answer.failed) heardFailure(answer.failed, form);
    else if (answer.event && heard[answer.event]) heard[answer.event](answer);
    else if (answer.method) heardMethod(answer);
    else heardFilm(/** @type {Answer & Prediction} */ (answer));
  });
}

/** @param {Answer & Prediction} answer */
async function heardFilm(answer) {
  const {film = null, model = '', source = null} = answeredTurn(answer.turn ?? 0) ?? {};
  if (film && film !== state.film) filmRests(film);
  if (model !== state.model || source !== (film?.source ?? null) || film?.results.has(model)) return;
  if (answer.error && answer.model && model !== state.modelThatAnswers) return returnToModel(say(answer.error));
  if (!answer.error) modelAnswered(model);
  if (answer.spec && film === state.film) setSpec(answer.spec);
  if (!film) return;
  if (answer.members?.length) return openArchive(film, answer.members, answer.others ?? 0);
  if (answer.error && answer.unreadable && source?.kind === 'file') return dropFilm(film, say(answer.error));
  if (answer.error) filmFailed(film, say(answer.error));
  else {
    filmRests(film);
    forgetError(film);
    const image = new Image();
    image.src = answer.film.png;
    await image.decode();
    if (source !== film.source || film.results.has(model)) return;  // the film was corrected meanwhile
    show(film, model, answer, image);
  }
  publish(film === state.film ? 'film' : 'films');
}

/** @param {Film} film @param {string} model @param {Prediction} answer @param {HTMLImageElement} image */
function show(film, model, answer, image) {
  const result = addResult(film, model, answer, image);
  giveBoxes(result);
  if (!film.thumb) giveThumb(film, thumbnail(image));
  if (film !== state.film || model !== state.model) return;
  settle(result);
  complete();
}

/** @param {Answer} answer */
async function heardMethod(answer) {
  if (state.grid.job?.run === answer.run) return heardJob(answer);
  const method = methodOf(answer.method ?? '');
  const result = current();
  const entry = method && entryOf(method);
  if (!result || !entry || entry.run !== answer.run || entry.state === 'done') return;
  const maps = answer.maps ? await unpacked(answer.maps) : null;
  if (result !== current() || entryOf(method) !== entry || (entry.at ?? 0) > (answer.at ?? Infinity)) return;
  if ((answer.error || answer.stopped) && entry.before) return keepBefore(result, method, entry.before, answer);
  const progress = progressOf(entry, answer);
  changeEntry(entry, {...progress, maps: maps ?? entry.maps});
  if (progress.state !== 'running') return ended(method);
  publish('card', method);
  if (maps) publish('cards');
}

/** @param {Method} method whose run has ended */
function ended(method) {
  publish('card', method);
  // one card's new maximum changes the common scale, and how faint the other maps look
  publish('cards');
  askTrust();
  publish('grid');
  publish('quiz');
}

/**
 * Returns to the finished map of a method's earlier run when a later run ends without one.
 * @param {Result} result @param {Method} method @param {Entry} before @param {Pick<Answer, 'error' | 'stopped'>} why
 */
function keepBefore(result, method, before, {error, stopped}) {
  setEntry(result, method, {...before, error: error ?? null, stopped: stopped ?? null});
  ended(method);
}

/** @param {Entry} entry @param {Answer} answer @returns {Partial<Entry>} */
function progressOf(entry, {maps: _packed, ...answer}) {
  const next = answer.error || answer.stopped ? 'stopped' : answer.complete ? 'done' : entry.state;
  const done = answer.steps?.[0] ?? 0;
  const latest = done > (entry.latest?.done ?? 0) ? {at: performance.now(), done} : entry.latest;
  const since = entry.since ?? latest;
  // unpacking a map takes time, so that a later answer without one may overtake it
  const why = next === 'stopped' ? {stopped: answer.stopped ?? entry.stopped, error: answer.error ?? entry.error} : {};
  const before = next === 'done' ? null : entry.before;  // drop the earlier entry, or each run would keep all before it
  return {ahead: null, ...answer, ...why, since, latest, before, state: next};
}

/** Reports an event that Gradio refused, e.g. because its queue is full; no answer follows. @param {string} failed @param {import('./models.js').Form} form */
function heardFailure(failed, form) {
  const error = state.page.refused;
  const method = methodOf(failed);
  const entry = method && entryOf(method);
  const {job} = state.grid;
  const part = failed === 'export' ? current()?.exporting : failed === 'trust' || failed === 'scramble' ? current()?.[failed] : null;
  if (job && job.method === method && !isBusy(entry)) heardJob({run: job.run, error});
  else if (entry) {
    const result = current();
    if (result && entry.before) return keepBefore(result, method, entry.before, {error});
    changeEntry(entry, {state: 'stopped', error});
    ended(method);
  } else if (failed === 'film') {
    refuseAsked(say(error));
    publish('film');
  } else if (failed === 'named') heardNamed(form, {run: state.naming, error});
  else if (failed === 'pixels') {
    if (state.film) noPixels(state.film, say(error));
  } else if (['export', 'bundle'].includes(failed) && state.packing.run !== null) endPacking(say(error));
  else if (part) {
    refusePart(part, error);
    publish('trust');
    publish('export');
  }
}
