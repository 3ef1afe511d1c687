// Exports all results of one film, or of all films in turn, as a zip.

/** @import {Answer} from './types.d.ts' */
import {addressOf, button, follow, make, setDisabled, setText} from './dom.js';
import {say, tr} from './i18n.js';
import {waiting} from './progress.js';
import {about, ask, boxesTold} from './requests.js';
import {changePacking, changePart, current, entryOf, finished, nextRun, on, publish, resultOf, setExporting, settingsOf, shown, state} from './store.js';

// ------------------------------------------------------------------ all of a film

/** @returns the button, and the status line, which stays in sight */
export function createExport() {
  const save = button(tr('ui.export.save'), {class: 'quiet', id: 'cxr-save-all', disabled: true,
    title: tr('ui.export.save_hint')}, askExport);
  const status = make('span', {class: 'soft', role: 'status'});
  on('export', () => {
    setDisabled(save, state.packing.run !== null || current()?.exporting?.state === 'running' || !finished().length);
    setText(status, exportWords());
  });
  return {save, status};
}

/** Requests a zip of the current film with its prediction, maps and measures. */
function askExport() {
  const result = current();
  const done = finished();
  if (!result || !done.length) return;
  const run = nextRun();
  const without = shown().filter(method => !done.includes(method)).map(method => method.title);
  setExporting(result, {run, state: 'running', without: without.join(', ')});
  ask('export', {...about(run), finding: state.chosen, methods: done.map(method => method.key),
    settings: Object.fromEntries(done.map(method => [method.key, entryOf(method)?.settings])), boxes: boxesTold(result.film)});
  publish('export');
}

/** @param {Answer} answer */
export function heardExport(answer) {
  if (answer.run === state.packing.run) return heardPacked(answer);
  const exporting = current()?.exporting;
  if (exporting?.run !== answer.run || exporting?.state !== 'running') return;
  changePart(exporting, {ahead: answer.ahead, wait: answer.wait});
  if (answer.path) {
    changePart(exporting, {state: 'done'});
    follow(addressOf(answer.path), answer.name ?? '');
  } else if (answer.error || answer.stopped) changePart(exporting, {state: 'stopped', error: answer.error ?? answer.stopped});
  publish('export');
}

function exportWords() {
  const exporting = current()?.exporting;
  if (!exporting) return '';
  if (exporting.error) return say(exporting.error);
  if (exporting.state === 'running') return waiting(exporting) ?? tr('ui.export.packing');
  return exporting.without ? tr('ui.export.saved_without', {methods: exporting.without}) : '';
}

// ------------------------------------------------------------------ all of all films

/** Requests a zip per film with the visible methods, then packs them into one. */
export function createPacking() {
  const save = button(tr('ui.export.save_films'), {class: 'quiet', id: 'cxr-save-films',
    title: tr('ui.export.save_films_hint')}, packFilms);
  const stop = button(tr('ui.common.stop'), {class: 'stop', disabled: true, 'aria-label': tr('ui.export.stop_saving')}, () => {
    ask('stop', {method: 'export', run: state.packing.run});
    endPacking(tr('error.stopped.on_request'));
  });
  const status = make('span', {class: 'soft', role: 'status'});
  on('packing', words => {
    setDisabled(save, state.packing.run !== null);
    setDisabled(stop, state.packing.run === null);
    setText(status, words);
    publish('export');
  });
  return [save, stop, status];
}

/** Starts the export of all films; it keeps the current model and settings, which the visitor may change meanwhile. */
function packFilms() {
  const question = {model: state.model, finding: state.spec.labels.indexOf(state.label), methods: shown().map(method => method.key),
    settings: Object.fromEntries(shown().map(method => [method.key, settingsOf(method)]))};
  const films = state.films.filter(film => film.source && (resultOf(film) || !film.error));
  changePacking({waiting: films.map(film => ({name: film.name, ask: {...question, source: film.source, boxes: boxesTold(film)}})), paths: [], failed: 0});
  packNext();
}

function packNext() {
  const run = nextRun();
  const [film = null, ...waits] = state.packing.waiting;
  changePacking({run, film, waiting: waits});
  const {paths} = state.packing;
  if (!film && !paths.length) return endPacking(tr('ui.export.none_saved'));
  if (film) ask('export', {run, ...film.ask});
  else ask('bundle', {run, paths});
  publish('packing', packing());
}

function packing() {
  const {film, paths, failed, waiting: waits} = state.packing;
  const done = paths.length + failed;
  return film ? tr('ui.export.progress', {name: film.name, done, n: done + waits.length + 1}) : tr('ui.export.packing');
}

/** @param {Answer} answer */
export function heardPacked(answer) {
  if (answer.run !== state.packing.run) return;
  const {film, paths, failed, waiting: waits} = state.packing;
  if (answer.path && film) changePacking({paths: [...paths, answer.path]});
  else if (answer.path) {
    follow(addressOf(answer.path), answer.name ?? '');
    return endPacking(failed ? tr('ui.export.some_failed', {n: failed}) : '');
  } else if (answer.stopped && film) changePacking({waiting: [film, ...waits]});  // opening another film ended this run, so it is queued again
  else if (answer.error && film) changePacking({failed: failed + 1});
  else if (answer.error) return endPacking(say(answer.error));
  else return publish('packing', waiting(answer) ?? packing());
  packNext();
}

/** @param {string} words */
export function endPacking(words) {
  changePacking({run: null, film: null, waiting: []});
  publish('packing', words);
}
