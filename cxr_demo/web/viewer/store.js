// The store: the page's data and the visitor's choices. Its types are read-only for other modules, which call the actions
// below and draw when a topic that they listen to is published.

/** @import {About, AwaitedTable, Box, Cell, Choice, Edges, Entry, Film, Grid, Guess, Job, Method, Packing, Place, Prediction, Question, Quiz, Result, Scramble, Settings, Source, Spec, State, Trust, View, Window} from './types.d.ts' */

/** A type with writable fields, for actions. @template T @typedef {{-readonly [K in keyof T]: T[K]}} Open */
/** @typedef {'draw' | 'cards' | 'card' | 'point' | 'film' | 'films' | 'findings' | 'mark' | 'spec' | 'model' | 'naming' | 'trust' | 'scramble' | 'grid' | 'grid-status' | 'quiz' | 'export' | 'packing' | 'view' | 'note' | 'cards-shown' | 'boxes' | 'estimate' | 'tables' | 'drawer' | 'look' | 'pin'} Topic */

/** No finding is chosen. */
export const NONE = -1;

/** @type {Grid} */
const EMPTY_GRID = {kind: 'findings', ran: null, film: null, source: null, model: null, columns: [], rows: [], cells: new Map(),
  jobs: [], job: null, findings: null, setting: null};

/** @type {State} The state, read-only for other modules. */
export const state = /** @type {State} */ ({});
const own = /** @type {Open<State>} */ (state);

/** @type {Map<Topic, ((subject?: any) => void)[]>} */
const listeners = new Map();

/** @param {About} page initial data of the server, in the visitor's language */
export function openStore(page) {
  Object.assign(own, /** @type {State} */ ({
    page, models: [...page.models], spec: page.spec,
    on: new Set(page.methods.filter(method => method.on).map(method => method.key)),
    settings: new Map(page.methods.map(method => [method.key, defaultsOf(method)])), estimating: new Map(),
    films: [], film: null, filmBefore: null, failures: [], others: 0, model: page.model, modelBefore: page.model, modelThatAnswers: page.model, wanted: null, naming: 0, turn: 0, run: 0, asked: new Map(),
    chosen: NONE, label: '', other: null, pinned: null, pointer: null,
    opacity: page.opacity, scale: 'own', side: 'both', palette: page.palettes[0].key, smooth: false, levels: [],
    view: {x: 0, y: 0, zoom: 1}, window: {low: 0, high: 1, inverted: false},
    drawing: false, corner: null, pulled: null, table: new Map(), awaited: null,
    order: {by: null, falling: true}, beside: null, wipe: {on: false, a: null, b: null, at: 0.5},
    grid: EMPTY_GRID, packing: {run: null, waiting: [], film: null, paths: [], failed: 0},
    quiz: {on: false, said: 0, named: 0, judged: 0, right: 0, marked: 0, met: 0},
    notes: {look: '', box: '', model: ''},
  }));
  listeners.clear();
}

/** @param {Method} method */
const defaultsOf = method => Object.fromEntries(method.settings.map(setting => [setting.name, setting.default]));

// ------------------------------------------------------------------ who draws when

/**
 * Listeners of a topic are called in the order in which they came.
 * @param {Topic} topic @param {(subject?: any) => void} listener
 */
export function on(topic, listener) {
  listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
}

/** @param {Topic} topic @param {unknown} [subject] the card's method, or the note's name */
export function publish(topic, subject) {
  for (const listener of listeners.get(topic) ?? []) listener(subject);
}

let soon = false;
/** Draws once before the next frame, however many calls there are. */
export function drawSoon() {
  if (soon) return;
  soon = true;
  requestAnimationFrame(() => { soon = false; publish('draw'); });
}

// ------------------------------------------------------------------ what follows from the state

/** @param {Film} film @returns {Result | null} the chosen model's answer for it */
export const resultOf = film => film.results.get(state.model) ?? null;
export const current = () => state.film && resultOf(state.film);
/** @param {Method} method @returns {Entry | null} its run on the current film */
export const entryOf = method => current()?.entries.get(method.key) ?? null;
/** Methods with a visible card. */
export const shown = () => state.page.methods.filter(method => state.on.has(method.key));
/** @param {Entry | null} entry */
export const isBusy = entry => entry?.state === 'running' || entry?.state === 'stopping';
export const finished = () => shown().filter(method => entryOf(method)?.state === 'done');
export const answered = () => state.films.filter(resultOf);
export const ticked = () => answered().filter(film => film.ticked);
/** @param {string} key */
export const methodOf = key => state.page.methods.find(method => method.key === key) ?? null;
/** @param {string} key */
export const titleOf = key => methodOf(key)?.title ?? key;
/** @param {Method} method @returns {Settings} the card's current values */
export const settingsOf = method => state.settings.get(method.key) ?? {};
/** @param {Film} film @param {number} i */
export const probabilityOf = (film, i) => resultOf(film)?.seen.probabilities[i] ?? NaN;
/** @param {string} name @returns the quarters by which a correction turns the film to the left */
export const turnsOf = name => state.page.turns[name] ?? 0;
export const takesFilms = () => state.page.signatures.length > 0;
/** Whether the current film's maps wait for the visitor's request, because it does not look like a chest film; those of a report exist already. */
export const waitsForRequest = () => takesFilms() && Boolean(current()?.seen.doubted) && !state.film?.explainAnyway;
/** Whether the current film is the page's example, which is in no list and answered from a record. */
export const isExample = () => Boolean(state.film?.source?.stored);
/** Whether a measurement of the current film is running. */
export const measuring = () => PARTS.filter(part => current()?.[part]?.state === 'running');
/** The visitor's chosen model, also while a failure case's model is in use. */
export const chosenModel = () =>
  state.page.lessons.some(item => item.model.name === state.model) ? state.modelBefore : state.model;
/** Whether answers are hidden while the visitor guesses, from the moment a film opens: its name may be its answer. */
export const guessing = () => state.quiz.on && Boolean(state.film) && !state.film?.error && !state.film?.guess?.revealed;

/** @type {readonly ('trust' | 'scramble' | 'exporting')[]} */
const PARTS = ['trust', 'scramble', 'exporting'];

// ------------------------------------------------------------------ actions: films

/** @param {string} name @param {Source | null} source @param {Partial<Film>} [more] @returns {Film} */
export const newFilm = (name, source, more = {}) => ({name, source, results: new Map(), error: null, busy: true, boxes: [], findings: new Map(), explainAnyway: false, guess: null, ticked: false,
    compared: false, thumb: null, pixels: null, ...more});

/** @param {string} name @param {Source | null} source @param {Partial<Film>} [more] @returns {Film} */
export function addFilm(name, source, more) {
  const film = newFilm(name, source, more);
  own.films = [...own.films, film];
  return film;
}

/** @param {Film} film @param {Partial<Film>} changes */
function changeFilm(film, changes) { Object.assign(film, changes); }

/** Makes the example a film of the list, of which only the prediction is known. */
export function adoptExample() {
  const {film} = own;
  if (!film?.source?.stored) return;
  const {stored: _stored, ...source} = film.source;
  changeFilm(film, {source});
  for (const result of film.results.values()) Object.assign(result, {entries: new Map(), trust: null});
  own.films = [...own.films, film];
}
/** @param {(film: Film) => boolean} unwanted */
export function removeFilms(unwanted) { own.films = own.films.filter(film => !unwanted(film)); }
/** @param {Film | null} film */
export function lookAtFilm(film) {
  if (film === own.film) return;
  if (own.film && own.films.includes(own.film)) own.filmBefore = own.film;
  own.film = film;
  own.failures = [];
  own.others = 0;
}
/** @param {readonly string[]} failures */
export function setFailures(failures) { own.failures = failures; }
/** @param {number} others files passed over, which are no films */
export function setOthers(others) { own.others = others; }
/** @param {Film} film @param {Source} source of the uploaded file */
export function filmSent(film, source) { changeFilm(film, {source}); }
/** @param {Film} film whose prediction was requested */
export function filmWaits(film) { changeFilm(film, {busy: true, error: null}); }
/** @param {Film} film that waits for no prediction */
export function filmRests(film) { changeFilm(film, {busy: false}); }
/** @param {Film} film @param {string} error */
export function filmFailed(film, error) { changeFilm(film, {busy: false, error}); }
/** @param {Film} film */
export function forgetError(film) { changeFilm(film, {error: null}); }
/** @param {Film} film whose maps the visitor requested although it does not look like a chest film */
export function requestMaps(film) { changeFilm(film, {explainAnyway: true}); }
/** @param {Film} film @param {HTMLCanvasElement} thumb */
export function giveThumb(film, thumb) { changeFilm(film, {thumb}); }
/** @param {Film} film @param {boolean} is */
export function tickFilm(film, is) { changeFilm(film, {ticked: is}); }
/** @param {Film} film @param {boolean} is */
export function compareFilm(film, is) { changeFilm(film, {compared: is}); }
/** @param {Film} film @param {readonly Box[]} boxes */
export function setBoxes(film, boxes) { changeFilm(film, {boxes}); }
/** @param {Film} film @param {Box} box */
export function addBox(film, box) { setBoxes(film, [...film.boxes, box]); }
/** @param {Film} film @param {Film['pixels']} pixels */
export function setPixels(film, pixels) { changeFilm(film, {pixels}); }
/** @param {Film} film @param {Partial<Guess>} said */
export function guess(film, said) { changeFilm(film, {guess: {finding: null, edges: null, revealed: false, ...film.guess, ...said}}); }

/**
 * Changes a film's correction, and drops its answers and findings, which belong to the earlier one.
 * @param {Film} film @param {string | null} correction @param {Edges | null} part that it keeps @param {readonly Box[]} boxes on the corrected film
 */
export function correctFilm(film, correction, part, boxes) {
  const source = film.source && {...film.source, correction: correction ?? undefined, part: part ?? undefined};
  changeFilm(film, {source, boxes, thumb: null, results: new Map(), findings: new Map()});
}

/** @param {Film} film @param {string} model @param {Prediction} seen @param {HTMLImageElement} image */
export function addResult(film, model, seen, image) {
  /** @type {Result} */
  const result = {film, seen, image, entries: new Map(), trust: null, scramble: null, exporting: null};
  changeFilm(film, {results: new Map(film.results).set(model, result)});
  return result;
}

/** @param {Question} question @returns its turn */
export function askedFor(question) {
  own.turn += 1;
  own.asked = new Map(own.asked).set(own.turn, question);
  return own.turn;
}

/** @param {number} turn @returns {Question | null} the request of this turn */
export function answeredTurn(turn) {
  const question = own.asked.get(turn) ?? null;
  own.asked = new Map([...own.asked].filter(([other]) => other !== turn));
  return question;
}

/** @param {string} error of all requested predictions, which will not arrive */
export function refuseAsked(error) {
  for (const {film} of own.asked.values()) if (film) filmFailed(film, error);
  own.asked = new Map();
}

// ------------------------------------------------------------------ actions: models and findings

/** @param {Spec} spec */
export function setSpec(spec) { own.spec = spec; publish('spec'); }
/** @param {string} name */
export function setModel(name) { own.model = name; }
/** @param {string} name of a model that has answered, to which the page returns if another is unavailable; not a failure case's */
export function modelAnswered(name) {
  if (!own.page.lessons.some(item => item.model.name === name)) own.modelThatAnswers = name;
}
/** @param {string} name the visitor's own choice while a failure case's model is in use */
export function keepModel(name) { own.modelBefore = name; }
/** @param {Choice} choice of the Hub, new to the page's list */
export function addModel(choice) { own.models = [...own.models, choice]; publish('model'); }
/** @param {string | null} name of the Hub, kept over a reload until another is chosen */
export function wantModel(name) { own.wanted = name; }
/** @param {number} run of the request for a model of the Hub; 0 for none */
export function setNaming(run) { own.naming = run; }
/** The film keeps it for its next showing with this model. @param {number} i @param {string} label */
export function chooseFinding(i, label) {
  own.chosen = i;
  own.label = label;
  if (own.film) openWith(own.film, own.model, label);
}
/** @param {Film} film @param {string} model @param {string} label of the finding with which it opens */
export function openWith(film, model, label) { changeFilm(film, {findings: new Map(film.findings).set(model, label)}); }
/** @param {string | null} label of the finding whose map is taken off the chosen one's; null for none */
export function setOther(label) { own.other = label; }
export function chooseNoFinding() { own.chosen = NONE; }
/** @param {string | null} label of the finding with which all films open; null for each film's own */
export function pinFinding(label) { own.pinned = label; publish('pin'); }

// ------------------------------------------------------------------ actions: runs

/** @returns the number of a new request */
export function nextRun() { own.run += 1; return own.run; }

/** @param {Method} method @param {boolean} is */
export function switchMethod(method, is) {
  const others = [...own.on].filter(key => key !== method.key);
  own.on = new Set(is ? [...others, method.key] : others);
}

/** @param {readonly string[]} keys of the visible methods */
export function showMethods(keys) { own.on = new Set(keys); }

/** @param {Method} method @param {string} name @param {Settings[string]} value */
export function setSetting(method, name, value) {
  own.settings = new Map(own.settings).set(method.key, {...settingsOf(method), [name]: value});
}

/** @param {Method} method @param {Settings} settings */
export function setSettings(method, settings) { own.settings = new Map(own.settings).set(method.key, settings); }
/** @param {Method} method @param {number} run */
export function setEstimating(method, run) { own.estimating = new Map(own.estimating).set(method.key, run); }

/** @param {Result} result @param {Method} method @param {Entry} entry */
export function setEntry(result, method, entry) {
  Object.assign(result, {entries: new Map(result.entries).set(method.key, entry)});
}

/** @param {Entry} entry @param {Partial<Entry>} changes */
export function changeEntry(entry, changes) { Object.assign(entry, changes); }

/** @param {Result} result whose unfinished runs are dropped: earlier finished maps return, others are requested again on return */
export function dropUnfinished(result) {
  /** @type {[string, Entry][]} */
  let off = [...result.entries].map(([key, entry]) => [key, isBusy(entry) && entry.before ? entry.before : entry]);
  off = off.filter(([key, entry]) => entry.state === 'done' || !own.on.has(key));
  Object.assign(result, {entries: new Map(off), ...Object.fromEntries(PARTS.filter(part => result[part]?.state === 'running').map(part => [part, null]))});
}

/** @param {Result} result @param {Trust | null} trust */
export function setTrust(result, trust) { Object.assign(result, {trust}); }
/** @param {Result} result @param {Scramble} scramble */
export function setScramble(result, scramble) { Object.assign(result, {scramble}); }
/** @param {Result} result @param {Result['exporting']} exporting */
export function setExporting(result, exporting) { Object.assign(result, {exporting}); }
/** @param {Trust | Scramble | NonNullable<Result['exporting']>} part of a result @param {object} changes */
export function changePart(part, changes) { Object.assign(part, changes); }

// ------------------------------------------------------------------ actions: viewing

/** @param {View} view */
export function setView(view) { own.view = view; }
/** @param {Window} window */
export function setLevels(window) { own.window = window; }
/** @param {Place | null} place in shares of the film */
export function setPointer(place) { own.pointer = place; }
/** @param {Partial<Pick<State, 'opacity' | 'scale' | 'side' | 'palette' | 'smooth' | 'levels'>>} look */
export function setLook(look) { Object.assign(own, look); publish('look'); publish('draw'); }
/** @param {Partial<State['wipe']>} wipe */
export function setWipe(wipe) { own.wipe = {...own.wipe, ...wipe}; }
/** @param {Film | null} film */
export function setBeside(film) { own.beside = film; }
/** @param {keyof State['notes']} name @param {string} words */
export function note(name, words) { own.notes = {...own.notes, [name]: words}; publish('note', name); }
/** @param {string} by a finding's label, or "name" */
export function sortBy(by) {
  own.order = {by, falling: own.order.by === by ? !own.order.falling : by !== 'name'};
}

// ------------------------------------------------------------------ actions: boxes, quiz, grid, packing

/** @param {boolean} is whether a box is being drawn */
export function setDrawing(is) { Object.assign(own, {drawing: is, corner: null, pulled: null}); }
/** @param {Place | null} corner where the box began @param {Edges | null} pulled the box so far */
export function pullBox(corner, pulled) { Object.assign(own, {corner, pulled}); }
/** @param {State['table']} table */
export function setTable(table) { own.table = table; }
/** @param {AwaitedTable | null} awaited */
export function awaitTable(awaited) { own.awaited = awaited; }
/** @param {Partial<Quiz>} changes */
export function changeQuiz(changes) { own.quiz = {...own.quiz, ...changes}; }
/** @param {Partial<Grid>} changes */
export function changeGrid(changes) { own.grid = {...own.grid, ...changes}; }
/** @param {string} label @param {boolean} is */
export function compareFinding(label, is) {
  const others = [...own.grid.findings ?? []].filter(other => other !== label);
  changeGrid({findings: new Set(is ? [...others, label] : others)});
}
export function clearGrid() { changeGrid({film: null, columns: [], rows: [], cells: new Map()}); }
/** @param {Job} job @param {Cell} cell */
export function setCell(job, cell) { changeGrid({cells: new Map(own.grid.cells).set(cellKey(job.method, job.k), cell)}); }
/** @param {Method} method @param {number} k a column */
export const cellKey = (method, k) => `${method.key} ${k}`;
/** @param {Partial<Packing>} changes */
export function changePacking(changes) { own.packing = {...own.packing, ...changes}; }
