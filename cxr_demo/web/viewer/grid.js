// Grid of maps: methods by findings, settings, models or films, with the difference of two columns as a map.

/** @import {Cell, Column, GridKind, Maps, Method, Result} from './types.d.ts' */
import {fit, picture, stopsOf} from './canvas.js';
import {button, make, makeTable, setDisabled, setText} from './dom.js';
import {cellOf, filmsToCompare, runGrid, settingOf, stopGrid} from './gridruns.js';
import {readable, say, tr} from './i18n.js';
import {lessOf} from './maps.js';
import {fixed, percent, signed} from './numbers.js';
import {words} from './progress.js';
import {cellKey, changeGrid, clearGrid, compareFilm, compareFinding, current, entryOf, methodOf, on, probabilityOf, resultOf, shown, state, takesFilms} from './store.js';

/** @typedef {ReturnType<typeof createParts>} Parts */

export function createGrid() {
  const parts = createParts();
  on('grid', () => showGrid(parts));
  on('film', () => showGrid(parts));
  on('drawer', () => showGrid(parts));
  on('draw', () => drawGrid(parts));
  on('model', () => offerModels(parts.models));
  on('grid-status', () => setText(parts.status, statusOf()));
  return parts.panel;
}

function createParts() {
  /** @type {Record<GridKind, string>} */
  const kinds = {findings: tr('ui.grid.by_findings'), settings: tr('ui.grid.by_settings'), models: tr('ui.grid.by_models'), films: tr('ui.grid.by_films')};
  // a report without a server compares existing maps only
  const offered = takesFilms() ? Object.entries(kinds) : [['findings', kinds.findings]];
  const kind = make('select', {id: 'cxr-grid-kind', onchange: () => {
    changeGrid({kind: /** @type {GridKind} */ (kind.value)});
    showGrid(parts);
  }}, ...offered.map(([value, name]) => make('option', {value}, name)));
  /** @param {string} name */
  const chips = name => make('div', {class: 'chips', role: 'group', 'aria-label': name});
  const [findings, models, films] = [tr('ui.grid.findings'), tr('ui.grid.models'), tr('ui.grid.films')].map(chips);
  const method = make('select', {id: 'cxr-grid-method', 'aria-label': tr('ui.grid.method'), onchange: () => { changeGrid({setting: null}); showGrid(parts); }});
  const setting = make('select', {id: 'cxr-grid-setting', 'aria-label': tr('ui.grid.setting'), onchange: () => { changeGrid({setting: setting.value}); suggest(parts); }});
  const values = make('input', {type: 'text', id: 'cxr-grid-values', size: 16, 'aria-label': tr('ui.grid.values')});
  const run = button(tr('ui.common.compare'), {class: 'quiet', id: 'cxr-grid-run'}, () => {
    const wrong = runGrid(methodOf(method.value), values.value, chosenIn(models));
    if (wrong) setText(status, wrong);
  });
  const stop = button(tr('ui.common.stop'), {class: 'stop', disabled: true, 'aria-label': tr('ui.grid.stop')}, () => { stopGrid(); showGrid(parts); });
  const status = make('span', {class: 'soft', role: 'status'});
  const place = make('div', {class: 'scroll'});
  const panel = make('div', {class: 'table grid', hidden: true},
    make('div', {class: 'group'}, make('label', {for: 'cxr-grid-kind'}, tr('ui.common.compare')), kind, method, setting, values, run, stop, status),
    findings, models, films, place,
    make('p', {class: 'soft'}, tr('ui.grid.hint')));
  offerModels(models);
  /** @type {(() => void)[]} Redraw functions of its pictures, called when the view changes. */
  const draws = [];
  const parts = {panel, kind, findings, models, films, method, setting, values, run, stop, status, place, draws};
  return parts;
}

/** @param {HTMLElement} models @returns names of the ticked models */
const chosenIn = models => [...models.querySelectorAll('input')].filter(box => box.checked).map(box => box.value);

/** @param {HTMLElement} models */
function offerModels(models) {
  const known = [...models.querySelectorAll('input')].map(box => box.value);
  models.append(...state.models.filter(model => !known.includes(model.name))
    .map(model => make('label', {}, make('input', {type: 'checkbox', value: model.name}), model.title)));
}

/** Suggests values to compare: the default and one far from it. @param {Parts} parts */
function suggest({method, values}) {
  const of = methodOf(method.value);
  const s = of && settingOf(of);
  const usual = Number(s?.default);
  values.value = !s ? '' : s.choices.length ? s.choices.map(({key}) => key).join(', ') : [usual, Math.min(s.high, Math.max(s.low, usual * 2.5))].join(', ');
}

// ------------------------------------------------------------------ what is shown

/** @param {Parts} parts */
function showGrid(parts) {
  const result = current();
  if (!result || parts.panel.hidden) return;
  if (state.grid.film && isStale()) {
    stopGrid();
    clearGrid();
  }
  const {kind, job} = state.grid;
  const own = kind === 'findings';
  parts.findings.hidden = !own;
  for (const node of [parts.method, parts.setting, parts.values]) node.hidden = kind !== 'settings';
  parts.models.hidden = kind !== 'models';
  parts.films.hidden = kind !== 'films';
  parts.run.hidden = parts.stop.hidden = own;
  setDisabled(parts.run, Boolean(job));
  setDisabled(parts.stop, !job);
  if (!job) setText(parts.status, '');
  offerChoices(parts, result);
  parts.draws.length = 0;
  parts.place.replaceChildren(own ? byFindings(parts, result) : byRuns(parts, result));
  drawGrid(parts);
}

function statusOf() {
  const {job, jobs} = state.grid;
  const of = job && cellOf(job);
  if (!of) return '';
  const {method, column} = job;
  return [`${method.title}, ${column.name}: ${words(of)}`, jobs.length && tr('ui.grid.more_after', {n: jobs.length})].filter(Boolean).join('; ');
}

/** Whether its cells belong to another comparison than the chosen one. */
function isStale() {
  const {kind, ran, film, source, model} = state.grid;
  return ran !== kind || film !== state.film || source !== state.film?.source || (kind !== 'models' && model !== state.model);
}

/** @param {Parts} parts */
function drawGrid({panel, draws}) {
  if (!panel.hidden) for (const redraw of draws) redraw();
}

/** @param {Parts} parts @param {Result} result */
function offerChoices(parts, result) {
  offerFindings(parts, result);
  parts.films.replaceChildren(...filmsToCompare().map(film => {
    const box = make('input', {type: 'checkbox', checked: film.compared, onchange: () => compareFilm(film, box.checked)});
    return make('label', {}, box, film.name);
  }));
  const able = state.page.methods.filter(method => method.settings.length);
  if (!able.length) return;
  const key = parts.method.value || (able.find(method => state.on.has(method.key)) ?? able[0]).key;
  parts.method.replaceChildren(...able.map(method => make('option', {value: method.key, selected: method.key === key}, method.title)));
  const settings = methodOf(key)?.settings ?? [];
  if (settings.some(s => s.name === state.grid.setting)) return;
  changeGrid({setting: settings[0].name});
  parts.setting.replaceChildren(...settings.map(s => make('option', {value: s.name}, s.title)));
  suggest(parts);
}

/** @param {string} label */
const isCompared = label => state.grid.findings?.has(label) ?? false;

/** @param {Parts} parts @param {Result} result */
function offerFindings(parts, {seen: {labels, ranked}}) {
  if (!state.grid.findings) changeGrid({findings: new Set(ranked.slice(0, 4).map(i => labels[i]))});
  parts.findings.replaceChildren(...ranked.map(i => button(readable(labels[i]),
    {class: 'chip', 'aria-pressed': String(isCompared(labels[i])), 'data-label': labels[i]}, () => {
      compareFinding(labels[i], !isCompared(labels[i]));
      showGrid(parts);
      /** @type {HTMLElement | null} */ (parts.findings.querySelector(`[data-label="${labels[i]}"]`))?.focus();
    })));
}

/** @typedef {{maps: Maps, limit: number, i: number, label: string, result: Result}} Drawn */

/** @param {Parts} parts @param {Method} method @param {string} said @param {Drawn | null} drawn */
function cell(parts, method, said, drawn) {
  const canvas = make('canvas', {role: 'img', 'aria-label': said});
  if (drawn) {
    const {maps, limit, i, label, result} = drawn;
    parts.draws.push(() => {
      fit(canvas, result.image);
      picture(canvas, result, {maps, limit, stops: stopsOf(method)}, {i, label});
    });
  }
  return make('td', {}, make('div', {class: `stage small${drawn ? '' : ' blank'}`}, canvas), make('small', {}, said));
}

/** The value with full colour in words, with a plus-minus sign for maps of both signs. @param {number} limit @param {Maps} maps */
const upTo = (limit, maps) => tr('ui.grid.up_to', {value: signed(limit).replace('+', maps.planes.some(q => q < 0) ? '\u00b1' : '')});

/** @param {Parts} parts @param {Result} result */
function byFindings(parts, result) {
  const {labels, ranked, probabilities} = result.seen;
  const picked = ranked.filter(i => isCompared(labels[i]));
  /** @type {[string, HTMLTableCellElement[]][]} */
  const rows = shown().flatMap(method => {
    const maps = entryOf(method)?.maps;
    if (!maps) return [];
    const most = Math.max(...picked.map(i => maps.limit[i]));
    return [[method.title, picked.map(i => cell(parts, method, upTo(maps.limit[i], maps),
      {maps, limit: method.comparable ? most : maps.limit[i], i, label: labels[i], result}))]];
  });
  return makeTable(picked.map(i => `${readable(labels[i])} ${percent(probabilities[i])}`), rows);
}

/** @param {Column} column */
function headOf({name, film}) {
  const result = film && resultOf(film);
  return film && result ? `${name} ${percent(probabilityOf(film, result.seen.labels.indexOf(state.label)))}` : name;
}

/** @param {Parts} parts @param {Result} result */
function byRuns(parts, result) {
  const {columns, rows} = state.grid;
  if (!columns.length) return make('p', {class: 'soft'}, tr('ui.grid.choose'));
  const ofFilms = columns.some(column => column.film);  // cells of two films show different places, so they have no difference
  const heads = [...columns.map(headOf), ...(ofFilms ? [] : [tr('ui.grid.difference')])];
  return makeTable(heads, rows.map(method => [method.title, runCells(parts, method, ofFilms, result)]));
}

/** @param {Parts} parts @param {Method} method @param {boolean} ofFilms @param {Result} result */
function runCells(parts, method, ofFilms, result) {
  const {columns, cells} = state.grid;
  const found = columns.map((column, k) => {
    const of = cells.get(cellKey(method, k)) ?? null;
    const i = of?.maps?.labels.indexOf(state.label) ?? -1;
    return {of, i, maps: i >= 0 ? of?.maps ?? null : null, result: (column.film ? resultOf(column.film) : null) ?? result};
  });
  const most = Math.max(0, ...found.map(({maps, i}) => maps?.limit[i] ?? 0));
  const made = found.map(({of, maps, i, result: seen}) => cell(parts, method, wordsOf(of, maps, i),
    maps && {maps, limit: method.comparable ? most : maps.limit[i], i, label: state.label, result: seen}));
  if (ofFilms) return made;
  const [first, last] = [found[0], found[found.length - 1]];
  if (columns.length < 2 || !method.comparable || !first.maps || !last.maps) {
    return [...made, cell(parts, method, method.comparable ? '' : tr('ui.grid.no_difference'), null)];
  }
  const less = lessOf(last.maps, last.i, first.maps, first.i);
  return [...made, cell(parts, method, upTo(less.limit[0], less), {maps: less, limit: most, i: 0, label: state.label, result})];
}

/** @param {Cell | null} of @param {Maps | null} maps @param {number} i */
function wordsOf(of, maps, i) {
  if (maps) return `${upTo(maps.limit[i], maps)}, ${fixed(of?.seconds ?? 0, 1)} s`;
  if (of?.maps) return tr('ui.grid.unknown_finding', {finding: readable(state.label)});
  const ended = of?.error ?? of?.stopped;
  if (ended) return say(ended);
  return of ? tr('ui.grid.running') : state.grid.job ? tr('ui.grid.waits') : tr('ui.grid.not_run');
}
