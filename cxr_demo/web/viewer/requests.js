// Requests to the server. Each has a number, `run` or `turn`, which its answer repeats.

/** @import {Film, Host, Method, Names, Sentence, Source} from './types.d.ts' */
import {askable} from './boxtables.js';
import {replaying} from './recorded.js';
import {adoptExample, askedFor, changeEntry, changePart, current, dropUnfinished, entryOf, finished, isBusy, isExample, measuring, nextRun, publish, resultOf, setEntry, setEstimating, setNaming, setScramble, setTrust, settingsOf, shown, state, waitsForRequest} from './store.js';

/** @type {(event: string, data: Record<string, unknown>) => void} */
let send = () => {};
/** @type {Host['upload']} */
let upload = () => Promise.reject(new Error('No server.'));

/** Sends requests to the server, except those about the example that its record answers. @param {Host} host @param {Names} names */
export function connect(host, {events, channel}) {
  const answers = state.page.example?.answers ?? {};
  const replay = replaying(answers, channel);
  send = (event, data) => {
    const stored = /** @type {Source | undefined} */ (data.source)?.stored && !data.aside;
    (stored && answers[events[event]] ? replay : host.trigger)(events[event], data);
  };
  upload = host.upload;
}

/** @param {string} event an event's name, or a method's key for its maps @param {Record<string, unknown>} data */
export const ask = (event, data) => send(event, data);

/** @param {File} file @returns its path on the server */
export const sendFile = async file => (await upload(file)).path;

/** Fields of every request about the current film. @param {number} run */
export const about = run => ({run, source: state.film?.source, model: state.model});

/** @param {Film} film @returns its boxes of the model's findings */
export const boxesTold = film => askable(film.boxes, state.spec.labels);

// ------------------------------------------------------------------ lost streams

/** Milliseconds of silence after which answers may be waiting on the server; it reports on a computation twice a second. */
const SILENCE = 5000;
let heardAt = 0;

/** Notes that the server has answered. */
export function heardServer() { heardAt = performance.now(); }

/**
 * Has Gradio's client open its stream of answers again when an answer is overdue. The server closes the stream after the
 * last answer, and a client that is busy may close it after it has sent further requests: their answers then wait on the
 * server for a new stream.
 */
export function wakeStream() {
  const due = state.asked.size || state.film?.busy || state.grid.job || state.packing.run !== null || measuring().length
    || shown().some(method => isBusy(entryOf(method)));
  if (!due || performance.now() - heardAt < SILENCE) return;
  heardServer();
  ask('wake', {});
}

// ------------------------------------------------------------------ predictions

/** @param {Film | null} film @param {boolean} [quiet] for a film in the background, so that no run ends */
export function askFilm(film, quiet = false) {
  const turn = askedFor({film, model: state.model, source: film?.source ?? null});
  ask('film', {turn, run: quiet ? 0 : state.run, source: film?.source ?? null, model: state.model, aside: quiet});
}

/** Requests the prediction of the next background film when nothing else is running. */
export function askNext() {
  const busy = state.asked.size || state.film?.busy || state.grid.job || measuring().length;
  if (busy || shown().some(method => entryOf(method)?.state === 'running')) return;
  const next = state.films.find(film => film.source && !film.error && !film.busy && !resultOf(film));
  if (next) askFilm(next, true);
}

/** @param {string} name of a model of the Hub */
export function askNamed(name) {
  const run = nextRun();
  setNaming(run);
  ask('named', {run, model: name});
}

// ------------------------------------------------------------------ maps

/** Starts a method at the visitor's request. @param {Method} method */
export function askRun(method) {
  if (isExample()) adopt(); else start(method);
}

/** Has the server explain the example, as a film of the list from now on. */
function adopt() {
  adoptExample();
  complete();
  publish('film');
}

/** @param {Method} method */
function start(method) {
  const result = current();
  if (!result) return;
  const run = nextRun();
  const settings = settingsOf(method);
  const known = entryOf(method);
  const before = known?.state === 'done' ? known : null;
  setEntry(result, method, {run, state: 'running', began: performance.now(), settings, before});
  publish('card', method);
  ask(method.key, {...about(run), settings});
}

/** Starts the visible methods whose maps the film lacks, unless these wait for the visitor's request. */
export function complete() {
  if (waitsForRequest()) return;
  for (const method of shown()) if (!entryOf(method)) start(method);
}

/** Requests the cost of a run with the card's current settings. @param {Method} method */
export function askEstimate(method) {
  const run = nextRun();
  setEstimating(method, run);
  ask('estimate', {run, model: state.model, method: method.key, settings: settingsOf(method)});
}

/** @param {Method} method */
export function stop(method) {
  const entry = entryOf(method);
  if (entry?.state !== 'running') return;
  changeEntry(entry, {state: 'stopping'});
  publish('card', method);
  ask('stop', {method: method.key, run: entry.run});
}

/** Stops the current film's runs and drops what is unfinished, to be requested again on return to the film. */
export function leave() {
  const result = current();
  if (!result || (!measuring().length && !shown().some(method => isBusy(entryOf(method))))) return;
  dropUnfinished(result);
  ask('stop', {run: state.run});
}

// ------------------------------------------------------------------ measures

/** Requests the measures of trust when every visible card has ended and no newer request exists. @param {boolean} [again] */
export function askTrust(again = false) {
  if (again && isExample()) return adopt();
  const result = current();
  const done = finished();
  if (!result || !done.length || shown().some(method => isBusy(entryOf(method)))) return;
  const of = done.map(method => `${method.key}:${entryOf(method)?.run}`).join(' ');
  const known = result.trust?.about === of ? result.trust : null;
  if (!again && known) return;
  const run = nextRun();
  const boxes = boxesTold(result.film);
  setTrust(result, {measured: new Map(), ...known, about: of, asked: JSON.stringify(boxes), run, state: 'running', error: null});
  ask('trust', {...about(run), finding: state.chosen, methods: done.map(method => method.key), boxes});
  publish('trust');
}

/** @param {string} depth of the permutation */
export function askScramble(depth) {
  const result = current();
  const done = finished();
  if (!result || !done.length) return;
  const run = nextRun();
  setScramble(result, {run, depth, maps: new Map(), state: 'running'});
  ask('scramble', {...about(run), depth, methods: done.map(method => method.key)});
  publish('scramble');
}

/** @param {NonNullable<import('./types.d.ts').Result['trust' | 'scramble' | 'exporting']>} part @param {Sentence} error */
export function refusePart(part, error) { changePart(part, {state: 'stopped', error}); }
