// The viewer: film, findings and cards. Python sends numbers, this colours them; choosing another finding, opacity, scale
// or colours asks nobody. `drawing.js` and `viewport.js` have how. Gradio calls this file with `element`, `trigger`, `props` and `upload`; Python puts EVENTS and
// CHANNEL before it. Text from outside (file names, errors, model cards) only ever goes through textContent.

const page = translated(props.about);
const state = {
  films: [], film: null, model: page.model, turn: 0, run: 0,
  seen: null, chosen: null,
  opacity: page.opacity, scale: 'own', side: 'both', palette: Object.keys(page.palettes)[0], smooth: false, levels: [],
  view: {x: 0, y: 0, zoom: 1}, window: {low: 0, high: 1, inverted: false},  // in shares of the film, and of its grey levels
};
const cards = new Map();  // method key -> card

// ------------------------------------------------------------------ small helpers

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter(present));
  return node;
}

function present(child) { return child !== null && child !== undefined; }

const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const readable = label => tr(label.replaceAll('_', ' '));
const sentenceCase = text => text[0].toUpperCase() + text.slice(1);
const percent = p => `${fixed(100 * p, p < 0.0995 ? 1 : 0)} %`;

function signed(value, reference = Math.abs(value)) {
  const digits = reference >= 10 ? 1 : reference >= 1 ? 2 : reference >= 0.1 ? 3 : 4;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? '0' : (value > 0 ? '+' : '\u2212') + text.replace('.', POINT);
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// ------------------------------------------------------------------ what is shown now

const addressOf = path => `${window.gradio_config?.root ?? ''}/gradio_api/file=${path}`;
const current = () => state.film?.results.get(state.model) ?? null;
const entryOf = card => current()?.entries.get(card.method.key) ?? null;
const shown = () => [...cards.values()].filter(card => card.on);

// The value that gets full colour: one for all cards that share the unit, or the card's own.
function limitOf(card, maps) {
  const own = maps.limit[state.chosen];
  if (state.scale === 'own' || !card.method.comparable) return own;
  return Math.max(own, ...shown().filter(c => c.method.comparable).map(c => entryOf(c)?.maps?.limit[state.chosen] ?? 0));
}

function drawCard(card) {
  const result = current();
  const entry = entryOf(card);
  card.stage.classList.toggle('blank', !result?.image);
  if (!result?.image) return;
  fit(card.canvas, result.image);
  const maps = entry?.maps;
  const limit = maps ? limitOf(card, maps) : null;
  picture(card.canvas, result, maps, limit, stopsOf(card.method.unit));
  scaleBar(card, maps, limit);
  describe(card, entry, limit);
  trustLine(card);
  if (state.pointer) readOut(card);
}

function scaleBar(card, maps, limit) {
  const stops = stopsOf(card.method.unit);
  const low = stops[0][0];
  const parts = Array.from({length: 17}, (_, k) => low + (1 - low) * k / 16).map(t => {
    const cover = hidden(t) ? 0 : Math.abs(t) * state.opacity;
    return `rgb(${shade(stops, t).map(Math.round).join(' ')} / ${cover.toFixed(3)})`;
  });
  card.ramp.style.backgroundImage = `linear-gradient(90deg, ${parts.join(', ')})`;
  const number = value => !maps ? '' : signed(value, limit);
  say(card.low, number(low * limit));
  say(card.middle, low < 0 ? '0' : number(limit / 2));
  say(card.high, number(limit));
}

function describe(card, entry, limit) {
  const label = readable(current().seen.labels[state.chosen]);
  const maps = entry?.maps;
  const about = {method: card.method.title, finding: label};
  let words = tr('{method}, {finding}: no map yet', about);
  if (maps) {
    const values = planeShown(maps, state.chosen);
    let [least, most] = [0, 0];
    for (const q of values) { if (q < least) least = q; else if (q > most) most = q; }
    const unit = maps.scale[state.chosen];
    const empty = Math.max(most, -least) * unit < 0.02 * limit || limit === 0;
    card.stage.classList.toggle('empty', empty);
    words = tr('{method}, {finding}: from {least} to {most} {unit}',
      {...about, least: signed(least * unit), most: signed(most * unit), unit: told(card.method.unit)});
    if (empty) words = tr('{method}, {finding}: nothing to see at this scale', about);
  }
  card.canvas.setAttribute('aria-label', words);
  const fidelity = entry?.fidelity?.[state.chosen];
  const fits = fidelity === null || fidelity === undefined ? '' : tr('fits the model on its samples: R\u00b2 {value}', {value: fixed(fidelity, 2)});
  say(card.fidelity, [maps ? faintness(card, maps) : '', fits].filter(Boolean).join(' \u00b7 '));
}

// Colours of cards with scales of their own do not tell how strong a map is, so words do.
function faintness(card, maps) {
  if (!card.method.comparable) return '';
  const limitIn = c => entryOf(c)?.maps?.limit[state.chosen] ?? 0;
  const [strongest] = shown().filter(c => c.method.comparable).sort((a, b) => limitIn(b) - limitIn(a));
  const ratio = limitIn(strongest) / maps.limit[state.chosen];
  return ratio >= 2 ? tr('{times} times fainter than {method}', {times: ratio.toFixed(0), method: strongest.method.title}) : '';
}

function draw() {
  const result = current();
  filmStage.classList.toggle('blank', !result?.image);
  if (result?.image) {
    fit(filmCanvas, result.image);
    picture(filmCanvas, result);
    filmCanvas.setAttribute('aria-label', tr('The film {name}', {name: result.seen.film.name}));
    filmStage.dataset.pixels = result.seen.film.deeper ? result.film.pixels?.state ?? 'copy' : 'done';
  }
  shown().forEach(drawCard);
  drawWipe();
  drawBeside();
  drawGrid();
  drawSmalls();
  if (state.pointer) point(state.pointer);
}

// ------------------------------------------------------------------ the value under the pointer, in all cards at once

// `place` in shares of the film; null for nowhere.
function point(place) {
  if (!current()?.image) return;
  state.pointer = place && {x: clamp(place.x, 0, 1), y: clamp(place.y, 0, 1)};
  for (const cross of element.querySelectorAll('.cross')) {
    const canvas = cross.parentElement.querySelector('canvas');
    const {left, top, width, height} = frame({width: canvas.offsetWidth, height: canvas.offsetHeight}, state.view);
    const [x, y] = state.pointer ? [left + state.pointer.x * width, top + state.pointer.y * height] : [-1, -1];
    cross.hidden = x < 0 || y < 0 || x > canvas.offsetWidth || y > canvas.offsetHeight;
    cross.style.left = `${canvas.offsetLeft + x}px`;
    cross.style.top = `${canvas.offsetTop + y}px`;
  }
  shown().forEach(readOut);
}

function readOut(card) {
  const maps = entryOf(card)?.maps;
  if (!maps || !state.pointer) return say(card.readout, '');
  const {crop} = current().seen.film;
  const [x, y] = [(state.pointer.x - crop.left) / crop.width, (state.pointer.y - crop.top) / crop.height];
  if (x < 0 || x >= 1 || y < 0 || y >= 1) return say(card.readout, tr('not seen by the model'));
  const value = valueAt(maps, state.chosen, Math.floor(x * maps.side), Math.floor(y * maps.side));
  say(card.readout, tr('here {value}', {value: signed(value, maps.limit[state.chosen])}));
}

// ------------------------------------------------------------------ asking Python

// `quiet` for a film that is not looked at: it ends nothing that runs.
function askFilm(film, quiet = false) {
  state.turn += 1;
  asked.set(state.turn, {film, model: state.model, source: film?.source});
  trigger(EVENTS.film, {turn: state.turn, run: quiet ? 0 : state.run, source: film?.source ?? null, model: state.model, aside: quiet});
}

function askRun(card) {
  const result = current();
  if (!result?.image) return;
  state.run += 1;
  const settings = settingsOf(card);
  const known = entryOf(card);
  const before = known?.state === 'done' ? {...known, error: null} : known?.before;
  result.entries.set(card.method.key, {run: state.run, state: 'running', began: performance.now(), settings, before});
  refresh(card);
  trigger(EVENTS[card.method.key], {
    run: state.run, source: state.film.source, model: state.model, settings});
}

// What a run with the settings as they stand would take, before it is started.
function askEstimate(card) {
  state.run += 1;
  card.estimating = state.run;
  trigger(EVENTS.estimate, {run: state.run, model: state.model, method: card.method.key, settings: settingsOf(card)});
}

function heardEstimate({run, method, copies, error}) {
  const card = cards.get(method);
  if (card?.estimating !== run) return;
  say(card.estimate, error ? told(error) : !copies ? tr('takes no altered copies')
    : pace(card) ? tr('{n} altered copies, about {time}', {n: copies, time: lasting(copies * pace(card))}) : tr('{n} altered copies', {n: copies}));
  card.estimate.classList.toggle('early', Boolean(error));
  for (const [name, field] of card.fields) field.setAttribute('aria-invalid', String(Boolean(error?.startsWith(`${name}=`))));
}

// Seconds that an altered copy took of late, on this card or on another.
function pace(card) {
  const ran = [card, ...cards.values()].map(entryOf).find(entry => entry?.state === 'done' && entry.steps[1] > 20);
  return ran ? ran.seconds / ran.steps[1] : null;
}

const lasting = seconds => seconds >= 90 ? tr('{n} minutes', {n: Math.round(seconds / 60)}) : `${Math.max(1, Math.round(seconds))} s`;

function stop(card) {
  const entry = entryOf(card);
  if (entry?.state !== 'running') return;
  entry.state = 'stopping';
  refresh(card);
  trigger(EVENTS.stop, {method: card.method.key, run: entry.run});
}

// What a film still lacks of the cards that are switched on.
function complete() {
  for (const card of shown()) if (!entryOf(card)) askRun(card);
}

async function heardFilm(answer) {
  const {film, model, source} = asked.get(answer.turn) ?? {};
  asked.delete(answer.turn);
  if (film && film !== state.film) film.busy = false;
  if (model !== state.model || source !== film?.source || film?.results.has(model)) return;
  const looked = film === (state.film ?? undefined);
  if (answer.spec && (looked || !film)) showModel(answer.spec);
  if (!film) return;
  film.busy = false;
  film.error = told(answer.error ?? null);
  if (!answer.error) {
    const image = new Image();
    image.src = answer.film.png;
    await image.decode();
    if (source !== film.source || film.results.has(model)) return;  // it was put right meanwhile
    const result = {film, seen: answer, image, entries: new Map()};
    film.results.set(model, result);
    giveBoxes(film, answer.film);
    film.thumb ??= thumbnail(image);
    if (film !== state.film || model !== state.model) return showStrip();
    settle(result);
    complete();
  }
  if (film === state.film) showFilm(); else showStrip();
}

async function heardMethod(answer) {
  if (grid.job?.run === answer.run) return heardJob(answer);
  const card = cards.get(answer.method);
  const result = current();
  const entry = card && entryOf(card);
  if (!entry || entry.run !== answer.run || entry.state === 'done') return;
  const maps = answer.maps && await unpacked(answer.maps);
  if (result !== current() || entryOf(card) !== entry || (entry.at ?? 0) > answer.at) return;
  if (answer.error && entry.before) {  // the map that was there stays
    result.entries.set(card.method.key, {...entry.before, error: answer.error});
    refresh(card);
    return draw();
  }
  const ended = answer.error || answer.stopped ? 'stopped' : answer.complete ? 'done' : entry.state;
  if (answer.steps?.[0]) entry.since ??= {at: performance.now(), done: answer.steps[0]};
  // a map takes longer to unpack than a word, which may so come before it
  const why = ended === 'stopped' ? {stopped: answer.stopped ?? entry.stopped, error: answer.error ?? entry.error} : {};
  Object.assign(entry, {ahead: null}, answer, why, {state: ended, maps: maps ?? entry.maps});
  if (ended === 'done') entry.before = null;  // or each run would keep the one before it
  refresh(card);
  // one card's new maximum is everybody's new scale, and what the others are faint beside
  if (maps) { shown().forEach(drawCard); drawWipe(); }
  if (ended !== 'running') { askTrust(); showGrid(); showQuiz(); }
}

// An event that Gradio could not serve, e.g. because too many wait: no answer comes, so the page says it itself.
function heardFailure({failed}) {
  const refused = {state: 'stopped', error: page.refused};
  const card = cards.get(failed);
  const entry = card && entryOf(card);
  const part = current()?.[failed === 'export' ? 'exporting' : failed];  // 'trust' or 'scramble'
  if (card && grid.job?.card === card && !['running', 'stopping'].includes(entry?.state)) {
    heardJob({run: grid.job.run, error: page.refused});
  } else if (entry) {
    Object.assign(entry, refused);
    refresh(card);
  } else if (failed === 'film') {
    for (const {film} of asked.values()) if (film) Object.assign(film, {busy: false, error: page.refused});
    asked.clear();
    showFilm();
  } else if (failed === 'named') {
    heardNamed({run: namedRun, error: page.refused});
  } else if (failed === 'pixels') {
    noPixels(state.film, page.refused);
  } else if (['export', 'bundle'].includes(failed) && bundle.run !== null) {
    endBundle(page.refused);
  } else if (part) {
    Object.assign(part, refused);
    showTrust();
    showExport();
  }
}

document.addEventListener(CHANNEL, ({detail}) => {
  if (!detail) return;
  if (detail.failed) heardFailure(detail);
  else if (detail.event === 'trust') heardTrust(detail);
  else if (detail.event === 'scramble') heardScramble(detail);
  else if (detail.event === 'estimate') heardEstimate(detail);
  else if (detail.event === 'pixels') heardPixels(detail);
  else if (detail.event === 'export') heardExport(detail);
  else if (detail.event === 'bundle') heardPacked(detail);
  else if (detail.event === 'named') heardNamed(detail);
  else if (detail.method) heardMethod(detail);
  else heardFilm(detail);
});

// ------------------------------------------------------------------ the film, and several of them

const KINDS = page.accepts;
const filmCanvas = make('canvas', {role: 'img', tabindex: 0, 'aria-label': tr('No film yet')});
const picker = make('input', {type: 'file', multiple: true, accept: [...KINDS, '.csv'].join(','), class: 'picker', tabindex: -1,
  'aria-label': tr('Choose films'), onchange: () => { addFiles([...picker.files]); picker.value = ''; }});
const invite = make('div', {class: 'invite'},
  make('strong', {}, tr('Drop chest X-rays here')),
  make('span', {}, tr('or paste them, or choose files: PNG, JPEG, TIFF, BMP, WebP, DICOM')));
const veil = make('div', {class: 'veil', hidden: true}, make('span', {class: 'spinner'}), make('span', {class: 'words'}));
const filmStage = make('div', {class: 'stage blank'}, filmCanvas, make('i', {class: 'cross', hidden: true}), invite, veil);
const filmName = make('div', {class: 'filmname'});
const filmNotes = make('div', {class: 'notes', role: 'alert'});
const strip = make('div', {class: 'strip', role: 'group', 'aria-label': tr('Films'), hidden: true});

function thumbnail(image) {
  const k = 56 / Math.max(image.width, image.height);
  const small = make('canvas', {width: Math.round(image.width * k), height: Math.round(image.height * k)});
  small.getContext('2d').drawImage(image, 0, 0, small.width, small.height);
  return small;
}

function addFilm(name, source) {
  const film = {name, source, results: new Map(), thumb: null, error: null, busy: true};
  state.films.push(film);
  return film;
}

async function addFiles(files) {
  const tables = [...files].filter(file => /\.csv$/i.test(file.name));
  for (const table of tables) readBoxes(table.name, await table.text());
  const added = [...files].filter(file => !tables.includes(file)).map(file => ({file, film: addFilm(file.name, null)}));
  if (!added.length) return;
  examples.open = false;
  choose(added[0].film);
  for (const {file, film} of added) {
    try {
      film.source = {kind: 'file', path: (await upload(file)).path, name: file.name};
    } catch (error) {
      film.busy = false;
      film.error = file.size > page.megabytes * 2 ** 20
        ? tr('{name} is too large; files up to {n} MB are accepted.', {name: file.name, n: page.megabytes})
        : tr('{name} could not be sent: the service is out of reach, or has no room left. Please try again.', {name: file.name});
    }
    if (film === state.film) choose(film); else film.busy = false;
    showStrip();
  }
}

function addBuiltIn(kind, item) {
  const known = state.films.find(f => f.source?.kind === kind && f.source.key === item.key);
  choose(known ?? Object.assign(addFilm(item.title, {kind, key: item.key}), {boxes: [...(item.boxes ?? [])]}), true);
}

// What is under way is ended by the server, and asked for again on return.
function leave() {
  const measuring = ['trust', 'scramble', 'exporting'].filter(part => current()?.[part]?.state === 'running');
  for (const part of measuring) current()[part] = null;
  if (!measuring.length && !shown().some(card => ['running', 'stopping'].includes(entryOf(card)?.state))) return;
  for (const card of shown()) if (entryOf(card)?.state !== 'done') current().entries.delete(card.method.key);
  trigger(EVENTS.stop, {run: state.run});
}

// `afresh` where it is to be seen as it first was: by its own model, if it has one.
function choose(film, afresh = film !== state.film) {
  leave();
  const another = film !== state.film;
  if (another && state.film) forgetPixels(state.film);  // tens of megabytes
  state.film = film;
  if (another) lookAfresh();
  if (afresh) useModelOf(film);
  state.pointer = null;
  const result = current();
  if (result) {
    film.error = null;
    settle(result);
    complete();
    askTrust();
  } else if (film.source) {  // also once more after a failure: what was out of reach may be back
    Object.assign(film, {busy: true, error: null});
    askFilm(film);
  }
  showFilm();
}

// What a visitor should see first: the most probable finding that is above its operating point, if there is one.
const foremost = seen => seen.ranked.find(i => seen.thresholds[i] !== null && seen.probabilities[i] >= seen.thresholds[i]) ?? seen.ranked[0];

function settle(result) {
  if (result.seen.spec) showModel(result.seen.spec);
  const drawn = result.seen.labels.indexOf(plantedIn(result.film)?.finding);  // what a phantom is there to show
  const kept = result.seen.labels.indexOf(state.label);
  state.chosen = drawn >= 0 && !result.film.met ? drawn : state.picked && kept >= 0 ? kept : foremost(result.seen);
  result.film.met = true;
  state.label = result.seen.labels[state.chosen];
  showFindings();
  askPixels();  // where one looks closely already
}

function showFilm() {
  const film = state.film;
  const result = current();
  veil.hidden = !film?.busy;
  say(veil.querySelector('.words'), !film?.busy ? '' : film.source ? tr('Reading the film\u2026') : tr('Sending the film\u2026'));
  invite.hidden = Boolean(film?.busy || result);
  removeButton.hidden = !film || !KINDS.length;
  const seen = result?.seen.film;
  filmName.replaceChildren(...(!film ? [] : [make('b', {title: film.name}, film.name),
    make('span', {}, seen ? tr('{size} pixels', {size: `${seen.width} \u00d7 ${seen.height}`}) : '')]));
  const notes = film?.error ? [film.error] : (result?.seen.warnings ?? []).map(told);
  filmNotes.replaceChildren(...notes.map(text => make('p', {}, text)), ...corrections(film, result?.seen));
  filmNotes.classList.toggle('bad', Boolean(film?.error));
  showStrip();
  draw();
  for (const card of cards.values()) {
    for (const [name, value] of Object.entries(entryOf(card)?.settings ?? {})) card.fields.get(name).value = value;
    refresh(card);
  }
  showTrust();
  showGrid();
  showQuiz();
}

// What would put the film right, or show it as it was sent: the visitor decides.
function corrections(film, seen) {
  if (!film || film.error) return [];
  const offered = [];
  if (seen?.correction) offered.push([sentenceCase(told(seen.correction)), seen.correction]);
  if (film.source?.correction) offered.push([tr('Show it as it was sent'), null]);
  return offered.map(([words, correction]) => button(words, {class: 'chip', 'data-correction': correction ?? 'none'}, () => correct(film, correction)));
}

function correct(film, correction) {
  leave();
  const turns = turnsOf(correction) - turnsOf(film.source.correction);
  film.boxes = (film.boxes ?? []).map(box => ({...box, edges: turned(box.edges, turns)}));
  film.source = {...film.source, correction: correction ?? undefined};
  film.results.clear();
  forgetPixels(film);
  film.thumb = null;
  choose(film);
  lookAfresh();
}

function showStrip() {
  keepFilms();
  showTable();
  showBeside();
  strip.hidden = state.films.length < 2;
  strip.replaceChildren(...state.films.map(film => make('button', {
    type: 'button', class: `thumb${film.error ? ' bad' : ''}`, title: film.name, 'aria-label': film.name,
    'aria-pressed': String(film === state.film), onclick: () => choose(film)},
  film.thumb ?? make('span', {class: 'empty'}, film.error ? '!' : '\u2026'), make('span', {class: 'name'}, film.name))));
}

function button(text, attributes, onclick) {
  return make('button', {type: 'button', ...attributes, onclick}, text);
}

// Open until somebody brings a film of their own.
const examples = make('details', {class: 'examples', open: true, hidden: !KINDS.length}, make('summary', {}, tr('Examples')),
  page.phantoms.length ? make('span', {class: 'lead'}, tr('Phantoms, drawn by this program')) : null,
  make('div', {class: 'chips'}, ...page.phantoms.map(item =>
    button(item.title, {class: 'chip', 'data-phantom': item.key}, () => addBuiltIn('phantom', item)))),
  page.examples.length ? make('span', {class: 'lead'}, tr('Public films, fetched when clicked')) : null,
  make('div', {class: 'chips'}, ...page.examples.map(item =>
    button(item.title, {class: 'chip', 'data-example': item.key, title: item.credit}, () => addBuiltIn('example', item)))),
  page.lessons.length ? make('span', {class: 'lead'}, tr('Where each method fails')) : null,
  make('div', {class: 'chips'}, ...page.lessons.map(item => button(item.title, {class: 'chip', 'data-lesson': item.key},
    () => addBuiltIn('lesson', {...item, title: tr('Where {method} fails', {method: item.title})})))));

const removeButton = button(tr('Remove'), {class: 'quiet', id: 'cxr-remove', hidden: true, title: tr('Remove this film from the list')}, () => {
  leave();
  const at = state.films.indexOf(state.film);
  state.films = state.films.filter(film => film !== state.film);
  const next = state.films[Math.min(at, state.films.length - 1)];
  if (next) return choose(next);
  state.film = null;
  showFindings();
  showFilm();
});
const filmPane = make('section', {class: 'film', 'aria-label': tr('Film')},
  filmStage,
  make('div', {class: 'filmbar'}, filmName, removeButton,
    button(tr('Choose films'), {class: 'quiet'}, () => picker.click()), picker),
  filmNotes, strip, examples);

invite.addEventListener('click', () => picker.click());
const carries = event => KINDS.length && [...(event.dataTransfer?.types ?? [])].includes('Files');
const dropping = on => filmStage.classList.toggle('dropping', on);
document.addEventListener('dragover', event => { if (carries(event)) { event.preventDefault(); dropping(true); } });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) dropping(false); });
document.addEventListener('drop', event => {
  if (!carries(event)) return;
  event.preventDefault();
  dropping(false);
  addFiles(event.dataTransfer.files);
});
document.addEventListener('paste', event => {
  if (KINDS.length && event.clipboardData?.files.length) { event.preventDefault(); addFiles(event.clipboardData.files); }
});

// ------------------------------------------------------------------ findings

const list = make('div', {class: 'list', role: 'listbox', tabindex: 0, 'aria-label': tr('Findings, the most probable first')});
const chooser = make('select', {id: 'cxr-finding', onchange: () => pick(Number(chooser.value), true)});
const facts = make('section', {class: 'facts', 'aria-label': tr('The model and how good it was measured to be')});
let spec = page.spec;

function row(i, place, seen) {
  const p = seen?.probabilities[i];
  const threshold = seen?.thresholds[i] ?? null;
  const above = threshold !== null && p >= threshold;
  const auroc = spec.auroc[seen?.labels[i] ?? spec.labels[i]];
  const words = !seen ? '' : threshold === null ? tr('{finding}: {p}, operating point unknown', {finding: readable(seen.labels[i]), p: percent(p)})
    : tr('{finding}: {p}, operating point {threshold}', {finding: readable(seen.labels[i]), p: percent(p), threshold: percent(threshold)});
  return make('div', {class: `row${above ? ' above' : ''}`, role: 'option', id: `cxr-row-${i}`, 'data-finding': i,
    'aria-selected': String(i === state.chosen), 'aria-label': words || null, onclick: () => pick(i, true)},
  make('span', {class: 'label'}, readable(seen?.labels[i] ?? spec.labels[i])),
  make('span', {class: 'track'},
    make('span', {class: 'fill', style: `width:${100 * (p ?? 0)}%`}),
    threshold === null ? null : make('span', {class: 'mark', style: `left:${100 * threshold}%`, title: tr('operating point {threshold}', {threshold: percent(threshold)})})),
  make('span', {class: 'number'}, seen ? percent(p) : '\u2013'),
  make('span', {class: 'point'}, threshold === null ? '' : above ? `\u25b2 ${percent(threshold)}` : percent(threshold)),
  make('span', {class: 'auroc', title: auroc ? tr('AUROC {subset}: {value} ({low} to {high}), {positives} of {n} films',
    {...rounded(auroc), subset: told(auroc.subset), positives: auroc.positives, n: auroc.films}) : null},
    auroc ? fixed(auroc.value, 2) : ''));
}

const rounded = ({value, low, high}) => ({value: fixed(value, 2), low: fixed(low, 2), high: fixed(high, 2)});

function showFindings() {
  const seen = current()?.seen ?? null;
  const order = seen?.ranked ?? spec.labels.map((_, i) => i);
  list.replaceChildren(...order.map((i, place) => row(i, place, seen)));
  findingPane.classList.toggle('doubted', Boolean(seen?.doubted));
  chooser.replaceChildren(...order.map(i => make('option', {value: i}, readable((seen ?? spec).labels[i]))));
  chooser.disabled = !seen;
  mark();
}

function mark() {
  for (const node of list.children) node.setAttribute('aria-selected', String(Number(node.dataset.finding) === state.chosen));
  if (state.chosen === null) return;
  list.setAttribute('aria-activedescendant', `cxr-row-${state.chosen}`);
  chooser.value = String(state.chosen);
}

function pick(i, byHand) {
  const seen = current()?.seen;
  if (!seen) return;
  state.chosen = i;
  state.label = seen.labels[i];
  state.picked ||= byHand;
  if (byHand) keepFilms();
  mark();
  draw();
  showTrust();
  showGrid();
}

list.addEventListener('keydown', event => {
  const ranked = current()?.seen.ranked;
  if (!ranked) return;
  const at = ranked.indexOf(state.chosen);
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ranked.length - 1}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  pick(ranked[clamp(to, 0, ranked.length - 1)], true);
});

function showModel(next) {
  spec = next;
  const unmeasured = spec.means.length ? null : make('p', {class: 'soft'}, tr('How good it is was not measured here.'));
  const measured = spec.means.map(s => make('p', {class: 'measured'},
    make('b', {}, `${told(s.metric)} ${fixed(s.value, 2)}`),
    make('span', {class: 'soft'}, tr(' ({low} to {high}), mean of all findings, {subset}', {...rounded(s), subset: told(s.subset)}))));
  facts.replaceChildren(...[
    make('h2', {}, told(spec.title)),
    make('p', {class: 'soft'}, make('code', {}, spec.revision)),
    ...measured.slice(0, 2),
    unmeasured,
    make('details', {}, make('summary', {}, tr('How it was measured and trained')),
      ...[...measured.slice(2), spec.scored_on ? make('p', {class: 'soft', lang: 'en'}, spec.scored_on) : null,
        make('p', {class: 'soft', lang: 'en'}, spec.trained_on)].filter(present)),
  ].filter(present));
  if (!current()) showFindings();
}

const findingPane = make('section', {class: 'findings', 'aria-label': tr('Findings')},
  make('div', {class: 'row head', 'aria-hidden': 'true'},
    make('span', {class: 'label'}, tr('Finding')), make('span', {class: 'track'}), make('span', {class: 'number'}, tr('Probability')),
    make('span', {class: 'point', title: tr('operating point, on the probability')}, tr('Threshold')), make('span', {class: 'auroc', title: tr('how well the model tells films with the finding from films without')}, tr('AUROC'))),
  make('p', {class: 'doubt'}, tr('Numbers of a picture that does not look like an upright frontal chest film: do not read them.')),
  list);

// ------------------------------------------------------------------ controls over all cards

function radio(value, text) {
  return make('label', {}, make('input', {type: 'radio', name: 'cxr-scale', value, checked: state.scale === value,
    onchange: () => { state.scale = value; draw(); }}), text);
}

const opacity = make('input', {type: 'range', min: 0, max: 1, step: 0.01, value: state.opacity, id: 'cxr-opacity',
  oninput: () => { state.opacity = Number(opacity.value); say(opacityNumber, percent(state.opacity)); draw(); }});
const opacityNumber = make('output', {for: 'cxr-opacity'}, percent(state.opacity));
const controls = make('section', {class: 'controls', 'aria-label': tr('How the maps are shown')},
  group(make('label', {for: 'cxr-finding'}, tr('Finding')), chooser),
  group(make('label', {for: 'cxr-opacity'}, tr('Opacity')), opacity, opacityNumber),
  group(tr('Scale'), radio('own', tr('each its own')), radio('same', tr('same for all methods'))),
  group(tr('Methods'), ...page.methods.map(toggle)),
  group(tr('Take away'), saveAll, saveAllStatus));

function group(name, ...members) {
  const several = typeof name === 'string';
  return make('div', {class: 'group', role: several ? 'group' : null, 'aria-label': several ? name : null},
    several ? make('span', {}, name) : name, ...members);
}

function toggle(method) {
  const box = make('input', {type: 'checkbox', checked: method.on, 'data-method': method.key, onchange: () => {
    const card = cards.get(method.key);
    card.on = box.checked;
    card.node.hidden = !box.checked;
    if (!box.checked) stop(card);
    else complete();
    arrange();
    showGrid();
  }});
  return make('label', {}, box, method.title);
}

// ------------------------------------------------------------------ cards

function control(card, s) {
  const id = `cxr-${card.method.key}-${s.name}`;
  const label = make('label', {for: id, title: s.help}, readable(s.name));
  const field = s.choices.length
    ? make('select', {id}, ...s.choices.map(c => make('option', {value: c, selected: c === s.default}, tr(c))))
    : make('input', {id, type: 'number', min: s.low, max: s.high, step: s.step ?? 'any', value: s.default});
  if (KINDS.length) field.addEventListener('change', () => {
    if (field.value === '') field.value = s.default;
    askEstimate(card);
  });
  card.fields.set(s.name, field);
  return make('div', {class: 'setting'}, label, field, make('small', {}, s.help));
}

function settingsOf(card) {
  return Object.fromEntries([...card.fields].map(([name, field]) =>
    [name, field.type === 'number' ? Number(field.value) : field.value]));
}

function build(method) {
  const card = {method, on: method.on, fields: new Map()};
  card.canvas = make('canvas', {role: 'img', tabindex: 0, 'aria-label': tr('{method}: no map yet', {method: method.title})});
  card.stage = make('div', {class: 'stage blank', 'data-blank': tr('the map appears here')}, card.canvas, make('i', {class: 'cross', hidden: true}));
  pointing(card.canvas);
  card.trust = make('p', {class: 'trust', hidden: true});
  for (const name of ['low', 'middle', 'high', 'readout', 'fidelity', 'status', 'figures', 'estimate']) card[name] = make('span', {class: name});
  card.status.setAttribute('role', 'status');
  card.ramp = make('div', {class: 'ramp'});
  card.bar = make('progress', {max: 1, value: 0, 'aria-label': tr('{method}: progress', {method: method.title})});
  card.stop = button(tr('Stop'), {class: 'stop', 'aria-label': tr('Stop {method}', {method: method.title}), disabled: true}, () => stop(card));
  card.again = button(tr('Run again'), {class: 'quiet', 'aria-label': tr('Run {method} again', {method: method.title}), disabled: true}, () => askRun(card));
  card.save = button(tr('Save PNG'), {class: 'quiet', 'aria-label': tr('Save the picture of {method}', {method: method.title}), disabled: true}, () => save(card));
  card.node = make('article', {class: 'card', 'data-method': method.key, 'aria-label': method.title, hidden: !method.on},
    make('header', {}, make('h3', {}, method.title), make('span', {class: 'unit'}, told(method.unit)), card.stop),
    card.stage,
    make('div', {class: 'scale'}, card.ramp, make('div', {class: 'ticks'}, card.low, card.middle, card.high)),
    make('div', {class: 'line'}, card.readout, card.fidelity),
    card.trust,
    card.bar,
    make('div', {class: 'line'}, card.status, card.figures),
    make('p', {class: 'reading'}, method.reading),
    make('details', {ontoggle: () => { if (KINDS.length) askEstimate(card); }}, make('summary', {}, tr('Settings')),
      ...method.settings.map(s => control(card, s)), make('p', {class: 'line'}, card.estimate),
      make('p', {class: 'paper'}, method.paper)),
    make('footer', {}, card.again, card.save));
  return card;
}

// Words and bar of a card: what is done, of how much, and whether it ended early.
function refresh(card) {
  const entry = entryOf(card);
  const busy = ['running', 'stopping'].includes(entry?.state);
  const [done, total] = entry?.steps ?? [0, 0];
  card.node.dataset.state = entry?.state ?? 'idle';
  card.stop.disabled = entry?.state !== 'running';
  card.again.disabled = busy || !current()?.image;
  card.save.disabled = !entry?.maps;
  if (busy && !total) card.bar.removeAttribute('value');
  else card.bar.value = entry?.state === 'done' ? 1 : total ? done / total : 0;
  say(card.status, entry ? words(entry) : '');
  card.status.classList.toggle('early', Boolean(entry?.error || entry?.stopped));
  const seconds = busy ? (performance.now() - entry.began) / 1000 : entry?.seconds;
  const number = entry?.forwards;
  say(card.figures, !entry || seconds === undefined ? '' :
    [`${fixed(seconds, 1)} s`, number ? tr('{n} forward passes', {n: number}) : ''].filter(Boolean).join(' \u00b7 '));
  if (!entry?.maps) { say(card.readout, ''); say(card.fidelity, ''); }
  showExport();
}

// Who waits is told how many are before, and about how long it will take.
function waiting({ahead, wait}) {
  if (ahead === null || ahead === undefined) return null;
  const turn = ahead ? tr('waiting for its turn: {n} before it', {n: ahead}) : tr('waiting for its turn: the next one');
  return wait ? tr('{turn}, about {time}', {turn, time: lasting(wait)}) : turn;
}

function words({state: now, error, stopped, steps: [done, total] = [0, 0], forwards, ahead, wait, since}) {
  if (error) return told(error);
  if (stopped) return `${told(stopped)} ${forwards ? tr('Map of {done} of {n} copies.', {done, n: total}) : tr('There is no map.')}`;
  const progress = waiting({ahead, wait}) ?? (total ? altered(since, done, total) : tr('starting\u2026'));
  return {running: progress, stopping: tr('stopping\u2026'), done: tr('complete')}[now];
}

// Time left at the pace since the first copies were scored; the first map took longer, by what comes before any copy.
function altered(since, done, total) {
  if (!since || done <= since.done) return tr('{done} of {n} altered copies', {done, n: total});
  const each = (performance.now() - since.at) / 1000 / (done - since.done);
  return tr('{done} of {n} altered copies, about {time} left', {done, n: total, time: lasting(each * (total - done))});
}

const deck = make('section', {class: 'cards', 'aria-label': tr('Maps')});
const arrange = () => { deck.style.setProperty('--columns', Math.max(1, shown().length + !wipeCard.hidden + !besideCard.hidden)); draw(); };
