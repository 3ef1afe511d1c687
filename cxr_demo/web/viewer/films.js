// Several films: predicted one after another while nothing else is asked, a table of all findings that sorts and is taken
// away as CSV, films of one study combined, and another film beside the one that is looked at.

const asked = new Map();  // turn -> whose prediction is under way: {film, model, source}
const order = {by: null, falling: true};
const resultOf = film => film.results.get(state.model) ?? null;

// The next film that has not been looked at: it may wait for everything else.
function askNext() {
  const measuring = ['trust', 'scramble', 'exporting'].some(part => current()?.[part]?.state === 'running');
  if (asked.size || state.film?.busy || grid.job || measuring || shown().some(card => entryOf(card)?.state === 'running')) return;
  const next = state.films.find(film => film.source && !film.error && !film.busy && !resultOf(film));
  if (next) askFilm(next, true);
}

// ------------------------------------------------------------------ kept over a reload, until the tab is closed

function keepFilms() {
  if (!KINDS.length) return;
  const films = state.films.filter(film => film.source && (!film.error || film.results.size));
  const kept = {model: state.wanted ?? chosenModel(), label: state.picked ? state.label : null, at: films.indexOf(state.film), films: films.map(({name, source, boxes}) => ({name, source, boxes}))};
  try { sessionStorage.setItem('cxr-films', JSON.stringify(kept)); } catch { /* a frame without storage */ }
}

function restoreFilms() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem('cxr-films')); } catch { /* none */ }
  if (!KINDS.length || !kept?.films.length) return;
  const known = page.models.some(model => model.name === kept.model);
  if (known) state.model = models.value = kept.model;
  if (kept.label) Object.assign(state, {label: kept.label, picked: true});
  for (const {name, source, boxes} of kept.films) Object.assign(addFilm(name, source), {boxes, met: Boolean(kept.label), busy: false});
  examples.open = state.films.every(film => film.source.kind !== 'file');
  const film = state.films[kept.at] ?? state.films[0];
  if (known || !page.guests) return choose(film);
  // one of the Hub, which this page has yet to hear of; kept until another is chosen
  state.wanted = nameField.value = kept.model;
  Object.assign(film, {busy: true});
  state.film = film;
  showFilm();
  openNaming();
  askNamed();
}

// ------------------------------------------------------------------ the table

const answered = () => state.films.filter(resultOf);
const probabilityOf = (film, i) => resultOf(film).seen.probabilities[i];
const labelsOf = films => resultOf(films[0]).seen.labels;
const ticked = () => answered().filter(film => film.ticked);
const logit = p => Math.log(clamp(p, 1e-6, 1 - 1e-6) / (1 - clamp(p, 1e-6, 1 - 1e-6)));

// Of the films that are ticked: the probability of the mean of their log-odds, for each finding.
function combined() {
  const films = ticked();
  return labelsOf(films).map((_, i) => {
    const mean = films.reduce((sum, film) => sum + logit(probabilityOf(film, i)), 0) / films.length;
    return 1 / (1 + Math.exp(-mean));
  });
}

const filmTable = make('div', {class: 'scroll'});
const tableName = make('span', {});
const tablePanel = make('details', {class: 'table', hidden: true}, make('summary', {}, tableName), filmTable,
  make('p', {class: 'soft'}, tr('Calibrated probabilities; \u25b2 is above the operating point. A click on a head sorts, on a name shows the film; \u26a0 does not look like an upright frontal chest film.'), ' ',
    tr('Combined: the mean of the log-odds of the ticked films, for films of one patient taken together; the model was not measured on such means.')),
  make('div', {class: 'group'}, button(tr('Save as CSV'), {class: 'quiet', id: 'cxr-csv'}, saveTable),
    KINDS.length ? saveFilms : null, KINDS.length ? stopFilms : null, saveFilmsStatus));

function sorted() {
  const films = [...answered()];
  if (order.by === null || !films.length) return films;
  const i = order.by === 'name' ? -1 : labelsOf(films).indexOf(order.by);
  const value = film => i < 0 ? film.name : probabilityOf(film, i);
  return films.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (order.falling ? -1 : 1));
}

function sortBy(by) {
  order.falling = order.by === by ? !order.falling : by !== 'name';
  order.by = by;
  showTable();
  filmTable.querySelector(`th[data-by="${by}"] button`)?.focus();
}

function showTable() {
  const films = sorted();
  tablePanel.hidden = state.films.length < 2;
  const missing = state.films.filter(film => film.error && !resultOf(film)).length;
  const waits = state.films.length - films.length - missing;
  say(tableName, [tr('All films: {done} of {n}', {done: films.length, n: state.films.length}), waits && tr('{n} to come', {n: waits}),
    missing && tr('{n} could not be read', {n: missing})].filter(Boolean).join(', '));
  if (tablePanel.hidden || !films.length) return filmTable.replaceChildren();
  const head = (by, words) => make('th', {scope: 'col', 'data-by': by,
    'aria-sort': order.by !== by ? 'none' : order.falling ? 'descending' : 'ascending'},
  button(`${words}${order.by !== by ? '' : order.falling ? ' \u25be' : ' \u25b4'}`, {class: 'plain'}, () => sortBy(by)));
  const {thresholds} = resultOf(films[0]).seen;
  const cell = (p, i) => {
    const above = thresholds[i] !== null && p >= thresholds[i];
    return make('td', {class: above ? 'above' : null}, `${above ? '\u25b2 ' : ''}${percent(p)}`);
  };
  const rows = films.map(film => make('tr', {'aria-current': film === state.film ? 'true' : null, class: resultOf(film).seen.doubted ? 'doubted' : null},
    make('td', {}, make('input', {type: 'checkbox', checked: Boolean(film.ticked), 'aria-label': tr('Combine {name}', {name: film.name}), 'data-name': film.name,
      onchange: event => { film.ticked = event.target.checked; showTable(); filmTable.querySelector(`[data-name="${CSS.escape(film.name)}"]`)?.focus(); }})),
    make('th', {scope: 'row', title: resultOf(film).seen.warnings.map(told).join(' ') || null},
      resultOf(film).seen.doubted ? '\u26a0 ' : null, button(film.name, {class: 'plain'}, () => choose(film))),
    ...resultOf(film).seen.probabilities.map(cell)));
  const many = ticked().length;
  filmTable.replaceChildren(make('table', {},
    make('thead', {}, make('tr', {}, make('td', {}), head('name', tr('Film')), ...labelsOf(films).map(label => head(label, readable(label))))),
    make('tbody', {}, ...rows),
    many > 1 ? make('tfoot', {}, make('tr', {}, make('td', {}), make('th', {scope: 'row'}, tr('{n} films combined', {n: many})), ...combined().map(cell))) : null));
}

// RFC 4180. What a spreadsheet would take for a formula is text.
function saveTable() {
  const quoted = text => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const films = sorted();
  if (!films.length) return;
  const {revision} = resultOf(films[0]).seen.spec;
  const rows = [['file', 'model', ...labelsOf(films), 'warnings'].map(quoted)];
  for (const film of films) rows.push([quoted(film.name), quoted(revision), ...resultOf(film).seen.probabilities.map(p => p.toFixed(6)), quoted(resultOf(film).seen.warnings.join(' '))]);
  const none = labelsOf(films).map(() => '');
  for (const film of state.films) if (film.error && !resultOf(film)) rows.push([quoted(film.name), quoted(revision), ...none, quoted(film.error)]);
  if (ticked().length > 1) rows.push([quoted(`combined: ${ticked().map(film => film.name).join(', ')}`), quoted(revision), ...combined().map(p => p.toFixed(6)), '']);
  download(new Blob([rows.map(row => `${row.join(',')}\r\n`).join('')], {type: 'text/csv'}), 'findings.csv');
}

// ------------------------------------------------------------------ another film beside this one, e.g. an earlier one of the patient

const beside = {film: null};
const besideChoice = make('select', {id: 'cxr-beside', 'aria-label': tr('Film beside this one'), onchange: () => {
  beside.film = besideChoice.value === '' ? null : state.films[Number(besideChoice.value)];
  showBeside();
}});
const besideBox = group(make('label', {for: 'cxr-beside'}, tr('Beside it')), besideChoice);
besideBox.hidden = true;
const besideCanvas = make('canvas', {role: 'img', tabindex: 0, 'aria-label': tr('No other film')});
const besideStage = make('div', {class: 'stage'}, besideCanvas, make('i', {class: 'cross', hidden: true}));
const besideName = make('h3', {});
const besideWords = make('p', {class: 'reading'});
const besideCard = make('article', {class: 'card beside-card', 'aria-label': tr('Another film'), hidden: true},
  make('header', {}, besideName), besideStage, besideWords);

function showBeside() {
  const others = state.films.filter(film => film !== state.film && resultOf(film));
  if (!others.includes(beside.film)) beside.film = null;
  besideBox.hidden = !others.length;
  besideChoice.replaceChildren(make('option', {value: ''}, tr('no other film')),
    ...others.map(film => make('option', {value: state.films.indexOf(film), selected: film === beside.film}, film.name)));
  const before = besideCard.hidden;
  besideCard.hidden = !beside.film || !current();
  if (besideCard.hidden !== before) return arrange();
  drawBeside();
}

function drawBeside() {
  if (besideCard.hidden) return;
  const result = resultOf(beside.film);
  fit(besideCanvas, result.image);
  picture(besideCanvas, result);
  say(besideName, beside.film.name);
  const [here, there] = [state.film, beside.film].map(film => probabilityOf(film, state.chosen));
  const points = Math.round(100 * (there - here));
  say(besideWords, [tr('{finding}: {there} here, {here} on the film that is explained.', {finding: readable(state.label), there: percent(there), here: percent(here)}),
    points === 0 ? tr('No difference.') : tr('Difference: {points} points.', {points: signed(points, 100).replace(`${POINT}0`, '')}),
    tr('Zoom and window are the same for both.')].join(' '));
  besideCanvas.setAttribute('aria-label', tr('The film {name}', {name: beside.film.name}));
}
