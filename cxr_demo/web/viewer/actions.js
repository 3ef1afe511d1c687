// Actions of the visitor on films, models, findings and boxes, with their requests and updates.

/** @import {BuiltIn, Edges, Film, Result, Source} from './types.d.ts' */
import {labelOf, placed, readBoxTable, stem} from './boxtables.js';
import {forgetPictures} from './canvas.js';
import {decoded} from './csv.js';
import {isTable} from './folders.js';
import {asSent, corrected} from './geometry.js';
import {tr} from './i18n.js';
import {askPixels, forgetPixels} from './pixels.js';
import {foremost} from './predictions.js';
import {askFilm, askTrust, complete, leave, sendFile} from './requests.js';
import {keepFilms} from './session.js';
import {addBox, addFilm, adoptExample, awaitTable, chooseFinding, chooseNoFinding, chosenModel, correctFilm, current, filmRests, filmSent, filmWaits, forgetError, guess, guessing, isExample, keepModel, lookAtFilm, modelAnswered, note, openWith, pinFinding, publish, pullBox, removeFilms, requestMaps, setBoxes, setDrawing, setFailures, setModel, setNaming, setOthers, setPointer, setSpec, setTable, state, turnsOf, wantModel} from './store.js';
import {knownFindings, lessonOf} from './truth.js';
import {lookAfresh} from './viewport.js';

// ------------------------------------------------------------------ films

/** @param {Film} film @param {boolean} [afresh] show it as at first: with its own model, if it has one */
export function choose(film, afresh = film !== state.film) {
  leave();
  const another = film !== state.film;
  if (another && state.film) forget(state.film);
  lookAtFilm(film);
  if (another) lookAfresh();
  if (afresh) useModelOf(film);
  setPointer(null);
  const result = current();
  if (result) {
    forgetError(film);
    modelAnswered(state.model);
    settle(result);
    complete();
    askTrust();
  } else if (film.source) {  // a failed film is tried again: the cause may be over
    filmWaits(film);
    askFilm(film);
  }
  publish('film');
}

/** @param {Film} film */
function forget(film) {
  forgetPixels(film);
  forgetPictures(film);
}

/** Chooses the finding with which a film opens, once its prediction has arrived. @param {Result} result */
export function settle(result) {
  const {seen} = result;
  setSpec(seen.spec);
  const i = firstFinding(result);
  chooseFinding(i, seen.labels[i]);
  publish('findings');
  askPixels();  // at once if the view is already enlarged
}

/** The pinned finding, else the one that the film was last shown with, else a known one, else the foremost. @param {Result} result */
function firstFinding({film, seen}) {
  const known = knownFindings(film) ?? [];
  const wanted = [state.pinned, film.findings.get(state.model), seen.ranked.map(i => seen.labels[i]).find(label => known.includes(label))];
  return wanted.map(label => seen.labels.indexOf(label ?? '')).find(i => i >= 0) ?? foremost(seen);
}

/** Tells of files that were passed over, besides those told of before. @param {number} others */
function tellOthers(others) {
  if (!others) return;
  setOthers(state.others + others);
  publish('film');
}

/** Adds the films in an archive instead of it. @param {Film} archive @param {readonly string[]} members their paths in it @param {number} others files in it */
export function openArchive(archive, members, others) {
  if (!state.films.includes(archive)) return;  // the visitor removed it meanwhile
  const shown = archive === state.film;
  const told = state.others;
  const films = members.map(member => addFilm(nameOf(member), {.../** @type {Source} */ (archive.source), member}));
  removeFilms(film => film === archive);
  if (shown) choose(films[0]);
  setOthers(told);  // of the folder that the archive lay in
  tellOthers(others);
  publish('films');
}

/** @param {string} path in an archive */
const nameOf = path => path.slice(path.lastIndexOf('/') + 1);

/** @param {import('./folders.js').Dropped} dropped films, archives and tables of boxes, and how many other files a folder holds */
export async function addDropped({files, others}) {
  const tables = files.filter(isTable);
  for (const table of tables) readBoxes(table.name, decoded(await table.arrayBuffer()));
  const added = files.filter(file => !tables.includes(file)).map(file => ({file, film: addFilm(file.name, null)}));
  if (added.length) choose(added[0].film);
  tellOthers(others);
  for (const {file, film} of added) {
    await sendOne(file, film);
    if (film === state.film) choose(film); else filmRests(film);
    publish('films');
  }
}

/** @param {File} file @param {Film} film */
async function sendOne(file, film) {
  try {
    filmSent(film, {kind: 'file', path: await sendFile(file), name: file.name});
  } catch {
    dropFilm(film, file.size > state.page.megabytes * 2 ** 20
      ? tr('ui.films.too_large', {name: file.name, n: state.page.megabytes})
      : tr('ui.films.could_not_send', {name: file.name}));
  }
}

/** @param {Source['kind']} kind @param {BuiltIn} item @param {string | null} [finding] with which it opens */
export function addBuiltIn(kind, item, finding = null) {
  const known = state.films.find(film => film.source?.kind === kind && film.source.key === item.key);
  const film = known ?? addFilm(item.title, {kind, key: item.key}, {boxes: [...(item.boxes ?? [])]});
  if (finding !== null) openWith(film, item.model?.name ?? chosenModel(), finding);
  choose(film, true);
}

/** @param {BuiltIn} item a failure case @param {string | null} [finding] with which it opens */
export function addLesson(item, finding = null) {
  addBuiltIn('lesson', {...item, title: nameOfLesson(item)}, finding);
}

/** @param {BuiltIn} item */
const nameOfLesson = item => tr('ui.films.failure_case', {method: item.title});

/** @param {Source} source @returns the name of a film that comes with the page, in the visitor's language; null for a file */
export function builtInName({kind, key}) {
  const {phantoms, examples, lessons} = state.page;
  /** @type {Partial<Record<Source['kind'], readonly BuiltIn[]>>} */
  const lists = {phantom: phantoms, example: examples, lesson: lessons};
  const item = lists[kind]?.find(one => one.key === key);
  if (!item) return null;
  return kind === 'lesson' ? nameOfLesson(item) : item.title;
}

/** Removes the current film from the list. */
export function removeFilm() {
  const film = state.film;
  if (!film) return;
  leave();
  const at = state.films.indexOf(film);
  removeFilms(one => one === film);
  chooseOrNone(state.films[Math.min(at, state.films.length - 1)]);
}

/**
 * Removes a file that cannot be sent or read; its successor, or the film that was in view before it, takes its place.
 * @param {Film} film @param {string} reason
 */
export function dropFilm(film, reason) {
  const at = state.films.indexOf(film);
  if (at < 0) return;  // the visitor removed it meanwhile
  const failures = [...state.failures, reason.includes(film.name) ? reason : `${film.name}: ${reason}`];
  removeFilms(one => one === film);
  if (film === state.film) chooseOrNone([state.films[at], state.filmBefore, state.films[at - 1]].find(one => one && state.films.includes(one)));
  setFailures(failures);
  publish('film');
}

/** @param {Film | null} [film] none for the page without a film */
function chooseOrNone(film) {
  if (film) return choose(film);
  lookAtFilm(null);
  publish('findings');
  publish('film');
}

/** @param {Film} film @param {string | null} correction to show it with; null for the film as uploaded @param {Edges | null} [part] that it keeps */
export function correct(film, correction, part = null) {
  leave();
  const {correction: before = '', part: kept} = film.source ?? {};
  correctFilm(film, correction, part, film.boxes.map(box =>
    ({...box, edges: corrected(asSent(box.edges, turnsOf(before), kept), turnsOf(correction ?? ''), part ?? undefined)})));
  forget(film);
  choose(film);
  lookAfresh();
}

/** @param {Film} film that does not look like a chest film, and is explained nevertheless */
export function explainAnyway(film) {
  requestMaps(film);
  complete();
  publish('film');
}

// ------------------------------------------------------------------ models

/** @param {string} name */
export function chooseModel(name) {
  setNaming(0);  // an earlier request for a model of the Hub is obsolete
  wantModel(null);
  note('model', '');
  leave();
  adoptExample();
  setModel(name);
  publish('naming');
  for (const film of state.films) if (film.source) forgetError(film);  // the error came from the other model
  if (state.film) choose(state.film); else askFilm(null);
  forgetFinding();
}

/** Returns to the last model that answered, because another is unavailable. @param {string} why */
export function returnToModel(why) {
  if (state.film) filmRests(state.film);
  chooseModel(state.modelThatAnswers);
  publish('model');
  note('model', why);
}

/** Switches to a failure case's own model; other films return to the model chosen before. @param {Film} film */
function useModelOf(film) {
  keepModel(chosenModel());
  setModel(lessonOf(film)?.model.name ?? state.modelBefore);
  publish('model');
  forgetFinding();
}

function forgetFinding() {
  if (current()) return;
  chooseNoFinding();
  publish('findings');
}

// ------------------------------------------------------------------ findings

/** @param {number} i the finding that the visitor chose; a pin follows it */
export function pick(i) {
  const seen = current()?.seen;
  if (!seen) return;
  chooseFinding(i, seen.labels[i]);
  if (state.pinned !== null) pinFinding(seen.labels[i]);
  keepFilms();
  for (const topic of /** @type {const} */ (['mark', 'draw', 'trust', 'grid'])) publish(topic);
}

// ------------------------------------------------------------------ boxes

/** @param {boolean} is whether a box is being drawn */
export function drawing(is) {
  setDrawing(is);
  note('box', is ? tr('ui.films.draw_hint') : '');
  publish('boxes');
  publish('draw');
}

/** @param {Edges} edges as drawn */
export function finishBox(edges) {
  pullBox(null, null);
  const film = state.film;
  // a click draws no box
  if (film && edges[2] - edges[0] > 0.01 && edges[3] - edges[1] > 0.01) {
    drawing(false);
    if (guessing()) {
      guess(film, {edges});
      publish('quiz');
    } else {
      addBox(film, {label: state.label, edges});
      keepFilms();
      askTrust(true);
    }
  }
  publish('draw');
}

export function clearBoxes() {
  if (!state.film) return;
  setBoxes(state.film, state.film.boxes.filter(box => box.label !== state.label));
  keepFilms();
  publish('draw');
  askTrust(true);
}

/** @param {string} name of a table dropped with the films @param {string} text */
export function readBoxes(name, text) {
  const {read, wrong, known} = readBoxTable(name, text);
  const table = new Map(state.table);
  for (const [key, boxes] of read) table.set(key, [...(table.get(key) ?? []).filter(box => box.from !== name), ...boxes]);
  setTable(table);
  const found = [...read.values()].flat();
  const here = state.films.some(film => read.has(stem(film.name)));
  const others = found.filter(box => !state.spec.labels.includes(labelOf(box.label))).length;
  const words = [
    found.length ? tr('ui.films.boxes_read', {n: found.length, name}) : '',
    wrong ? tr('ui.films.boxes_wrong', {n: wrong, name}) : '',
    !known ? tr('ui.films.boxes_unknown', {name}) : !found.length && !wrong ? tr('ui.films.boxes_none', {name}) : '',
    others ? tr('ui.films.boxes_other_findings', {n: others}) : ''].filter(Boolean).join(' ');
  const waits = found.length > 0 && !here;
  awaitTable(waits ? {words, stems: new Set(read.keys())} : null);
  note('box', waits ? `${words} ${tr('ui.films.boxes_no_film')}` : words);
  for (const film of state.films) for (const result of film.results.values()) giveBoxes(result);
  if (current() && !isExample()) { publish('draw'); askTrust(true); }
}

/** Adds a table's boxes to a film once its size is known; the visitor's own boxes stay. @param {Result} result */
export function giveBoxes({film, seen}) {
  const key = stem(film.name);
  const known = state.table.get(key) ?? [];
  const {inside, beside} = placed(known, seen.film, turnsOf(film.source?.correction ?? ''), film.source?.part);
  if (state.awaited?.stems.has(key)) {
    note('box', state.awaited.words);
    awaitTable(null);
  }
  if (known.length) setBoxes(film, [...film.boxes.filter(box => !box.given), ...inside]);
  if (beside && !film.source?.part) note('box', tr('ui.films.boxes_beside', {n: beside, name: film.name}));
  keepFilms();
}
