// Maps of one film in a grid: methods by findings, by settings, or by models, and what differs as a map of its own.

// Without a server, only what is already here can be compared.
const GRID = {findings: tr('methods and findings'), settings: tr('a method and its settings'), models: tr('methods and models'), films: tr('methods and films')};
const grid = {kind: 'findings', cells: new Map(), jobs: [], job: null, film: null, source: null, model: null, columns: [], rows: [], draws: []};

// ------------------------------------------------------------------ what is asked for

const gridKind = make('select', {id: 'cxr-grid-kind', onchange: () => { grid.kind = gridKind.value; showGrid(); }},
  ...Object.entries(KINDS.length ? GRID : {findings: GRID.findings}).map(([value, words]) => make('option', {value}, words)));
const gridFindings = make('div', {class: 'chips', role: 'group', 'aria-label': tr('Findings to compare')});
const gridMethod = make('select', {id: 'cxr-grid-method', 'aria-label': tr('Method'), onchange: () => { grid.setting = null; showGrid(); }});
const gridSetting = make('select', {id: 'cxr-grid-setting', 'aria-label': tr('Setting'), onchange: () => { grid.setting = gridSetting.value; suggest(); }});
const gridValues = make('input', {type: 'text', id: 'cxr-grid-values', size: 16, 'aria-label': tr('Values, separated by commas')});
const boxOf = model => make('label', {}, make('input', {type: 'checkbox', value: model.name}), model.title);
const gridModels = make('div', {class: 'chips', role: 'group', 'aria-label': tr('Models to compare')}, ...page.models.map(boxOf));
const gridFilms = make('div', {class: 'chips', role: 'group', 'aria-label': tr('Films to compare')});
const gridRun = button(tr('Compare'), {class: 'quiet', id: 'cxr-grid-run'}, runGrid);
const gridStop = button(tr('Stop'), {class: 'stop', disabled: true, 'aria-label': tr('Stop comparing')}, () => { stopGrid(); showGrid(); });
const gridStatus = make('span', {class: 'soft', role: 'status'});
const gridTable = make('div', {class: 'scroll'});
const gridPanel = make('details', {class: 'table grid', hidden: true, ontoggle: () => showGrid()},
  make('summary', {}, tr('Compare maps in a grid')),
  make('div', {class: 'group'}, make('label', {for: 'cxr-grid-kind'}, tr('Compare')), gridKind, gridMethod, gridSetting, gridValues, gridRun, gridStop, gridStatus),
  gridFindings, gridModels, gridFilms, gridTable,
  make('p', {class: 'soft'}, tr('One scale for each row where its maps share a unit. A difference is the last column less the first.')));

// Films whose prediction is known; at first the one that is looked at and another.
function filmsToCompare() {
  const films = [state.film, ...answered().filter(film => film !== state.film)];
  if (!films.some(film => film.compared)) for (const film of [state.film, beside.film ?? films[1]]) if (film) film.compared = true;
  return films;
}

const settingOf = key => cards.get(key).method.settings.find(s => s.name === grid.setting);

// Values worth comparing: the default and one far from it.
function suggest() {
  const s = settingOf(gridMethod.value);
  gridValues.value = !s ? '' : s.choices.length ? s.choices.join(', ') : [s.default, Math.min(s.high, Math.max(s.low, s.default * 2.5))].join(', ');
}

function runGrid() {
  const result = current();
  if (!result?.image) return;
  stopGrid();
  grid.cells.clear();
  Object.assign(grid, {ran: grid.kind, film: state.film, source: state.film.source, model: state.model});
  if (grid.kind === 'settings') {
    const card = cards.get(gridMethod.value);
    const number = !settingOf(card.method.key).choices.length;
    const values = [...new Set(gridValues.value.split(',').map(text => text.trim()).filter(Boolean))];
    if (number && (!values.length || !values.every(value => Number.isFinite(Number(value))))) {
      grid.ran = null;
      showGrid();
      return say(gridStatus, tr('{setting} needs numbers, separated by commas.', {setting: sentenceCase(readable(grid.setting))}));
    }
    grid.columns = values.map(value => ({name: `${readable(grid.setting)} ${value}`, model: state.model,
      settings: {...settingsOf(card), [grid.setting]: number && Number.isFinite(Number(value)) ? Number(value) : value}}));
    grid.rows = [card];
  } else if (grid.kind === 'films') {
    grid.columns = filmsToCompare().filter(film => film.compared).map(film => ({name: film.name, model: state.model, film}));
    grid.rows = shown();
  } else {
    const chosen = [...gridModels.querySelectorAll('input:checked')].map(box => box.value);
    grid.columns = (chosen.length ? chosen : page.models.map(m => m.name)).map(name =>
      ({name: page.models.find(m => m.name === name).title, model: name}));
    grid.rows = shown();
  }
  // film by film and model by model, so that each is read once
  grid.jobs = grid.columns.flatMap((column, k) => grid.rows.map(card => ({card, column, k})));
  nextJob();
}

function nextJob() {
  grid.job = grid.jobs.shift() ?? null;
  if (grid.job) {
    const {card, column, k} = grid.job;
    state.run += 1;
    grid.job.run = state.run;
    grid.cells.set(`${card.method.key} ${k}`, {state: 'running'});
    trigger(EVENTS[card.method.key], {run: state.run, source: column.film?.source ?? grid.source, model: column.model,
      settings: column.settings ?? settingsOf(card), aside: true});
  }
  showGrid();
}

function stopGrid() {
  grid.jobs = [];
  if (!grid.job) return;
  const {card, k, run} = grid.job;
  trigger(EVENTS.stop, {method: 'aside', run});
  grid.cells.set(`${card.method.key} ${k}`, {state: 'stopped', stopped: 'Stopped on request.'});
  grid.job = null;
}

// An answer to one of the grid's own questions, none of a card's.
async function heardJob(answer) {
  const {card, k} = grid.job;
  const cell = grid.cells.get(`${card.method.key} ${k}`);
  const job = grid.job;
  const maps = answer.maps && answer.complete ? await unpacked(answer.maps) : null;
  if (grid.job !== job) return;
  Object.assign(cell, {ahead: null}, answer, {maps, state: maps ? 'done' : answer.error || answer.stopped ? 'stopped' : 'running'});
  if (cell.state === 'running') return say(gridStatus, waitingFor(job, cell));
  nextJob();
}

function waitingFor({card, column}, cell) {
  return [`${card.method.title}, ${column.name}: ${words(cell)}`, grid.jobs.length && tr('{n} more after it', {n: grid.jobs.length})].filter(Boolean).join('; ');
}

// ------------------------------------------------------------------ what is shown

// a less b, of one finding each, at the places of a's cells.
function lessOf(a, i, b, j) {
  const values = Float32Array.from(plane(a, i), (q, k) => {
    const [x, y] = [k % a.side, Math.floor(k / a.side)].map(at => Math.floor((at + 0.5) / a.side * b.side));
    return q * a.scale[i] - valueAt(b, j, x, y);
  });
  const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return {side: a.side, scale: [limit / 127], limit: [limit], planes: Int8Array.from(values, value => Math.round(value / limit * 127)), smooth: new Map()};
}

function showGrid() {
  const result = current();
  gridPanel.hidden = !result?.image;
  if (gridPanel.hidden || !gridPanel.open) return;
  const stale = grid.ran !== grid.kind || grid.film !== state.film || grid.source !== state.film.source || (grid.kind !== 'models' && grid.model !== state.model);
  if (stale && grid.film) {
    stopGrid();
    grid.cells.clear();
    Object.assign(grid, {film: null, columns: [], rows: []});
  }
  const own = grid.kind === 'findings';
  gridFindings.hidden = !own;
  for (const node of [gridMethod, gridSetting, gridValues]) node.hidden = grid.kind !== 'settings';
  gridModels.hidden = grid.kind !== 'models';
  gridFilms.hidden = grid.kind !== 'films';
  gridRun.hidden = gridStop.hidden = own;
  gridRun.disabled = Boolean(grid.job);
  gridStop.disabled = !grid.job;
  if (!grid.job) say(gridStatus, '');
  choices();
  grid.draws = [];
  gridTable.replaceChildren(own ? byFindings(result) : byRuns());
  drawGrid();
}

function drawGrid() {
  if (gridPanel.open && !gridPanel.hidden) for (const redraw of grid.draws) redraw();
}

function choices() {
  const {labels, ranked} = current().seen;
  grid.findings ??= new Set(ranked.slice(0, 4).map(i => labels[i]));
  gridFindings.replaceChildren(...ranked.map(i => button(readable(labels[i]), {class: 'chip', 'aria-pressed': String(grid.findings.has(labels[i])), 'data-label': labels[i]}, () => {
    if (!grid.findings.delete(labels[i])) grid.findings.add(labels[i]);
    showGrid();
    gridFindings.querySelector(`[data-label="${labels[i]}"]`).focus();
  })));
  gridFilms.replaceChildren(...filmsToCompare().map(film => make('label', {}, make('input', {type: 'checkbox', checked: Boolean(film.compared),
    onchange: event => { film.compared = event.target.checked; }}), film.name)));
  const able = [...cards.values()].filter(card => card.method.settings.length);
  if (!able.length) return;
  const key = gridMethod.value || able.find(card => card.on)?.method.key || able[0].method.key;
  gridMethod.replaceChildren(...able.map(({method}) => make('option', {value: method.key, selected: method.key === key}, method.title)));
  const {settings} = cards.get(key).method;
  if (settings.some(s => s.name === grid.setting)) return;
  grid.setting = settings[0].name;
  gridSetting.replaceChildren(...settings.map(s => make('option', {value: s.name}, readable(s.name))));
  suggest();
}

function gridCell(maps, i, limit, unit, words, result = current(), label = state.label) {
  const canvas = make('canvas', {role: 'img', 'aria-label': words});
  if (maps) grid.draws.push(() => {
    fit(canvas, result.image);
    picture(canvas, result, maps, limit, stopsOf(unit), {i, label});
  });
  return make('td', {}, make('div', {class: `stage small${maps ? '' : ' blank'}`}, canvas), make('small', {}, words));
}

function lay(heads, rows) {
  return make('table', {}, make('thead', {}, make('tr', {}, make('td', {}), ...heads.map(text => make('th', {scope: 'col'}, text)))),
    make('tbody', {}, ...rows.map(([name, cells]) => make('tr', {}, make('th', {scope: 'row'}, name), ...cells))));
}

function byFindings(result) {
  const {labels, ranked, probabilities} = result.seen;
  const picked = ranked.filter(i => grid.findings.has(labels[i]));
  const rows = shown().filter(card => entryOf(card)?.maps).map(card => {
    const {maps} = entryOf(card);
    const limit = Math.max(...picked.map(i => maps.limit[i]));
    return [card.method.title, picked.map(i => gridCell(maps, i, card.method.comparable ? limit : maps.limit[i], card.method.unit,
      upTo(maps.limit[i], maps), result, labels[i]))];
  });
  return lay(picked.map(i => `${readable(labels[i])} ${percent(probabilities[i])}`), rows);
}

// The largest value, of either sign where there are two.
const upTo = (limit, maps) => tr('up to {value}', {value: signed(limit).replace('+', maps.planes.some(q => q < 0) ? '\u00b1' : '')});
const probabilityIn = film => percent(probabilityOf(film, labelsOf([film]).indexOf(state.label)));

function byRuns() {
  const {columns, rows} = grid;
  if (!columns.length) return make('p', {class: 'soft'}, tr('Choose what to compare; it then runs once for each column.'));
  const laid = rows.map(card => {
    const {unit, comparable} = card.method;
    const found = columns.map((_, k) => {
      const cell = grid.cells.get(`${card.method.key} ${k}`);
      const i = cell?.maps?.labels.indexOf(state.label) ?? -1;
      return {cell, i, maps: i >= 0 ? cell.maps : null, result: columns[k].film ? resultOf(columns[k].film) : current()};
    });
    const limit = Math.max(0, ...found.map(({maps, i}) => maps?.limit[i] ?? 0));
    const cells = found.map(({cell, maps, i, result}) => gridCell(maps, i, comparable ? limit : maps?.limit[i], unit,
      maps ? `${upTo(maps.limit[i], maps)}, ${fixed(cell.seconds, 1)} s`
        : cell?.maps ? tr('does not know {finding}', {finding: readable(state.label)}) : told(cell?.error ?? cell?.stopped) ?? (cell ? tr('running\u2026') : grid.job ? tr('waits') : tr('not run')), result));
    if (columns.some(column => column.film)) return [card.method.title, cells];  // places of two films are not the same places
    const [first, last] = [found[0], found.at(-1)];
    if (columns.length > 1 && comparable && first.maps && last.maps) {
      const less = lessOf(last.maps, last.i, first.maps, first.i);
      cells.push(gridCell(less, 0, limit, unit, upTo(less.limit[0], less)));
    } else cells.push(gridCell(null, 0, 1, unit, comparable ? '' : tr('ranks only: no difference')));
    return [card.method.title, cells];
  });
  return lay([...columns.map(column => column.film ? `${column.name} ${probabilityIn(column.film)}` : column.name),
    ...(columns.some(column => column.film) ? [] : [tr('difference')])], laid);
}
