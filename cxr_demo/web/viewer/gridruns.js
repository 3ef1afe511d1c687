// Runs for the grid of maps, one at a time, independent of the cards' runs.

/** @import {Answer, Cell, Column, Film, Job, Method} from './types.d.ts' */
import {sentence, tr} from './i18n.js';
import {unpacked} from './maps.js';
import {sentenceCase} from './numbers.js';
import {ask} from './requests.js';
import {answered, cellKey, changeGrid, compareFilm, current, nextRun, publish, setCell, settingsOf, shown, state} from './store.js';

/** The current film and those with a prediction; at first the current one and another are ticked. @returns {Film[]} */
export function filmsToCompare() {
  const {film: looked, beside} = state;
  const films = [...(looked ? [looked] : []), ...answered().filter(film => film !== looked)];
  if (!films.some(film => film.compared)) for (const film of [looked, beside ?? films[1]]) if (film) compareFilm(film, true);
  return films;
}

/** @param {Method} method @returns the compared setting */
export const settingOf = method => method.settings.find(setting => setting.name === state.grid.setting) ?? null;

/**
 * Requests all of the grid's maps, grouped by film and model, so that the server loads each once.
 * @param {Method | null} method whose settings are compared @param {string} written their values as typed @param {string[]} models
 * @returns {string} the error in the values, empty if they are valid
 */
export function runGrid(method, written, models) {
  if (!current()) return '';
  stopGrid();
  const {kind} = state.grid;
  changeGrid({ran: kind, film: state.film, source: state.film?.source ?? null, model: state.model, cells: new Map()});
  const columns = kind === 'settings' ? method && settingColumns(method, written) : kind === 'films' ? filmColumns() : modelColumns(models);
  if (!columns) {
    changeGrid({ran: null});
    publish('grid');
    return tr('ui.grid.needs_numbers', {setting: sentenceCase(method ? settingOf(method)?.title ?? '' : '')});
  }
  const rows = kind === 'settings' && method ? [method] : shown();
  changeGrid({columns, rows, jobs: columns.flatMap((column, k) => rows.map(one => ({method: one, column, k, run: 0})))});
  nextJob();
  return '';
}

/** @param {Method} method @param {string} written @returns {Column[] | null} null if a value is invalid */
function settingColumns(method, written) {
  const setting = settingOf(method);
  if (!setting) return [];
  const number = !setting.choices.length;
  const values = [...new Set(written.split(',').map(text => text.trim()).filter(Boolean))];
  if (number && (!values.length || !values.every(value => Number.isFinite(Number(value))))) return null;
  return values.map(value => ({name: `${setting.title} ${value}`, model: state.model,
    settings: {...settingsOf(method), [setting.name]: number ? Number(value) : value}}));
}

/** @returns {Column[]} */
const filmColumns = () => filmsToCompare().filter(film => film.compared).map(film => ({name: film.name, model: state.model, film}));

/** @param {string[]} chosen names; empty for all @returns {Column[]} */
const modelColumns = chosen => state.models.filter(model => !chosen.length || chosen.includes(model.name))
  .map(({name, title}) => ({name: title, model: name}));

function nextJob() {
  const [next, ...jobs] = state.grid.jobs;
  const job = next ? {...next, run: nextRun()} : null;
  changeGrid({jobs, job});
  if (job) {
    const {method, column, run} = job;
    setCell(job, {state: 'running'});
    ask(method.key, {run, source: (column.film ?? state.grid).source, model: column.model,
      settings: column.settings ?? settingsOf(method), aside: true});
  }
  publish('grid');
}

export function stopGrid() {
  const {job} = state.grid;
  changeGrid({jobs: [], job: null});
  if (!job) return;
  ask('stop', {method: 'aside', run: job.run});
  setCell(job, {state: 'stopped', stopped: sentence('error.stopped.on_request')});
}

/** Handles an answer to one of the grid's requests. @param {Answer} answer */
export async function heardJob(answer) {
  const {job} = state.grid;
  if (!job) return;
  const maps = answer.maps && answer.complete ? await unpacked(answer.maps) : null;
  if (state.grid.job !== job) return;
  /** @type {Cell} */
  const cell = {...cellOf(job), ahead: null, ...answer, maps, state: maps ? 'done' : answer.error || answer.stopped ? 'stopped' : 'running'};
  setCell(job, cell);
  if (cell.state === 'running') publish('grid-status'); else nextJob();
}

/** @param {Job} job */
export const cellOf = job => state.grid.cells.get(cellKey(job.method, job.k)) ?? null;
